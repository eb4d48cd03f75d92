"""Reads the tables that programs print, and says what follows from them."""

import html
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from render.figures import figure, times

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "workers": 1}
NOTHING = "no difference measured here"
FASTER = "{more} carries {times} as many messages as {less} ({rates})"
SOONER = "{less} takes {share} of the time that {more} takes ({trips})"
SAME_RATE = f"{{more}} and {{less}}: {NOTHING} ({{rates}}: {{why}})"
SAME_TRIP = f"{{less}} and {{more}}: {NOTHING} ({{trips}}: {{why}})"


@dataclass(frozen=True)
class Measurement:
    """What was measured in several rounds: a line of a table, or a part of one."""

    name: str  # the channel, library, way or start method
    case: str  # the size of the message, the number of workers, which percentile, or nothing
    median: float
    low: float
    high: float
    ratios: tuple[float, ...] = ()  # the further numbers of its line

    @classmethod
    def of(cls, name: str, case: str, numbers: Sequence[float]) -> "Measurement":
        """From median, lowest, highest, and further numbers."""
        median, low, high, *ratios = numbers
        return cls(name, case, median, low, high, tuple(ratios))

    @property
    def numbers(self) -> tuple[float, float, float]:
        """Median, lowest, highest."""
        return self.median, self.low, self.high

    def in_words(self, number: Callable[[float], str] = "{:g}".format) -> str:
        """The measurement in words, its numbers in some form."""
        numbers = f"{number(self.median)} ({number(self.low)} to {number(self.high)})"
        return f"{self.name}{', ' * bool(self.case)}{self.case}: {numbers}"

    @property
    def size(self) -> int:
        """The case as a number of bytes or workers."""
        number, unit = self.case.split()
        return int(number) * UNITS[unit]


def read_table(output: str, first: str, at: int = 0) -> list[Measurement]:
    """Read the lines with two groups that match, then numbers; the median is number `at`.

    Raises:
        ValueError: No line of the output is like that.
    """
    line = re.compile(rf"^ *{first}((?: +\d[\d,]*(?:\.\d+)?){{{at + 3},}})$", re.MULTILINE)
    rows = []
    for name, case, cells in line.findall(output):
        numbers = [float(cell.replace(",", "")) for cell in cells.split()]
        rows.append(Measurement.of(name, case, numbers[at:]))
    if not rows:
        raise ValueError("there is no such table in this output")
    return rows


# `throughput.py` and `peers.py`: messages a second.
parse_throughput = partial(read_table, first=r"(\S.*?) +(\d+ (?:B|KiB|MiB))", at=1)
# `batch.py`, `reuse_buffer.py` and `shared_ring.py`. The first ratio is that to the table's first
# line: a Queue, or one item per message.
parse_ways = partial(read_table, first=r"(\S.*?)()")
# `start_cost.py`, in milliseconds; the case is cold or warm.
parse_starts = partial(read_table, first=r"(\w+(?: \(default\))?) +(cold|warm)")
# `old_answer.py`, in seconds; the case is how many integers went.
parse_integers = partial(read_table, first=r"([A-Z]\w+) +(\d[\d,]*)")


def parse_latency(output: str) -> list[Measurement]:
    """The table of `latency.py`, in microseconds: two measurements for each channel."""
    return [
        Measurement.of(row.name, case, numbers)
        for row in read_table(output, r"(\S.*?)()")
        for case, numbers in (("median", row.numbers), ("99th per cent", row.ratios))
    ]


def parse_jobs(output: str) -> list[Measurement]:
    """The table of `work_queue_throughput.py`, in jobs a second; the case is how long a job takes."""
    bare = re.sub(r" *(\d+\.\d%)?$", "", output, flags=re.MULTILINE)  # no share of the ideal
    rows = read_table(bare, r"(\d+(?: [µm]s)?) +(\S.*?)")
    return [Measurement.of(row.case, row.name, row.numbers) for row in rows]


def parse_sweep(output: str) -> list[Measurement]:
    """The table of `worker_sweep.py`, in milliseconds; the case is the number of workers."""
    unit = 1 if "milliseconds" in output else 1000
    return [
        Measurement.of(
            channel, f"{row.name} workers", [round(unit * one, 3) for one in numbers]
        )
        for row in read_table(output, r"(\d+)()")
        for channel, numbers in (("Queue", row.numbers), ("Pipe", row.ratios))
    ]


def find_row(rows: Sequence[Measurement], name: str, case: str = "") -> Measurement:
    """The row of that name and case; LookupError: there is none."""
    for row in rows:
        if (row.name, row.case) == (name, case):
            return row
    raise LookupError(f"no row {name}, {case}")


def spreads_differ(one: Measurement, other: Measurement) -> bool:
    """Whether their spreads don't overlap. A single round has no spread and proves nothing."""
    return have_spreads(one, other) and (one.low > other.high or other.low > one.high)


def have_spreads(*rows: Measurement) -> bool:
    """Whether each of them was measured in more than one round."""
    return all(row.low < row.high for row in rows)


def three_digits(number: float) -> str:
    """A number with three significant digits; those before the point all stay."""
    if not number:
        return "0"
    number = float(f"{number:.3g}") if abs(number) < 1000 else number  # 9.996 becomes 10.0
    return f"{number:,.{max(0, 2 - math.floor(math.log10(abs(number))))}f}"


def compared(one: Measurement, other: Measurement, sentence: str) -> str:
    """A sentence on two measurements, FASTER or SOONER, unless they can't be told apart."""
    less, more = sorted((one, other), key=lambda row: row.median)
    low, high = three_digits(less.median), three_digits(more.median)
    if not spreads_differ(one, other):
        sentence = SAME_RATE if sentence == FASTER else SAME_TRIP
    return sentence.format(
        less=html.escape(less.name),
        more=html.escape(more.name),
        times=times(more.median / less.median, 1),
        share=figure(f"{100 * less.median / more.median:.0f} %"),
        rates=figure(f"{high} against {low} a second"),
        trips=figure(f"{low} against {high} µs"),
        why="the spreads overlap" if have_spreads(one, other) else "one round has no spread",
    )


def fastest(rows: Sequence[Measurement]) -> str:
    """Which rate is the highest, in words for a page; all that can't be told from it are named."""
    best = max(rows, key=lambda row: row.median)
    names = [row.name for row in rows if not spreads_differ(row, best)]
    equal = f" ({NOTHING})" * (len(names) > 1)
    return html.escape(", ".join(names)) + equal
