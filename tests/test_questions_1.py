"""What is peculiar to the first half of examples/questions/, and the plots of what they print."""

import importlib
import multiprocessing

import pytest

from examples.questions import measuring, slower
from recorder.recording import Line
from render import measured, plots
from tests.harness import START_METHODS, numbers_of, on_posix, run
from tests.pictures import Picture, near
from tests.recordings import recording


def plot(draw, *lines):
    return Picture(draw(recording(lines=tuple(Line(0.0, line) for line in lines))))


def labelled_heights(picture, left=0):
    """The number of each label of the first axis along y, and its height."""
    labels = zip(picture.texts("axis-label"), picture.places("axis-label"), strict=True)
    return [(float(text), y) for text, (x, y) in labels if x == left]


@pytest.mark.parametrize(
    ("speeds", "found"),
    [
        (
            (0.1, 0.5, 2, 1.9),
            10**2.5,
        ),  # as far below 1 as above: in the middle, on a log scale
        ((0.5, 1, 0.9, 1.1), 100),  # the first one counts, whatever noise comes after
        ((2, 2, 0.5, 0.1), None),
        ((0.1, 0.2, 0.3, 0.4), None),
        ((1.5, 1.5, 1.5, 1.5), None),
    ],
)
def test_the_break_even_is_where_the_speed_crosses_one(speeds, found):
    at = slower.crossing((10, 100, 1000, 10_000), speeds)
    assert at == (found and near(found, found / 1000))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.37, "0.37 µs"),
        (8.55, "8.6 µs"),
        (1234, "1.2 ms"),
        (999.9, "1000 µs"),
        (None, "none found"),
    ],
)
def test_a_time_has_two_digits_and_its_unit(value, text):
    assert slower.with_unit(value, ("µs", "ms", "s")) == text


def test_the_plot_of_the_break_even_has_each_point_where_it_belongs():
    picture = plot(
        plots.slower,
        "Workers: 2, start method fork",
        "    task  one process   one by one",
        "      10      1.00 µs    10.00 µs      2.00 µs             0.100      0.500",
        "  10,000    100.00 µs   200.00 µs     50.00 µs             0.500      2.000",
        "argument, bytes  one process    one by one    speed",
        "          1,000  1,518.69 µs      861.10 µs    1.764",
        "     10,000,000  1,611.33 µs   29,386.49 µs    0.055",
        "One by one workers pay from: none found",
    )
    names = ["in chunks", "one process", "one by one", "one process", "one by one"]
    assert picture.texts("series") == names
    heights = labelled_heights(picture)
    (zero, at_zero), (top, at_top) = heights[0], max(heights[:5])
    assert zero == 0
    points = [place for place in picture.places("point") if place[0] < 100]
    one = at_zero + (at_top - at_zero) / top
    assert points[0] == near((1, at_zero + 0.5 * (one - at_zero)), 0.2)
    assert points[1] == near((99, at_zero + 2 * (one - at_zero)), 0.2)
    compare = picture.outlines("compare")[0]
    assert compare[1] == compare[3] == near(one, 0.2)
    assert "in chunks: 1 µs: 0.5, 100 µs: 2." in picture.description


def test_the_plot_of_the_memory_shows_both_queues():
    picture = plot(
        plots.back_pressure,
        "seconds    no maxsize, MiB    maxsize=8, MiB",
        "   0.00                0.0               0.0",
        "   1.00               40.0               2.5",
        "   2.00               20.0               2.5",
        "Without maxsize at most: 41.0 MiB",
    )
    assert picture.texts("series") == ["no maxsize", "maxsize=8"]
    first, second = (places for places in chunks(picture.places("point"), 4))
    assert [x for x, _ in first[1:]] == near([1, 50, 99], 0.1)
    zero, high, half = (y for _, y in first[1:])
    assert zero - half == near((zero - high) / 2, 0.2)
    assert zero - second[2][1] == near((zero - high) / 16, 0.2)


def chunks(items, size):
    """The key of each line and its points."""
    return [items[at : at + size] for at in range(0, len(items), size)]


def test_a_failed_worker_is_noticed_where_the_result_is_checked():
    context = multiprocessing.get_context("spawn")
    assert measuring.unchecked(context, 10) > 0  # it says a time, and not a word
    workers, results = measuring.make_workers(context, 10)
    for worker in workers:
        worker.start()
    with pytest.raises(ValueError, match=r"they counted \[10, 10\]"):
        measuring.finish(workers, results, 11)


@on_posix
def test_an_object_is_there_twice_on_both_sides(tmp_path):
    """Bytes are there once. Under spawn a new Python may hide some of the memory."""
    arguments = ("--mib", "64", "--largest", "1000", "--start-method", START_METHODS[0])
    status, out, err = run(tmp_path, "questions/how_large.py", *arguments)
    assert (status, err) == (0, "")
    copies = {line[:28].strip(): numbers_of(line) for line in out.splitlines()[-4:]}
    assert copies["send_bytes, recv_bytes"] == near([1, 1], 0.15)
    assert copies["send_bytes, recv_bytes_into"] == near([1, 2], 0.15)
    assert copies["send, recv"] == near([2, 2], 0.15)
    assert copies["Queue"] == near([2, 2], 0.15)


def test_a_label_of_several_words_is_asked_for_with_underscores():
    run_of_two = recording(lines=(Line(0.0, "Well: 1 ms"), Line(0.1, "Well median: 3 ms")))
    assert ">3 ms<" in measured.Figures(run_of_two).Well_median


def counted(elapsed, total, cpu):
    lines = (Line(0.0, f"Elapsed: {elapsed}"), Line(0.1, f"Total: {total}"))
    return measured.Figures(recording(lines=lines, cpu=cpu))


def test_a_fifth_of_the_work_in_one_process_is_compared_with_all_of_it():
    alone, five = counted("2.00 s", "1,000", 2.0), counted("8.00 s", "5,000", 16.0)
    text = measured.speed_up(alone, five, 5)
    assert "1.25 times" in text
    assert "CPU time" not in text


def test_a_ratio_over_the_limit_says_what_the_same_work_took_in_each_run():
    alone, five = counted("2.60 s", "1,000", 2.5), counted("5.00 s", "5,000", 11.0)
    text = measured.speed_up(alone, five, 5)
    assert "2.60 times" in text
    assert text.index("2.50 s") < text.index("of CPU time") < text.index("2.20 s")


def test_arrays_go_out_of_band_whatever_they_are_part_of():
    numpy = pytest.importorskip("numpy")
    numpy_arrays = importlib.import_module("examples.questions.numpy_arrays")
    item = {
        "rows": numpy.arange(6.0).reshape(2, 3),
        "columns": numpy.asfortranarray(numpy.arange(6).reshape(2, 3)),
        "in pieces": numpy.arange(10)[::2],
        "empty": numpy.empty((0, 3)),
        "name": "no array",
    }
    receiver, sender = multiprocessing.Pipe()
    numpy_arrays.send_out_of_band(sender, item)
    came = numpy_arrays.receive_out_of_band(receiver)
    assert came.keys() == item.keys() and came["name"] == item["name"]
    for name in ("rows", "columns", "in pieces", "empty"):
        numpy.testing.assert_array_equal(came[name], item[name])
        came[name][...] = 0  # it can be written to


def test_an_array_of_any_shape_and_type_goes_as_bytes():
    numpy = pytest.importorskip("numpy")
    numpy_arrays = importlib.import_module("examples.questions.numpy_arrays")
    receiver, sender = multiprocessing.Pipe()
    for array in (
        numpy.arange(6.0).reshape(2, 3),
        numpy.arange(24, dtype=numpy.uint8).reshape(2, 3, 4),  # an image: its len() is 2
        numpy.asfortranarray(numpy.arange(6).reshape(2, 3)),
        numpy.arange(12).reshape(3, 4)[:, ::2],
        numpy.array(["2026-01-01"], dtype="datetime64[D]"),
        numpy.arange(3) * 1j,
        numpy.empty((0, 3)),
        numpy.array(5.0),
    ):
        numpy_arrays.send_buffer(sender, array)
        came = numpy_arrays.receive_buffer(receiver)
        assert came.dtype == array.dtype and came.shape == array.shape
        numpy.testing.assert_array_equal(came, array)
    with pytest.raises(TypeError):
        numpy_arrays.send_buffer(sender, numpy.array([object()]))
