"""What render/tables.py and render/figures.py read off what programs print, and say of it."""

import re

import pytest

from recorder.recording import Line
from render import figures, measured, tables
from render.runs import PageError
from tests.recordings import recording

THROUGHPUT = """\
Start method fork, rounds: 10
channel                          size  in a turn  messages/s      lowest     highest      MB/s
Queue                             8 B        100   160,000.0   110,000.0   230,000.0       1.3
Pipe(duplex=False) send           8 B        100   320,000.0   300,000.0   340,000.0       2.6
SimpleQueue                       8 B        100   165,000.0   161,000.0   239,000.5       1.3
Queue                           1 MiB          1       900.0       900.0       900.0     943.7
Pipe(duplex=False) send         1 MiB          1     1,000.0       900.0     1,100.0   1,048.6
memory copy                   128 MiB          1        84.3        80.0        90.0  11,315.5
"""
LATENCY = """\
Start method fork, rounds: 10; microseconds
                                 median   lowest  highest  99th per cent   lowest  highest
Queue                              60.0     39.0    104.9          121.2     77.0   4197.7
Pipe() send                        15.0     10.0     31.0           68.6     36.9     99.1
"""
RING = """\
Messages of 1,048,576 bytes, 4 slots, start method fork, no NumPy, rounds: 5
                         GB/s   lowest  highest  x Queue   x copy
Queue                    0.43     0.36     0.48     1.00     0.04
ring, copied out        24.29    16.08    28.25    58.33     1.98
"""
BATCH = """\
Items of 8 bytes: 20,000, start method fork, rounds: 5
  batch      items/s       lowest      highest   x first
      1      228,552      220,647      245,915      1.00
  1,000   15,304,889   11,064,725   21,171,773     68.96
"""
SWEEP = """
Counting to 1,000,000 in all, with fork
         Queue, seconds          Pipe, seconds
workers  median    min    max    median    min    max
      1   0.800  0.750  0.900     0.700  0.700  0.800
     10   0.400  0.300  0.450     0.400  0.400  0.400
    100   0.900  0.850  1.000     1.000  0.900  1.100
"""
START = """
                              milliseconds
start method          start   median      min      max
fork (default)        cold      2.00     1.00     4.00
fork (default)        warm      1.00     1.00     1.00
spawn                 cold    100.00    50.00   200.00
spawn                 warm     10.00     5.00    20.00
"""
PARSERS = {
    tables.parse_throughput: THROUGHPUT,
    tables.parse_latency: LATENCY,
    tables.parse_ways: RING,
    tables.parse_sweep: SWEEP,
    tables.parse_starts: START,
}


def test_throughput_and_latency():
    rows = tables.parse_throughput(THROUGHPUT)
    assert [(row.name, row.size) for row in rows[-2:]] == [
        ("Pipe(duplex=False) send", 2**20),
        ("memory copy", 2**27),
    ]
    assert tables.find_row(rows, "SimpleQueue", "8 B").numbers == (165_000, 161_000, 239_000.5)
    rows = tables.parse_latency(LATENCY)
    assert [row.high for row in rows] == [104.9, 4197.7, 31.0, 99.1]
    assert tables.find_row(rows, "Pipe() send", "99th per cent").median == 68.6


def test_ways():
    assert tables.parse_ways(RING)[1].ratios == (58.33, 1.98)
    assert tables.parse_ways(BATCH)[1].ratios == (68.96,)
    assert tables.parse_ways(BATCH)[1].name == "1,000"


def test_the_size_of_the_messages_of_a_table(monkeypatch):
    outputs = {"ring": RING, "batch": BATCH}
    runs = {name: recording(lines=(Line(0, text.rstrip()),)) for name, text in outputs.items()}
    monkeypatch.setattr(measured, "recording_of", runs.get)
    assert measured.message_size("ring") == figures.figure("1 MiB")
    with pytest.raises(PageError, match="size of its messages"):
        measured.message_size("batch")


@pytest.mark.parametrize("unit", ["seconds", "milliseconds"])
def test_the_sweep_is_in_milliseconds_whatever_the_program_prints(unit):
    rows = tables.parse_sweep(SWEEP.replace("seconds", unit))
    factor = {"seconds": 1000, "milliseconds": 1}[unit]
    assert [(row.name, row.size) for row in rows] == [
        (name, size) for size in (1, 10, 100) for name in ("Queue", "Pipe")
    ]
    assert rows[0].numbers == pytest.approx((0.8 * factor, 0.75 * factor, 0.9 * factor))
    assert rows[1].median == pytest.approx(0.7 * factor)


def test_starts():
    rows = tables.parse_starts(START)
    assert [(row.name, row.case, row.median) for row in rows] == [
        ("fork (default)", "cold", 2),
        ("fork (default)", "warm", 1),
        ("spawn", "cold", 100),
        ("spawn", "warm", 10),
    ]


@pytest.mark.parametrize("read", PARSERS)
def test_output_without_a_table_is_refused(read):
    assert read(PARSERS[read])
    for output in ("", "Interrupted\n", "Traceback (most recent call last):\n1 2\n"):
        with pytest.raises(ValueError, match="no such table"):
            read(output)


def test_a_row_that_is_not_there():
    with pytest.raises(LookupError, match="Queue, 9 B"):
        tables.find_row(tables.parse_throughput(THROUGHPUT), "Queue", "9 B")


def without_tags(text):
    return re.sub(r"<[^>]*>", "", text)


def faster(one, other):
    return tables.compared(one, other, tables.FASTER)


def sooner(one, other):
    return tables.compared(one, other, tables.SOONER)


def test_sentences_follow_from_the_figures():
    rows = tables.parse_throughput(THROUGHPUT)
    queue, pipe, simple = rows[:3]
    sentence = (
        "Pipe(duplex=False) send carries 2.0 times as many messages as Queue "
        "(320,000 against 160,000 a second)"
    )
    assert without_tags(faster(queue, pipe)) == sentence
    assert without_tags(faster(pipe, queue)) == sentence
    assert '<data class="figure" value="2.0 times">' in faster(pipe, queue)
    same = "no difference measured here"
    median, rival = (tables.three_digits(row.median) for row in (queue, simple))
    overlap = f"{same} ({rival} against {median} a second: the spreads overlap)"
    assert without_tags(faster(queue, simple)) == f"SimpleQueue and Queue: {overlap}"
    assert faster(queue, simple) == faster(simple, queue)
    assert tables.fastest(rows[:3]) == "Pipe(duplex=False) send"
    assert tables.fastest([queue, simple]) == f"Queue, SimpleQueue ({same})"
    slower = tables.Measurement("Queue", "1 MiB", 1, 1, 1)  # one round only
    assert f"{same} (" in faster(slower, rows[4])
    assert faster(slower, rows[4]).endswith(": one round has no spread)")
    queue, _, pipe, _ = tables.parse_latency(LATENCY)
    assert without_tags(sooner(queue, pipe)) == (
        "Pipe() send takes 25 % of the time that Queue takes (15.0 against 60.0 µs)"
    )


def test_a_ratio_is_none_where_spreads_overlap(monkeypatch):
    copy = "memory copy             12.00    11.00    17.00    28.00     1.00\n"
    monkeypatch.setattr(measured, "rows_of", lambda _: tables.parse_ways(RING + copy))
    assert without_tags(measured.ratio("ring", "ring, copied out")) == "58.3 times"
    same = "no difference measured here"
    assert measured.ratio("ring", "ring, copied out", "memory copy") == same
    faster = RING.replace("16.08", "18.00") + copy
    monkeypatch.setattr(measured, "rows_of", lambda _: tables.parse_ways(faster))
    told = measured.ratio("ring", "ring, copied out", "memory copy")
    assert without_tags(told) == "1.98 times"


def test_names_and_figures_are_safe_in_a_page():
    first = tables.Measurement("<a>", "", 1, 0.9, 1.1)
    second = tables.Measurement("b & c", "", 3, 2.9, 3.1)
    for sentence in (faster, sooner):
        assert "&lt;a&gt;" in sentence(first, second)
        assert "b &amp; c" in sentence(first, second)
        assert "&lt;a&gt;" in sentence(first, first)
    assert tables.fastest([first]) == "&lt;a&gt;"
    assert figures.figure('"<') == '<data class="figure" value="&quot;&lt;">&quot;&lt;</data>'


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.001234, "0.00123"),
        (0.9996, "1.00"),
        (9.996, "10.0"),
        (15, "15.0"),
        (99.96, "100"),
        (160_000.4, "160,000"),
        (-2.5, "-2.50"),
    ],
)
def test_three_digits(number, text):
    assert tables.three_digits(number) == text


def test_figures():
    texts = [
        figures.seconds(5.634),
        figures.times(1.976, 1),
        figures.times(8445.8),
        figures.mebibytes(3 * 2**20),
    ]
    assert [without_tags(text) for text in texts] == [
        "5.63 s",
        "2.0 times",
        "8,446 times",
        "3 MiB",
    ]
