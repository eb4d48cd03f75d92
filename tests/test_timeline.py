"""What render/timeline.py draws: lanes, bars and marks at the right places."""

import itertools
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from recorder.recording import Frame, Line, Pipe, Process, Thread, Wait
from recorder.waits import match_stacks
from render.runs import ROOT
from render.timeline import ending, feeders_of, shared_heights, shared_legend, timeline
from tests.pictures import Picture, near
from tests.recordings import recording


def run_of(processes, lines=(), *, wall=4.0, ended="exit", status=0):
    return recording(
        processes=tuple(processes),
        lines=tuple(Line(at, text) for at, text in lines),
        wall=wall,
        ended=ended,
        status=status if ended == "exit" else None,
    )


def process(pid, started, ended, *samples, role="worker", stack=(), threads=()):
    found = match_stacks(stack, pid, {}).items()
    threads = threads or tuple(Thread(tid, frames=frames) for tid, frames in found)
    return Process(pid, 100, role, started, ended, samples, stack, threads=threads)


def two_workers():
    """A parent that works for half a second, and two workers, one of which waits at first."""
    return run_of(
        [
            process(200, 0.0, 4.0, (4.0, 0.0), role="helper"),
            process(102, 1.0, 4.0, (2.0, 0.0), (3.0, 0.5), (4.0, 1.5)),
            process(101, 0.5, 3.0, (1.0, 0.5), (2.9, 2.4)),
            process(100, 0.0, 4.0, (0.5, 0.5), (3.0, 0.5), (4.0, 0.5), role="parent"),
        ],
        [
            (0.0, "Parent process ID: 100"),
            (3.0, "Process ID: 101, name: Left & <right>, subtotal: 1,000"),
            (4.0, "Process ID: 102, name: Worker 2, subtotal: 1,000"),
        ],
    )


class Timeline(Picture):
    """A timeline, its places read off the axis as a reader does."""

    def __init__(self, run, draw=timeline, **how):
        super().__init__(draw(run, **how))

    def seconds(self, x):
        (x0, _), *_, (x1, _) = self.places("axis-label")
        t0, *_, t1 = map(float, self.texts("axis-label"))
        return t0 + (x - x0) * (t1 - t0) / (x1 - x0)

    def spans(self, name):
        return [
            near((self.seconds(x), self.seconds(x2)), 0.03) for x, x2, _, _ in self.boxes(name)
        ]

    def times(self, name):
        return [near(self.seconds(x), 0.03) for x, _ in self.places(name)]


def test_lanes_are_named_as_the_program_names_them_and_in_their_order():
    picture = Timeline(two_workers())
    names = ["parent", "Left & <right>", "Worker 2", "helper", "output"]
    assert picture.texts("name") == names
    heights = [y for _, y in picture.places("name")]
    assert heights == sorted(heights)
    for (_, _, top, _), height in zip(picture.boxes("life"), heights, strict=False):
        assert top - 12 < height < top + 2  # each name beside its bar


def test_bars_go_from_start_to_end():
    assert Timeline(two_workers()).spans("life") == [(0, 4), (0.5, 3), (1, 4), (0, 4)]


def test_the_part_on_a_core_rises_with_its_share():
    picture = Timeline(two_workers())
    assert picture.spans("ran") == [(0, 0.5), (0.5, 3), (2, 3), (3, 4)]
    whole, also, half, last = (low - high for _, _, high, low in picture.boxes("ran"))
    assert whole > 10
    assert (also, half, last) == near((whole, whole / 2, whole), 0.2)
    lanes = [top for _, _, top, _ in picture.boxes("life")]
    assert [low for *_, low in picture.boxes("ran")] == near(
        [lanes[0], lanes[1], lanes[2], lanes[2]], 0.2
    )


def test_each_line_of_output_has_a_mark_that_says_it():
    picture = Timeline(two_workers())
    assert picture.times("line") == [0, 3, 4]
    assert picture.tooltips("line")[:2] == [
        "0.000 s: Parent process ID: 100",
        "3.000 s: Process ID: 101, name: Left & <right>, subtotal: 1,000",
    ]
    assert "4.000 s: Process ID: 102, name: Worker 2" in picture.description
    assert "Left & <right>: 0.500 s to 3.000 s, ran for 2.400 s" in picture.description


def test_lines_that_come_together_share_a_mark():
    lines = [(1.0, "one"), (1.001, "two"), (1.002, "three"), (1.2, "four"), (3.0, "five")]
    picture = Timeline(run_of([process(100, 0, 4, role="parent")], lines))
    assert picture.times("line") == [1, 1.2, 3]
    assert [title.count("\n") + 1 for title in picture.tooltips("line")] == [3, 1, 1]


def test_the_axis_starts_at_zero_and_the_cores_are_said():
    picture = Timeline(two_workers())
    assert float(picture.texts("axis-label")[0]) == 0
    assert picture.texts("note") == ["seconds; full height: one core of 2"]
    assert picture.texts("key-name") == ["ran", "waited", "output"]


IN_JOIN = (
    "Fatal Python error: Aborted",
    "Thread 0x00007f1fda8ff6c0 (most recent call first):",
    '  File "<python>/multiprocessing/queues.py", line 248 in _feed',
    "Current thread 0x00007f1fdb893b80 (most recent call first):",
    '  File "<python>/multiprocessing/popen_fork.py", line 27 in poll',
    '  File "<python>/multiprocessing/process.py", line 149 in join',
    '  File "some_program.py", line 34 in main',
    '  File "some_program.py", line 40 in <module>',
)
AT_EXIT = (
    "Current thread 0x00007f1fdb893b80 (most recent call first):",
    '  File "<python>/threading.py", line 1119 in join',
    '  File "<python>/multiprocessing/queues.py", line 199 in _finalize_join',
    '  File "<python>/multiprocessing/process.py", line 317 in _bootstrap',
    '  File "some_program.py", line 34 in main',
)
ITS_OWN = (
    "Current thread 0x00007f1fdb893b80 (most recent call first):",
    '  File "some_program.py", line 12 in forever',
    '  File "<python>/multiprocessing/process.py", line 108 in run',
)


def test_a_hung_run_waits_until_it_is_ended_and_says_where():
    lives = [
        process(100, 0, 2, (0.5, 0.2), (1, 0.2), (2, 0.2), role="parent", stack=IN_JOIN),
        process(101, 0.5, 2, (1, 0), (2, 0), stack=AT_EXIT),
        process(102, 0.6, 2, (1, 0), (2, 0), stack=ITS_OWN),
        process(103, 0.7, 2, (1, 0), (2, 0), stack=("<truncated>",)),
    ]
    picture = Timeline(run_of(lives, wall=2.0, ended="hang"))
    assert [span[1] for span in picture.boxes("life")] == near([100] * 4, 0.2)
    assert picture.spans("ran") == [(0, 0.5)]
    assert picture.texts("words") == [
        "stuck in join(), line 34",
        "stuck at its end",
        "stuck in forever(), line 12",
        "stuck",
    ]
    assert picture.times("end-stopped") == [2] * 4
    assert picture.texts("note")[1] == "it hung; the recorder ended it at 2.000 s"
    assert "The parent stood in join(), line 34 of some_program.py." in picture.description


def test_a_run_whose_timeout_came():
    lives = [process(100, 0, 4, role="parent"), process(101, 1, 2)]
    picture = Timeline(run_of(lives, ended="timeout"))
    assert picture.times("end-stopped") == [4]
    assert picture.times("end-unseen") == [2]
    assert picture.texts("note")[1] == "its timeout came, ended after 4.000 s"
    assert "its timeout came" in picture.description


def with_exits(run, *exits):
    """The run with exit codes of its processes."""
    seen = [replace(one, exit=code) for one, code in zip(run.processes, exits, strict=True)]
    return replace(run, processes=tuple(seen))


def test_each_end_has_its_mark():
    lives = [
        process(100, 0, 4, role="parent"),
        process(101, 1, 1.001),  # shorter than a sample
        process(102, 1, 2),
        process(103, 1, 3),
        process(104, 1, 3.5),
        process(105, 1, 3.8),
    ]
    run = with_exits(run_of(lives, status=1), None, -9, 0, 1, None, -200)
    picture = Timeline(run)
    assert picture.times("end-well") == [2]
    assert picture.times("end-badly") == [4, 1.001, 3, 3.8]
    assert picture.times("end-unseen") == [3.5]
    # At first those that stand on the right of their mark, for the most room is there:
    assert picture.texts("place") == ["SIGKILL", "exit 0", "exit 1", "exit 1", "signal 200"]
    assert "1.000 s to 1.001 s, ran for 0.000 s, SIGKILL" in picture.description
    assert picture.boxes("life")[1][1] - picture.boxes("life")[1][0] >= 0.29


def test_whoever_ended_before_a_hang_was_not_ended_by_the_recorder():
    lives = [
        process(100, 0, 4, role="parent", stack=IN_JOIN),
        process(101, 1, 1.2),
        process(102, 1, 4),
    ]
    picture = Timeline(with_exits(run_of(lives, ended="hang"), None, -9, -6))
    assert picture.times("end-badly") == [1.2]
    assert picture.times("end-stopped") == [4, 4]


def test_a_failure_is_seen_among_many_lanes():
    lives = [process(100, 0, 4, role="parent")] + [process(n, 1, 3) for n in range(200, 300)]
    picture = Timeline(with_exits(run_of(lives), 0, *[0] * 50, -11, *[0] * 49))
    (failed,) = picture.boxes("failed")
    assert failed[0] < 75 < failed[1]
    assert failed[2:] == near(picture.boxes("life")[51][2:], 2)
    assert "failed or killed" in picture.texts("key-name")
    assert picture.all("end-well") == picture.all("place") == []


JOIN = (Frame("<python>/multiprocessing/process.py", 149, "join"), Frame("x.py", 25, "main"))
FEED = (Frame("<python>/multiprocessing/queues.py", 248, "_feed"),)
FINALIZE = (
    Frame("<python>/threading.py", 1119, "join"),
    Frame("<python>/multiprocessing/queues.py", 199, "_finalize_join"),
)


def hung(evidence="kernel"):
    """A parent that joins a worker, whose feeder finds no room."""
    parent = Thread(100, ((0.0, "runs"), (0.5, "end")), (Wait("end", (101,)),), JOIN)
    worker = Thread(
        101, ((0.5, "runs"), (0.7, "sleeps"), (1.0, "own")), (Wait("own", (101,)),), FINALIZE
    )
    feeder = Thread(
        102, ((0.6, "runs"), (1.2, "room")), (Wait("room", (100, 101), "pipe:[1]"),), FEED
    )
    lives = [
        process(100, 0, 2, (2, 0.0), role="parent", stack=("x",), threads=(parent,)),
        process(101, 0.5, 2, (2, 0.0), stack=("x",), threads=(worker, feeder)),
    ]
    run = run_of(lives, wall=2.0, ended="hang")
    pipe = Pipe("pipe:[1]", 1000, ((0.8, 500), (1.2, 1000)), (100, 101), (101,))
    quiet = Pipe("pipe:[2]", 1000, ((0.8, 50),))
    return replace(run, pipes=(quiet, pipe), chain=(100, 101, 102, 100), evidence=evidence)


def lines(picture, name):
    """Each line of a path, as (from, to) in seconds."""
    return [
        near((picture.seconds(x / 10), picture.seconds(x2 / 10)), 0.02)
        for x, _, x2, _ in picture.outlines(name)
    ]


def test_the_reason_of_waiting_has_a_look_of_its_own():
    picture = Timeline(hung())
    assert lines(picture, "waits-end") == [(0.5, 2), (1, 2)]
    assert lines(picture, "waits-sleeps") == [(0.7, 1)]
    assert lines(picture, "waits-room") == [(1.2, 2)]
    assert picture.texts("key-name") == [
        "ran",
        "waits for a process or thread",
        "waits for room",
        "sleeps",
        "output",
        "ended by the recorder",
    ]
    paths = picture.root.findall("svg/path")
    looks = {
        one.get("class"): (
            one.get("stroke"),
            one.get("stroke-width"),
            one.get("stroke-dasharray"),
        )
        for one in paths
        if "waits" in one.get("class")
    }
    assert len(set(looks.values())) == len({look[1:] for look in looks.values()}) == 3
    assert "waited for a process or thread for 1.500 s" in picture.description


def test_the_feeder_has_a_row_and_each_row_says_for_what_it_waits():
    picture = Timeline(hung())
    assert picture.texts("name") == ["parent", "worker", "its feeder", "pipe", "output"]
    assert picture.texts("words") == [
        "join(), line 25: waits for the worker",
        "at its end: waits for its feeder",
        "waits for room",
    ]
    assert picture.spans("ran") == [(0.6, 1.2)]
    assert (
        "The feeder thread waits for room in a pipe, which is full: 1,000 of 1,000 bytes."
        in picture.description
    )


def test_a_pipe_is_filled_up_to_the_line_of_its_capacity():
    picture = Timeline(hung())
    assert picture.texts("full") == ["full: 1,000 bytes"]
    ((_, capacity, _, _),), ((_, empty, _, _),) = (
        picture.outlines("capacity"),
        picture.outlines("empty"),
    )
    (area,) = (one.get("d") for one in picture.root.findall("svg/path[@class='bp-filled']"))
    start, *steps = re.findall(r"[MHV][^MHVz]+", area)
    assert start == f"M340 {empty:g}"
    assert steps == [
        f"V{(empty + capacity) / 2:g}",
        "H510",
        f"V{capacity:g}",
        "H510",
        f"V{capacity:g}",
        "H850",
        f"V{empty:g}",
    ]
    assert "A pipe held up to 1,000 of 1,000 bytes." in picture.description


def test_what_is_not_known_of_a_pipe_is_not_drawn_as_full():
    run = hung()
    unknown = replace(run.pipes[1], samples=((0.8, 1000), (1.0, -1)))
    picture = Timeline(replace(run, pipes=(unknown,)))
    (area,) = (one.get("d") for one in picture.root.findall("svg/path[@class='bp-filled']"))
    ((_, empty, _, _),) = picture.outlines("empty")
    assert f"H425V{empty:g}" in area


def test_who_is_known_to_wait_is_not_drawn_as_running():
    """The CPU time is known for longer times than the waits are: a block ends where one begins."""
    threads = (Thread(100, ((0.0, "data"), (0.4, "runs"), (1.5, "end"))),)
    life = process(100, 0, 2, (2, 1.1), role="parent", threads=threads)
    picture = Timeline(run_of([life], wall=2.0))
    assert picture.spans("ran") == [(0.4, 1.5)]
    ((_, _, top, floor),) = picture.boxes("ran")
    assert floor - top > 15  # a whole core for as long as it ran


def test_two_pictures_have_one_axis_and_a_proven_hang_goes_on_to_its_end():
    picture = Timeline(hung(), until=4.0)
    assert picture.spans("life")[0] == (0, 2)
    assert lines(picture, "ever-end") == [(2, 4)] * 2
    assert lines(picture, "ever-room") == [(2, 4)]
    assert Timeline(hung("stillness"), until=4.0).outlines("ever-end") == []


def test_a_proven_hang_goes_on_after_its_end_however_short_the_other_run_was():
    for until in (0, 1.0, 2.1):
        picture = Timeline(hung(), until=until)
        ((x, _, x2, _), _) = picture.outlines("ever-end")
        assert (x, x2) == near((850, 1000), 1)
    others = Timeline(hung("stillness"))
    assert others.boxes("life")[0][1] == near(100, 0.2)


FORKED = (
    Frame("some_program.py", 12, "forever"),
    Frame("<python>/multiprocessing/popen_fork.py", 71, "_launch"),
)


def test_the_thread_beside_which_a_worker_was_forked_has_a_row_up_to_its_own_end():
    main = Thread(100, ((0, "runs"), (1, "end")), (Wait("end", (105,)),))
    beside = Thread(101, ((0.2, "runs"), (0.4, "sleeps"), (1.5, "")))
    before = Thread(102, ((0.1, "sleeps"), (0.3, "")))  # gone when the worker came
    worker = Thread(105, ((0.5, "own"),), (Wait("own", (105,)),), FORKED)
    looks = [(n / 10, 0.0) for n in range(1, 21)]
    lives = [
        process(
            100, 0, 2, *looks, role="parent", stack=("x",), threads=(main, beside, before)
        ),
        process(105, 0.5, 2, *looks[5:], stack=("x",), threads=(worker,)),
    ]
    run = replace(run_of(lives, wall=2.0, ended="hang"), chain=(100, 105))
    picture = Timeline(run)
    assert picture.texts("name") == ["parent", "its thread", "worker", "output"]
    assert picture.spans("life") == [(0, 2), (0.2, 1.5), (0.5, 2)]
    assert picture.texts("words")[1] == "line 12: waits for a lock left locked"
    spawned = replace(lives[1], threads=(replace(worker, frames=FORKED[:1]),))
    other = Timeline(replace(run, processes=(lives[0], spawned)))
    assert other.texts("name") == ["parent", "worker", "output"]
    assert other.texts("words")[1].endswith("waits for its own lock")


@pytest.mark.parametrize("at", [0.0, 1.0, 3.99])
def test_a_line_stands_where_ctrl_c_came(at):
    lives = [process(100, 0, 4, role="parent"), process(101, 0.5, 3)]
    picture = Timeline(run_of(lives, [(at, "parent: Ctrl-C"), (4, "Interrupted")]))
    assert picture.texts("press-name") == ["Ctrl-C"]
    ((x, top, x2, bottom),) = picture.outlines("press")
    assert x == x2 and picture.seconds(x / 10) == near(at, 0.03)
    boxes = picture.boxes("life")
    assert picture.places("press-name")[0][1] < top < boxes[0][2] < boxes[1][3] <= bottom
    assert f"Ctrl-C at {at:.3f} s." in picture.description


def test_no_line_stands_where_ctrl_c_did_not_come_or_came_before():
    lives = [process(100, 0, 4, role="parent"), process(101, 0.5, 3)]
    run = run_of(lives, [(1, "Ctrl-C is still blocked")])
    assert Timeline(run).texts("press-name") == []
    pressed = run_of(lives, [(1, "parent: Ctrl-C")])
    assert Timeline(pressed, ending).texts("press-name") == []
    assert Timeline(pressed, since=0.9).texts("press-name") == ["Ctrl-C"]


def test_a_feeder_that_the_other_run_has_proven_has_the_same_name():
    run = hung()
    threads = [
        [replace(one, frames=()) for one in process.threads] for process in run.processes
    ]
    lives = [
        replace(process, stack=(), threads=tuple(found))
        for process, found in zip(run.processes, threads, strict=True)
    ]
    fixed = replace(run, processes=tuple(lives), ended="exit", status=0, chain=())
    assert feeders_of([fixed]) == set()
    assert feeders_of([run, fixed]) == {"worker"}
    assert "its thread" in Timeline(fixed).texts("name")
    names = Timeline(fixed, feeders={"worker"}).texts("name")
    assert names == ["parent", "worker", "its feeder", "pipe", "output"]


def test_pictures_beside_each_other_have_their_rows_level():
    lives = [process(100, 0, 4, role="parent"), process(101, 0.5, 3)]
    runs = [hung(), run_of(lives)]
    heights = shared_heights(runs, 4.0, ())
    rows = [[y for _, _, y, *_ in Timeline(one, legend=False).boxes("life")] for one in runs]
    level = [
        [y for _, _, y, *_ in Timeline(one, legend=False, heights=heights).boxes("life")]
        for one in runs
    ]
    assert rows[0][:2] != rows[1] and level[0][:2] == level[1]


def test_words_name_what_the_program_called_and_nothing_of_the_library():
    def says(*frames):
        waiting = Thread(100, ((0.0, "own"),), (Wait("own", (100,)),), frames)
        other = Thread(101, ((0.0, "data"),), (Wait("data", (100,), "pipe:[1]"),))
        life = process(100, 0, 2, role="parent", stack=("x",), threads=(waiting, other))
        return Timeline(run_of([life], wall=2.0, ended="hang")).texts("words")[0]

    library = Frame("<python>/multiprocessing/pool.py", 367, "map")
    inner = Frame("<python>/multiprocessing/pool.py", 54, "__exit__")
    own = Frame("x.py", 25, "main")
    assert says(library, own) == "map(), line 25: waits for its threads"
    assert says(inner, own) == "line 25: waits for its threads"
    assert says(inner) == says(library) == "waits for its threads"


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_how_a_process_ended_stands_above_its_bar_where_there_is_no_room_beside_it(share):
    lives = [process(100, 0, 4, (2, 0), (4, 2 * share), role="parent"), process(101, 0, 1)]
    picture = Timeline(with_exits(run_of(lives, status=1), 1, 0))
    heights = {
        how: y
        for how, (_, y) in zip(picture.texts("place"), picture.places("place"), strict=True)
    }
    (*_, (_, _, top, floor)) = picture.boxes("ran")
    assert heights["exit 1"] + 5 < top < floor < heights["exit 0"] + 10


def test_how_a_process_ended_stands_clear_of_a_thick_line():
    def height(kind):
        thread = Thread(100, ((0.0, kind),))
        life = process(100, 0, 4, (4, 0), role="parent", threads=(thread,))
        picture = Timeline(run_of([life]))
        ((_, y),), ((_, _, floor, _),) = picture.places("place"), picture.boxes("life")
        return floor - y

    assert height("room") > height("data") + 3


def test_the_ending_is_drawn_large():
    picture = Timeline(two_workers(), draw=ending)
    assert picture.texts("name") == ["parent", "Worker 2", "helper", "output"]
    assert min(x for x, *_ in picture.boxes("life")) == near(0, 0.1)
    (x0, _), *_ = picture.places("axis-label")
    assert float(picture.texts("axis-label")[0]) >= 3.2 and x0 >= 0
    assert picture.tooltips("line") == [
        "4.000 s: Process ID: 102, name: Worker 2, subtotal: 1,000"
    ]


def test_two_pictures_have_one_legend():
    text = shared_legend([hung(), two_workers()], 4.0)
    words = re.findall(r"</svg>([^<]+)</span>", text)
    assert words == [
        "ran",
        "waits for a process or thread",
        "waits for room",
        "sleeps",
        "output",
        "ended by the recorder",
    ]
    assert "waited" in shared_legend([two_workers()], 4.0)  # nothing says for what
    assert Timeline(hung(), legend=False).all("key-name") == []
    assert Timeline(hung(), legend=False).texts("words")


def test_an_empty_run_and_one_that_was_never_sampled():
    nothing = Timeline(run_of([], wall=0.0))
    assert nothing.texts("name") == ["output"]
    assert nothing.all("line") == nothing.boxes("ran") == []
    assert "Output: none." in nothing.description
    unseen = Timeline(run_of([process(1, 0.0, 4.0, role="parent")]))
    assert (unseen.spans("life"), unseen.boxes("ran")) == ([(0, 4)], [])


def test_output_can_not_break_the_page():
    lines = [(1.0, "\x1b[31m</title></svg><script>\x00 & \ud800 \t `x`")]
    picture = Timeline(run_of([process(1, 0.0, 4.0, role="parent")], lines))
    assert "<script>" not in picture.text and "\x1b" not in picture.text
    assert "</title></svg><script>" in picture.tooltips("line")[0]


@pytest.mark.parametrize("wall", [0.005, 0.3, 300.0])
def test_short_and_long_runs(wall):
    half = wall / 2
    busy = [(half + n * half / 500, n * half / 500) for n in range(1, 501)]
    lives = [
        process(100, 0.0, wall, (wall, 0.0), role="parent"),
        process(101, half, wall, *busy),
    ]
    picture = Timeline(run_of(lives, [(wall / 4, "a line")], wall=wall))
    assert picture.boxes("life")[1][:2] == near((50, 100), 0.5)
    assert [box[:2] for box in picture.boxes("ran")] == [near((50, 100), 0.5)]
    assert picture.seconds(picture.places("line")[0][0]) == near(wall / 4, wall / 100)


@pytest.mark.parametrize("workers", [1, 5, 20, 40, 100, 250])
def test_many_workers_who_change_all_the_time_and_print_a_lot(workers):
    def life(pid):
        changing = [(n / 10, (n // 2) / 10 + pid % 3 * n / 100) for n in range(1, 101)]
        kinds = itertools.cycle(("runs", "data", "room", "semaphore", "sleeps", "end"))
        samples = tuple((n / 20, next(kinds)) for n in range(2, 200))
        threads = tuple(Thread(pid + 100_000 * n, samples) for n in range(3))
        return process(pid, pid % 10 / 100, 10.0, *changing, threads=threads)

    lives = [process(100, 0.0, 10.0, (10.0, 1.0), role="parent")]
    lives += [life(pid) for pid in range(10_000, 10_000 + workers)]
    lines = [
        (n / 50, f"Process ID: {10_000 + n}, name: A worker's name {n}, <&> {'long ' * 30}")
        for n in range(500)
    ]
    run = with_exits(
        run_of(lives, lines, wall=10.0), 0, *[-9 * (n % 2) for n in range(workers)]
    )
    steps = tuple((n / 100, n * 37 % 65536) for n in range(1000))
    picture = Timeline(
        replace(run, pipes=tuple(Pipe(f"pipe:[{n}]", 65536, steps) for n in range(9)))
    )
    few = workers <= 5
    lanes = min(workers + 1, 102) + 2 * workers * few
    assert len(picture.boxes("life")) == lanes
    assert len({round(low) for *_, low in picture.boxes("ran")}) >= min(workers + 1, 102)
    assert 25 <= len(picture.all("line")) <= 31
    more = max(workers + 1 - 102, 0)
    assert (f"{more} more processes not drawn" in picture.text) == (more > 0)
    heights = [y for _, y in picture.places("name")]
    assert min(after - before for before, after in itertools.pairwise(heights)) > 12
    assert max(heights) < picture.height


def test_the_same_recording_gives_the_same_bytes():
    code = "from tests.test_timeline import *; print(timeline(two_workers()), end='')"
    command = [sys.executable, "-X", "utf8", "-c", code]
    other = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    assert other.decode() == timeline(two_workers()) == timeline(two_workers())
