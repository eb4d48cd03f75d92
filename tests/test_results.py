"""What render/results.py makes of the output of the programs that measure: a row for each name."""

import re

import pytest
from bs4 import BeautifulSoup

from recorder.recording import Line
from render import results
from render.runs import PageError
from tests.recordings import recording
from tests.test_tables import BATCH, LATENCY, RING, START, SWEEP, THROUGHPUT

OLD = """\
Start method fork, rounds: 1; seconds
channel         integers    median    lowest   highest
Pipe               1,000    0.0018    0.0018    0.0018
JoinableQueue      1,000    0.0020    0.0020    0.0020
Pipe              10,000    0.0051    0.0051    0.0051
JoinableQueue     10,000    0.0768    0.0768    0.0768
"""
JOBS = """\
Start method fork, workers: 4, rounds: 3
job      way                                         jobs/s      lowest     highest  of ideal
0        work_queue                                  51,837      50,381      60,154
0        work_queue, batch=16                       715,100     560,822     755,642
10 ms    work_queue                                     387         384         387     98.1%
"""
OUTPUTS = {
    "throughput": THROUGHPUT,
    "peers": THROUGHPUT,
    "latency": LATENCY,
    "old_answer": OLD,
    "worker_sweep": SWEEP,
    "start_cost": START,
    "batch": BATCH,
    "reuse_buffer": RING,
    "ring_1_mib": RING,
    "ring_64_mib": RING,
    "work_queue_throughput": JOBS,
}


@pytest.fixture
def show(monkeypatch):
    """What a page shows of a run that printed some output."""

    def shown(run, output):
        lines = tuple(Line(0.0, line) for line in output.splitlines())
        monkeypatch.setattr(results, "recording_of", lambda _: recording(lines=lines))
        monkeypatch.setattr(results, "console", lambda _: "<pre>all of it</pre>")
        return BeautifulSoup(results.results(run), "html.parser")

    return shown


def rows(page):
    return [[cell.text for cell in row.select("th, td")] for row in page.select("tr")]


@pytest.mark.parametrize("run", results.KINDS)
def test_each_line_that_was_measured_has_its_row_and_each_cell_its_title(show, run):
    page = show(run, OUTPUTS[run])
    head, *body = rows(page)
    assert len(body) >= 2 and all(len(row) == len(head) for row in body)
    for row in page.select("tbody tr"):
        assert [cell["data-label"] for cell in row.select("td")] == head[1:]
        assert row.th["scope"] == "row"
    assert page.caption.text
    assert page.details.pre.text == "all of it"


def test_the_sizes_are_columns_and_a_limit_of_another_size_is_no_row(show):
    head, *body = rows(show("throughput", THROUGHPUT))
    sizes = re.findall(r"^Queue +(\d+ \w+)", THROUGHPUT, re.MULTILINE)
    assert head == ["Channel", *sizes]
    assert "memory copy" not in [row[0] for row in body]


def test_the_lengths_of_jobs_are_columns_and_a_way_may_lack_some(show):
    printed = JOBS.replace("154\n", "154          \n")  # where no ideal is known
    assert rows(show("work_queue_throughput", printed)) == [
        ["The way", "0", "10 ms"],
        ["work_queue", "51,837", "387"],
        ["work_queue, batch=16", "715,100", ""],
    ]


def test_numbers_are_as_exact_as_they_were_printed(show):
    assert rows(show("old_answer", OLD))[1:] == [
        ["Pipe", "0.0018", "0.0051"],
        ["JoinableQueue", "0.0020", "0.0768"],
    ]
    assert rows(show("worker_sweep", SWEEP))[1] == ["1", "800.0", "700.0"]
    assert rows(show("ring_1_mib", RING))[2] == [
        "ring, copied out",
        "24.29",
        "16.08 to 28.25",
        "58.33",
        "1.98",
    ]


def test_what_can_t_be_read_is_an_error(show):
    with pytest.raises(ValueError, match="there is no such table"):
        show("latency", "nothing")
    with pytest.raises(PageError, match="no table for the run one_worker"):
        show("one_worker", "")
