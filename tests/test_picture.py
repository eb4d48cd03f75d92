"""What recorder/picture.py draws: lanes, bars and marks at the right places."""

import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from recorder.picture import Row, start_plot, start_rows, sweep_plot, sweep_rows, timeline
from recorder.recording import Line, Machine, Process, Recording
from recorder.store import ROOT

MACHINE = Machine("Some processor", 2, "Linux", "CPython 3.11.7", "fork")


def recording(processes, lines=(), *, wall=4.0, hung=False):
    return Recording(
        program="counting/some_program.py",
        arguments=("--workers", "2"),
        recorded="2026-11-22T12:00:00+00:00",
        machine=MACHINE,
        start_method="fork",
        lines=tuple(Line(at, text) for at, text in lines),
        dropped=0,
        status=None if hung else 0,
        hung=hung,
        wall=wall,
        cpu=0.0,
        peak_memory=0,
        left_behind=0,
        processes=tuple(processes),
    )


def process(pid, started, ended, *samples, role="worker", stack=()):
    return Process(pid, 100, role, started, ended, samples, stack)


def two_workers():
    """A parent that works for half a second, and two workers, one of which waits at first."""
    return recording(
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


class Picture:
    """A picture, with what is true of every one checked."""

    def __init__(self, text):
        self.text, self.root = text, ET.fromstring(text)
        self.description = self.root.findtext("desc")
        assert len(text.encode()) < 15_000
        assert "\n" not in text
        assert self.root.get("role") == "img"
        assert self.root.get("aria-label") and self.description
        assert "data-search-exclude" in self.root.attrib
        assert not re.search(
            " id=|#[0-9a-fA-F]{3}|<style|<script|href|http|undefined|NaN", text
        )
        _, _, self.width, self.height = map(float, self.root.get("viewBox").split())

    def all(self, name):
        """The elements of the group with the class bp-NAME."""
        return [
            one for group in self.root.findall(f".//*[@class='bp-{name}']") for one in group
        ]

    def texts(self, name):
        return [one.text for one in self.all(name)]

    def places(self, name):
        moves = (re.findall(r"-?[\d.]+", one.get("transform")) for one in self.all(name))
        return [(float(x), float(y)) for x, y, *_ in moves]

    def seconds(self, x):
        """The time at a place, read off the axis as a reader does."""
        (x0, _), *_, (x1, _) = self.places("axis-label")
        t0, *_, t1 = map(float, self.texts("axis-label"))
        return t0 + (x - x0) * (t1 - t0) / (x1 - x0)

    def boxes(self, name):
        """Each rectangle: from and to in seconds, upper and lower edge."""
        found = []
        for outline in re.findall("M[^MZ]+", "".join(one.get("d") for one in self.all(name))):
            x, y, width, height = map(float, re.findall(r"-?[\d.]+", outline)[:4])
            found.append((self.seconds(x), self.seconds(x + width), y, y + height))
        return found

    def spans(self, name):
        return [pytest.approx(box[:2], abs=0.02) for box in self.boxes(name)]

    def marks(self):
        return [
            pytest.approx(self.seconds(x), rel=0.02, abs=0.02) for x, _ in self.places("line")
        ]


def test_lanes_are_named_as_the_program_names_them_and_in_their_order():
    picture = Picture(timeline(two_workers()))
    names = ["parent 100", "Left & <right>", "Worker 2", "helper 200", "output"]
    assert picture.texts("name") == names
    heights = [y for _, y in picture.places("name")]
    assert heights == sorted(heights)
    for (_, _, top, _), height in zip(picture.boxes("life"), heights, strict=False):
        assert top - 12 < height < top + 2  # each name beside its bar


def test_bars_go_from_start_to_end():
    picture = Picture(timeline(two_workers()))
    assert picture.spans("life") == [(0, 4), (0.5, 3), (1, 4), (0, 4)]


def test_the_part_on_a_core_rises_with_its_share():
    picture = Picture(timeline(two_workers()))
    assert picture.spans("ran") == [(0, 0.5), (0.5, 3), (2, 3), (3, 4)]
    whole, also, half, last = (low - high for _, _, high, low in picture.boxes("ran"))
    assert whole > 10
    assert (also, half, last) == pytest.approx((whole, whole / 2, whole), abs=0.2)
    lanes = [top for _, _, top, _ in picture.boxes("life")]
    assert [low for *_, low in picture.boxes("ran")] == pytest.approx(
        [lanes[0], lanes[1], lanes[2], lanes[2]], abs=0.2
    )


def test_each_line_of_output_has_a_mark_that_says_it():
    picture = Picture(timeline(two_workers()))
    assert picture.marks() == [0, 3, 4]
    assert [one.findtext("title") for one in picture.all("line")][:2] == [
        "0.000 s: Parent process ID: 100",
        "3.000 s: Process ID: 101, name: Left & <right>, subtotal: 1,000",
    ]
    assert "4.000 s: Process ID: 102, name: Worker 2" in picture.description
    assert "Left & <right>: 0.500 s to 3.000 s, ran for 2.400 s" in picture.description


def test_lines_that_come_together_share_a_mark():
    lines = [(1.0, "one"), (1.001, "two"), (1.002, "three"), (3.0, "four")]
    picture = Picture(timeline(recording([process(100, 0, 4, role="parent")], lines)))
    assert picture.marks() == [1, 3]
    titles = [one.findtext("title") for one in picture.all("line")]
    assert [title.count("\n") + 1 for title in titles] == [3, 1]


def test_the_axis_starts_at_zero_and_the_cores_are_said():
    picture = Picture(timeline(two_workers()))
    assert float(picture.texts("axis-label")[0]) == 0
    assert picture.texts("axis-title") == ["seconds, on 2 cores"]
    keys = [text for number in range(3) for text in picture.texts(f"key{number}")]
    assert keys == ["ran (full height: a core)", "waited", "output"]


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
    picture = Picture(timeline(recording(lives, wall=2.0, hung=True)))
    assert [end for _, end, _, _ in picture.boxes("life")] == pytest.approx([2] * 4, abs=0.02)
    assert picture.spans("ran") == [(0, 0.5)]
    assert picture.texts("place") == [
        "stuck in join(), line 34",
        "stuck in _finalize_join()",
        "stuck in forever(), line 12",
        "stuck",
    ]
    assert picture.texts("axis-title") == ["seconds, on 2 cores; hung, ended after 2.000 s"]
    assert "stuck in join(), line 34" in picture.description


def test_an_empty_run_and_one_that_was_never_sampled():
    nothing = Picture(timeline(recording([], wall=0.0)))
    assert nothing.texts("name") == ["output"]
    assert nothing.all("ran") == nothing.all("line") == []
    assert "Output: none." in nothing.description
    unseen = Picture(timeline(recording([process(1, 0.0, 4.0, role="parent")])))
    assert (unseen.spans("life"), unseen.all("ran")) == ([(0, 4)], [])


@pytest.mark.parametrize("wall", [0.005, 0.3, 300.0])
def test_short_and_long_runs(wall):
    half = wall / 2
    busy = [(half + n * half / 500, n * half / 500) for n in range(1, 501)]
    lives = [
        process(100, 0.0, wall, (wall, 0.0), role="parent"),
        process(101, half, wall, *busy),
    ]
    picture = Picture(timeline(recording(lives, [(wall / 4, "a line")], wall=wall)))
    assert picture.boxes("life")[1][:2] == pytest.approx((half, wall), rel=0.02)
    assert [box[:2] for box in picture.boxes("ran")] == [pytest.approx((half, wall), rel=0.02)]
    assert picture.seconds(picture.places("line")[0][0]) == pytest.approx(wall / 4, rel=0.02)


@pytest.mark.parametrize("workers", [1, 5, 20, 40, 100, 250])
def test_many_workers_who_change_all_the_time_and_print_a_lot(workers):
    def life(pid):
        changing = [(n / 10, (n // 2) / 10 + pid % 3 * n / 100) for n in range(1, 101)]
        return process(pid, pid % 10 / 100, 10.0, *changing)

    lives = [process(100, 0.0, 10.0, (10.0, 1.0), role="parent")]
    lives += [life(pid) for pid in range(10_000, 10_000 + workers)]
    lines = [
        (n / 50, f"Process ID: {10_000 + n}, name: A worker's name {n}, <&> {'long ' * 30}")
        for n in range(500)
    ]
    picture = Picture(timeline(recording(lives, lines, wall=10.0)))
    lanes = min(workers + 1, 102)
    assert len(picture.boxes("life")) == lanes
    assert len({low for *_, low in picture.boxes("ran")}) == lanes
    assert 15 <= len(picture.all("line")) <= 21
    more = workers + 1 - lanes
    assert (f"{more} more processes not drawn" in picture.text) == (more > 0)
    heights = [y for _, y in picture.places("name")]
    assert min(after - before for before, after in itertools.pairwise(heights)) > 12
    assert max(heights) < picture.height


def test_the_same_recording_gives_the_same_bytes():
    code = "from tests.test_picture import *; print(timeline(two_workers()), end='')"
    command = [sys.executable, "-X", "utf8", "-c", code]
    other = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    assert other.decode() == timeline(two_workers()) == timeline(two_workers())


def test_a_build_that_draws_nothing_does_not_import_the_library():
    code = "import sys, recorder.picture; sys.exit('vl_convert' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


SWEEP = """
         Queue, seconds          Pipe, seconds
workers  median    min    max    median    min    max
      1   0.800  0.750  0.900     0.700  0.700  0.800
     10   0.400  0.300  0.450     0.400  0.400  0.400
    100   0.900  0.850  1.000     1.000  0.900  1.100
"""


def test_sweep_plot_shows_each_median_its_spread_and_the_ideal():
    rows = sweep_rows(SWEEP)
    assert rows[:2] == [Row("Queue", 1, 0.8, 0.75, 0.9), Row("Pipe", 1, 0.7, 0.7, 0.8)]
    picture = Picture(sweep_plot(rows, 2))
    assert len(rows) == 6 and len(picture.all("Pipe")) == 3
    (x1, y1), (x10, y10), (x100, y100) = picture.places("Queue")
    assert x100 - x10 == pytest.approx(x10 - x1, abs=1)  # a logarithmic scale
    second = (y10 - y1) / 0.4
    assert y1 - y100 == pytest.approx(second * 0.1, abs=0.3)  # a linear one
    spread = [abs(float(one.get("y2"))) for one in picture.all("Queue-spread")]
    assert spread == pytest.approx([second * 0.15] * 3, abs=0.3)
    (ideal,) = picture.all("ideal")
    heights = [float(y) for y in re.findall(r",([\d.]+)", ideal.get("d"))]
    assert heights == pytest.approx([y1 + 0.1 * second] + [y1 + 0.45 * second] * 3, abs=0.3)
    assert picture.texts("key2") == ["work ÷ 2 cores"]
    assert "Queue, 1 worker: 0.8 (0.75 to 0.9)" in picture.description


@pytest.mark.parametrize("sizes", [(1,), (7,), (2, 3), range(1, 101, 9)])
def test_sweep_plot_of_other_numbers_of_workers(sizes):
    rows = [Row(name, n, 0.5, 0.4, 0.6) for n in sizes for name in ("Queue", "Pipe")]
    picture = Picture(sweep_plot(rows, 1))
    assert len(picture.all("Pipe")) == len(sizes)


START = """
                              milliseconds
start method          start   median      min      max
fork (default)        cold      2.00     1.00     4.00
fork (default)        warm      1.00     1.00     1.00
spawn                 cold    100.00    50.00   200.00
spawn                 warm     10.00     5.00    20.00
"""


def test_start_plot_shows_each_median_and_marks_the_default():
    picture = Picture(start_plot(start_rows(START)))
    points = picture.places("median")
    tenfold = points[2][0] - points[3][0]
    assert tenfold > 50
    assert points[3][0] - points[1][0] == pytest.approx(tenfold, abs=0.3)
    names = ["fork (default), cold", "fork (default), warm", "spawn, cold", "spawn, warm"]
    assert picture.texts("axis-label")[-4:] == names
    heights = [y for _, y in picture.places("axis-label")[-4:]]
    assert heights == pytest.approx([y for _, y in points], abs=6)
    assert picture.texts("cost") == ["2.0 ms", "1.0 ms", "100.0 ms", "10.0 ms"]


def test_output_without_a_table_is_refused():
    for read in (sweep_rows, start_rows):
        with pytest.raises(ValueError, match="no such table"):
            read("Interrupted")
