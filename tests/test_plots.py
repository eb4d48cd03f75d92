"""What render/plots.py and render/chart.py draw of tables: points, lines, names and axes."""

import itertools

import pytest

from recorder.recording import Line
from render import chart, plots
from tests.pictures import Picture, near, places
from tests.recordings import recording
from tests.test_tables import LATENCY, START, SWEEP

SIZES = ("8 B", "1 KiB", "64 KiB", "1 MiB", "128 MiB")
CHANNELS = [name for panel in plots.PANELS.values() for name in panel]


def throughput_table(channels=CHANNELS, sizes=SIZES, factor=1.3):
    """A table of throughput.py in which each channel is so much faster than the one before."""
    lines = [
        f"{name:<30} {size:>8}  1  {rate:,.1f}  {rate * 0.8:,.1f}  {rate * 1.4:,.1f}  1.0"
        for number, name in enumerate(channels)
        for size, base in zip(SIZES, (150_000, 90_000, 17_000, 900, 9), strict=True)
        if size in sizes and (rate := base * factor**number)
    ]
    lines.append("os.write, os.read     8 B  1  9.0  8.0  10.0  1.0")
    lines.append("memory copy           128 MiB  1  31.2  30.7  33.6  4,182.1")
    return "\n".join(lines)


def plot(draw, output):
    lines = tuple(Line(0.0, line) for line in output.splitlines())
    picture = Picture(draw(recording(lines=lines)))
    for pixels in (288, 760):  # the narrowest picture, and a wide one
        picture.check_words_at(pixels)
    return picture


def groups(picture):
    """The name of each line, and the marks at its name and at its points."""
    kinds = ("bp-point", "bp-compare-key")
    found = [group for group in picture.root if group.get("class") in kinds]
    return list(zip(picture.texts("series"), found, strict=True))


def series(picture):
    """The places of each line's points, by its name; a line to compare with has none."""
    return {name: places(group)[1:] for name, group in groups(picture)}


def test_the_sweep_shows_each_median_its_spread_and_the_ideal():
    picture = plot(plots.worker_sweep, SWEEP)
    found = series(picture)
    assert list(found) == ["Pipe", "Queue", "work ÷ cores"]  # from above
    assert len(found["Pipe"]) == 3 and found["work ÷ cores"] == []
    (x1, y1), (x10, y10), (x100, y100) = found["Queue"]
    assert x100 - x10 == near(x10 - x1, 0.2)  # a logarithmic scale
    second = (y10 - y1) / 0.4
    assert y1 - y100 == near(second * 0.1, 0.3)  # a linear one
    spreads = [part for part in picture.outlines("trace") if len(part) == 4]
    assert [part[1] - part[3] for part in spreads[3:]] == near([second * 0.15] * 3, 0.3)
    (ideal,) = picture.outlines("compare")
    assert ideal[1::2] == near([y1 + 0.1 * second] + [y1 + 0.45 * second] * 3, 0.3)
    assert ideal[2] / 10 == near(x1 + (x10 - x1) * 0.301, 0.2)  # where there are two workers
    assert "Queue, 1 workers: 800 ms (750 ms to 900 ms)" in picture.description


def test_the_names_of_lines_that_end_together_stay_beside_the_plot():
    table = "1 1.0 1.0 1.0 1.0 1.0 1.0\n90 0.001 0.001 0.001 0.001 0.001 0.001\n"
    picture = plot(plots.worker_sweep, table)
    floor = max(y for x, y in picture.places("axis-label") if x == 0)
    heights = [y for _, y in picture.places("series")]
    assert len(heights) == 3 and max(heights) <= floor + 0.1
    assert heights[2] - heights[1] == near(15, 0.1)


def test_the_sweep_is_in_milliseconds():
    picture = plot(plots.worker_sweep, SWEEP)
    assert picture.texts("note") == ["milliseconds", "workers"]
    upward = [
        (float(one.text.replace(",", "")), y)
        for one, (x, y) in zip(
            picture.all("axis-label"), picture.places("axis-label"), strict=True
        )
        if x == 0
    ]
    (low, y0), *_, (high, y1) = upward
    (_, y), *_ = series(picture)["Queue"]
    assert low + (high - low) * (y - y0) / (y1 - y0) == near(800, 3)


@pytest.mark.parametrize("sizes", [(1,), (7,), (2, 3), range(1, 101, 5)])
@pytest.mark.parametrize("seconds", [0.002, 0.5, 3000])
def test_the_sweep_of_other_numbers_of_workers(sizes, seconds):
    cells = [f"{seconds * part:.3f}" for part in (1, 0.5, 1.5)] * 2
    table = "\n".join(f"{size} {' '.join(cells)}" for size in sizes)
    picture = plot(plots.worker_sweep, table)
    assert len(series(picture)["Pipe"]) == len(sizes)
    labels = zip(picture.texts("axis-label"), picture.places("axis-label"), strict=True)
    assert {str(sizes[0]), str(sizes[-1])} <= {words for words, (x, _) in labels if x}


def test_the_cost_of_a_start_shows_each_median():
    picture = plot(plots.start_cost, START)
    assert picture.texts("name") == ["fork (default)", "spawn"]
    assert picture.texts("value") == ["2.00 / 1.00", "100 / 10.0"]
    assert picture.texts("key-name") == ["cold", "warm"]
    (fork_cold, spawn_cold, fork_warm, spawn_warm) = picture.places("point")
    tenfold = spawn_cold[0] - spawn_warm[0]
    assert tenfold > 20
    assert spawn_warm[0] - fork_warm[0] == near(tenfold, 0.3)
    assert spawn_cold[1] == spawn_warm[1] > fork_cold[1] == fork_warm[1]
    for (_, name), (_, line) in zip(
        picture.places("name"), (fork_cold, spawn_cold), strict=True
    ):
        assert 10 < line - name < 20  # each name above its line
    spread = picture.outlines("spread")[0]
    assert (spread[2] - spread[0]) / 10 == near(tenfold * 0.602, 0.3)  # from 1 to 4


def test_round_trips():
    picture = plot(plots.latency, LATENCY)
    assert picture.texts("value") == ["60.0 / 121", "15.0 / 68.6"]
    assert "Pipe() send, 99th per cent: 68.6 (36.9 to 99.1)" in picture.tooltips("point")
    assert picture.texts("key-name") == ["median", "99th per cent"]
    assert picture.texts("note") == ["microseconds"]


@pytest.mark.parametrize("sizes", [SIZES, SIZES[:4], SIZES[:2]])
@pytest.mark.parametrize("factor", [1.0, 1.3, 3.0])
def test_each_line_of_the_throughput_has_its_name(sizes, factor):
    picture = plot(plots.throughput, throughput_table(sizes=sizes, factor=factor))
    names = ["Queue", "SimpleQueue", "Manager", "Pipe()", "duplex=False"]
    for name, times in zip(names, (3, 1, 1, 2, 2), strict=True):
        assert picture.texts("series").count(name) == times
    assert picture.texts("series").count("memory copy") == 3
    assert len([at for at in picture.places("point") if at[0] < 100]) == 7 * len(sizes)
    looks = {(name, group.get("fill")) for name, group in groups(picture)}
    assert looks == {
        ("Queue", chart.QUEUE),
        ("SimpleQueue", chart.PIPE),
        ("Manager", chart.TEXT),
        ("Pipe()", chart.QUEUE),
        ("duplex=False", chart.PIPE),
        ("Queue", chart.FAINT),  # to compare with
        ("memory copy", chart.TEXT),
    }
    labels = [word for size in sizes for word in size.split()]
    assert picture.texts("axis-label")[-len(labels) :] == labels
    # Its name is at the height of a line's end, or as near as the other names allow.
    dots = [one.find("path").get("d") for one in picture.all("compare-key")]
    assert dots == [chart.SHAPES["dots"]] * 5  # as dotted as their lines
    keys = [y for x, y in picture.places("point") + picture.places("compare-key") if x == 100]
    assert sorted(keys) == near(sorted(y for _, y in picture.places("series")), 0.1)


def test_throughput_is_in_bytes_a_second_on_one_scale():
    picture = plot(plots.throughput, throughput_table())
    assert "Queue, 8 B: 1.2 MB (960 kB to 1.68 MB)" in picture.tooltips("point")
    assert "Queue, 8 B: 1.2 MB" in picture.description
    notes = [f"{panel}: bytes a second" for panel in plots.PANELS]
    assert picture.texts("note") == [*notes, "size of a message"]
    limits = [part[1] for part in picture.outlines("compare") if part[1] == part[-1]]
    assert [later - one for one, later in itertools.pairwise(limits)] == near([180, 180], 0.2)


def test_a_channel_that_was_not_measured_is_not_drawn():
    picture = plot(plots.throughput, throughput_table(channels=CHANNELS[:1]))
    assert picture.texts("series") == ["memory copy", "Queue"] * 3


@pytest.mark.parametrize(
    ("value", "words"), [(0.5, "0.5 B"), (1, "1 B"), (999.9, "1 kB"), (4.1821e9, "4.18 GB")]
)
def test_a_rate(value, words):
    assert plots.rate(value) == words


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("low", [0.001, 0.7, 3, 900])
@pytest.mark.parametrize("ratio", [1, 1.001, 2, 30, 1e9])
def test_ticks_are_round_numbers_that_leave_room(logarithmic, low, ratio):
    scale = chart.Scale(low, low * ratio, logarithmic)
    ticks = scale.ticks(200, lambda _: 40)
    assert all(low <= tick <= low * ratio * (1 + 1e-9) for tick in ticks)
    assert all(
        2 * (scale(after) - scale(tick)) >= 40 for tick, after in itertools.pairwise(ticks)
    )
    if ratio >= 30:
        assert len(ticks) >= 2
    assert all(f"{tick:e}"[1:].strip("0").startswith((".", "e")) for tick in ticks)
