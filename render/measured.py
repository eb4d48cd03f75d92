"""Figures and sentences that follow from what the runs measured, for inline requests on pages."""

import re
from types import SimpleNamespace

from recorder.machine import cores as cores_here
from recorder.recording import Recording
from render import tables
from render.blocks import recording_of
from render.build import build
from render.figures import behind, figure, mebibytes, seconds, times
from render.results import rows_of
from render.runs import PageError
from render.tables import Measurement, find_row


def ended(run: str) -> str:
    """The exit status of a run, or that no Python here is new enough for it."""
    recordings = build.recordings(run)
    return figure(f"exit code {recordings[0].status}") if recordings else "not run here"


class Figures:
    """The figures of a run: its time, CPU time and memory, and what it printed behind a label.

    A space in a label is an underscore in a request.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    @property
    def wall(self) -> str:
        """From the start of Python to its end."""
        return seconds(self.recording.wall)

    @property
    def cpu(self) -> str:
        """The CPU time of all its processes."""
        return seconds(self.recording.cpu)

    @property
    def peak_memory(self) -> str:
        """The largest sum of the memory of its processes."""
        return mebibytes(self.recording.peak_memory)

    @property
    def beside(self) -> str:
        """Its time outside of what it measured itself."""
        return seconds(self.recording.wall - self.seconds_elapsed())

    def __getattr__(self, label: str) -> str:
        return figure(behind(self.recording, label.replace("_", " ")))

    def seconds_elapsed(self) -> float:
        """The seconds that it printed on its line `Elapsed: ... s`."""
        return float(behind(self.recording, "Elapsed").removesuffix(" s"))

    def counted(self) -> int:
        """How far it counted in all: the number on its line `Total: ...`."""
        return int(behind(self.recording, "Total").replace(",", ""))


def row_of(run: str, name: str, case: str = "") -> Measurement:
    """One row of the table that a run printed; the case "largest" is the largest message of all."""
    rows = rows_of(run)
    return find_row(rows, name, last_case(rows) if case == "largest" else case)


def cores() -> str:
    """The cores that a program may use here."""
    return figure(str(cores_here()))


def speed_up(serial: Figures, parallel: Figures, workers: int) -> str:
    """How much faster than one process the workers were, and the limit that the cores set.

    What the one process counted may be a part of the workers' work.
    """
    rates = [one.counted() / one.seconds_elapsed() for one in (parallel, serial)]
    ratio, here = rates[0] / rates[1], parallel.recording.machine.cores
    limit = min(workers, here)
    text = f"{times(ratio)} as fast. With {here} cores the limit is {times(limit, 0)}."
    if ratio > limit:
        each = (one.recording.cpu / one.counted() for one in (serial, parallel))
        alone, worker = (seconds(cpu * serial.counted()) for cpu in each)
        why = "It came out higher, because no two runs are the same: for one count, the single process took"
        text += f" {why} {alone} of CPU time, a worker {worker}."
    return text


def faster(run: str, case: str, one: str, other: str) -> str:
    """Which of two channels is faster in a table of rates, in words."""
    return tables.compared(row_of(run, one, case), row_of(run, other, case), tables.FASTER)


def sooner(run: str, case: str, one: str, other: str) -> str:
    """Which of two channels answers sooner in a table of times, in words."""
    return tables.compared(row_of(run, one, case), row_of(run, other, case), tables.SOONER)


def fastest_list(run: str) -> str:
    """The fastest channel for each size in a table of rates, as a list."""
    rows = rows_of(run)
    items = (
        f"<li>Fastest at <code>{case}</code>: {tables.fastest([r for r in rows if r.case == case])}.</li>"
        for case in dict.fromkeys(row.case for row in rows)
    )
    return f"<ul>{''.join(items)}</ul>"


def largest(run: str) -> str:
    """The largest message of a table of rates."""
    return f"<code>{last_case(rows_of(run))}</code>"


def last_case(rows: list[Measurement]) -> str:
    """The largest message that the first channel of a table carried; limits have cases of their own."""
    return [row.case for row in rows if row.name == rows[0].name][-1]


def rate(channel: str, case: str) -> str:
    """Messages a second through a channel."""
    return figure(tables.three_digits(row_of("throughput", channel, case).median))


def trip(channel: str) -> str:
    """A round trip through a channel."""
    return figure(f"{tables.three_digits(row_of('latency', channel, 'median').median)} µs")


def message_cost(channel: str, case: str) -> str:
    """What one message costs."""
    return figure(f"{1e6 / row_of('throughput', channel, case).median:.1f} µs")


def message_share(channel: str, case: str, work: float) -> str:
    """What one message costs, beside so many seconds of work: two digits tell enough."""
    share = 100 / row_of("throughput", channel, case).median / work
    return figure(f"{share:.2g} %" if share < 99 else f"{share:.0f} %")


def message_size(run: str) -> str:
    """The size of the messages that the head of a table names."""
    found = re.match(r"Messages of ([\d,]+) bytes", recording_of(run).output)
    if not found:
        raise PageError(f"{run} does not begin with the size of its messages")
    return mebibytes(int(found[1].replace(",", "")))


def ratio(run: str, name: str, to: str = "") -> str:
    """A ratio in a table of ways, to one of them, by default the first: a Queue, or one item a message."""
    base = row_of(run, to) if to else rows_of(run)[0]
    row = row_of(run, name)
    if not tables.spreads_differ(row, base):
        return tables.NOTHING
    column = base.ratios.index(1)  # the one that compares with the base
    return times(row.ratios[column], 2 if column else 1)


def sweep(channel: str) -> SimpleNamespace:
    """What the sweep over the numbers of workers found for a channel: the best split, one worker, the most workers."""
    rows = [row for row in rows_of("worker_sweep") if row.case == channel]
    best, one, most = min(rows, key=lambda row: row.median), rows[0], rows[-1]
    more = (most.median - best.median) / max(int(most.name) - int(best.name), 1)
    return SimpleNamespace(
        best_workers=figure(f"{best.name} worker{'s' * (best.name != '1')}"),
        best=figure(f"{best.median:.0f} ms"),
        one=figure(f"{one.median:.0f} ms"),
        most=figure(f"{most.median:.0f} ms"),
        each_more=figure(f"{more:.1f} ms"),
    )
