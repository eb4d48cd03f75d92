"""Reads what the programs of examples/channels/ print, and says and draws what follows from it."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from recorder import vega
from recorder.markdown import figure, mebibytes, times
from recorder.recording import Recording

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20}
LIMITS = ("os.write, os.read", "memory copy")
NOTHING = "no difference measured here"
ROUNDS = "medians of the rounds, and from the lowest to the highest"
KEYS = (  # a letter like the shape, colour, words, shape
    ("●", vega.QUEUE, "queues", "circle"),
    ("◆", vega.PIPE, "send", "diamond"),
    ("▲", vega.PIPE, "send_bytes", "triangle-up"),
)
PITCH = 24  # from one line of the latency plot to the next


@dataclass(frozen=True)
class Measured:
    """A line of a table: what was measured in several rounds, and the median, lowest, highest."""

    name: str  # the channel, the library, or the way
    case: str  # the size of the message, the number of integers, or which percentile
    median: float
    low: float
    high: float
    ratios: tuple[float, ...] = ()  # to what stands beside it in the table

    def __str__(self) -> str:
        numbers = f"{self.median:g} ({self.low:g} to {self.high:g})"
        return (
            f"{self.name}, {self.case}: {numbers}" if self.case else f"{self.name}: {numbers}"
        )

    @property
    def size(self) -> int:
        """The case as a number of bytes."""
        number, unit = self.case.split()
        return int(number) * UNITS[unit]


def read(first: str, cells: int, at: int, output: str) -> list[Measured]:
    """The rows of a table: two groups, then numbers, of which the one `at` is the median.

    Raises:
        ValueError: No line of the output is like that.
    """
    line = re.compile(f"^ *{first}" + cells * r" +(\d[\d,]*(?:\.\d+)?)" + "$", re.MULTILINE)
    rows = []
    for name, case, *words in line.findall(output):
        numbers = [float(word.replace(",", "")) for word in words]
        median, low, high, *ratios = numbers[at:]
        rows.append(Measured(name, case, median, low, high, tuple(ratios)))
    if not rows:
        raise ValueError("there is no such table in this output")
    return rows


def throughput_rows(output: str) -> list[Measured]:
    """Read the table of `throughput.py` or `peers.py`: messages a second."""
    return read(r"(\S.*?) +(\d+ (?:B|KiB|MiB))", 5, 1, output)


def latency_rows(output: str) -> list[Measured]:
    """Read the table of `latency.py`, in microseconds: two rows for each channel."""
    rows = []
    for one in read(r"(\S.*?)()", 6, 0, output):
        percentile, low, high = one.ratios
        rows.append(Measured(one.name, "median", one.median, one.low, one.high))
        rows.append(Measured(one.name, "99th per cent", percentile, low, high))
    return rows


def way_rows(output: str) -> list[Measured]:
    """Read the table of `batch.py`, `reuse_buffer.py` or `shared_ring.py`.

    The first ratio is that to the table's first line: a Queue, or one item per message.
    """
    return read(r"(\S.*?)()", 5 if re.search("x copy|MB/s", output) else 4, 0, output)


def message_size(output: str) -> str:
    """The size of the messages that the head of a table names, as a figure in MiB."""
    found = re.search(r"^Messages of ([\d,]+) bytes", output)
    if not found:
        raise ValueError("this output does not begin with the size of the messages")
    return mebibytes(int(found[1].replace(",", "")))


def of(rows: Sequence[Measured], name: str, case: str = "") -> Measured:
    """The row of that name and case; LookupError: there is none."""
    for row in rows:
        if (row.name, row.case) == (name, case):
            return row
    raise LookupError(f"no row {name}, {case}")


def apart(one: Measured, other: Measured) -> bool:
    """Whether their spreads don't overlap. A single round has no spread and proves nothing."""
    spreads = one.low < one.high and other.low < other.high
    return spreads and (one.low > other.high or other.low > one.high)


def rounded(number: float) -> str:
    """A number with three digits or more that count, and no more behind the point than need be."""
    return f"{number:,.{max(0, 2 - math.floor(math.log10(number)))}f}"


def faster(one: Measured, other: Measured) -> str:
    """Which of two rates is higher, in words."""
    if not apart(one, other):
        return f"{one.name} and {other.name}: {NOTHING}"
    high, low = sorted((one, other), key=lambda row: row.median, reverse=True)
    ratio = times(high.median / low.median, 1)
    rates = figure(f"{rounded(high.median)} against {rounded(low.median)} a second")
    return f"{high.name} carries {ratio} as many messages as {low.name} ({rates})"


def sooner(one: Measured, other: Measured) -> str:
    """Which of two times is shorter, in words."""
    if not apart(one, other):
        return f"{one.name} and {other.name}: {NOTHING}"
    short, long = sorted((one, other), key=lambda row: row.median)
    share = figure(f"{100 * short.median / long.median:.0f} %")
    trips = figure(f"{rounded(short.median)} against {rounded(long.median)} µs")
    return f"{short.name} takes {share} of the time that {long.name} takes ({trips})"


def fastest(rows: Sequence[Measured]) -> str:
    """Which rate is the highest, in words; all that it can't be told from are named with it."""
    best = max(rows, key=lambda row: row.median)
    names = [row.name for row in rows if row is best or not apart(row, best)]
    return names[0] if len(names) == 1 else f"{', '.join(names)} ({NOTHING})"


def key_of(name: str) -> tuple[str, str, str, str]:
    """The key in a legend that a channel belongs to."""
    return KEYS[2 if name.endswith("_bytes") else 1 if name.endswith("send") else 0]


def ticks(low: float, high: float, steps: Sequence[int] = (1,)) -> list[float]:
    """The powers of ten, times the steps, that lie between two numbers."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    found = [
        step * 10.0**exponent for exponent in (*exponents, exponents.stop) for step in steps
    ]
    return [tick for tick in found if low <= tick <= high]


def throughput_plot(rows: Sequence[Measured]) -> str:
    """Draw bytes a second against the size of the message, and the limit, as an `<svg>`."""
    left, right, height = 62, vega.WIDTH - 24, 260
    sizes = {row.size: row.case for row in rows if row.name not in LIMITS}
    limit = [row.median * row.size for row in rows if row.name == LIMITS[1]]
    line = [{"x": size, "y": rate} for rate in limit for size in sizes]
    marks = [vega.mark("line", "limit", line, stroke=vega.TEXT, strokeDash=[2, 4])]
    names = dict.fromkeys(row.name for row in rows if row.name not in LIMITS)
    for number, name in enumerate(names):
        found = [row for row in rows if row.name == name]
        _, colour, _, shape = key_of(name)
        points = [
            {"x": row.size, "y": row.median * row.size, "description": str(row)}
            for row in found
        ]
        spread = [
            {"x": row.size, "y": row.low * row.size, "y2": row.high * row.size}
            for row in found
        ]
        pen = {"stroke": colour, "strokeWidth": 1.2}
        trace = [{"x": point["x"], "y": point["y"]} for point in points]
        marks += [
            vega.mark("line", f"trace{number}", trace, **pen),
            vega.mark("rule", f"spread{number}", spread, **pen),
            vega.mark("symbol", f"channel{number}", points, shape=shape, size=40, fill=colour),
        ]
    cases = [{"x": size, "text": case} for size, case in sizes.items()]
    marks.append(vega.words("size", cases, y=height + 12, align="center", fill=vega.FAINT))
    marks += vega.legend(*(key[:3] for key in KEYS), ("┅", vega.TEXT, "memory copy"))
    rates = [rate * row.size for row in rows for rate in (row.low, row.high)]
    powers = ticks(min(rates), max(rates))
    across = {"orient": "left", "offset": -left, "grid": True, "gridScale": "x"}
    spec: vega.Spec = {
        "height": height,
        "scales": [
            vega.scale("x", "log", [min(sizes), max(sizes)], left + 8, right),
            vega.scale("y", "log", [min(rates), max(rates)], height, 0),
        ],
        "axes": [
            vega.axis("y", "bytes a second", values=powers, format="~s", **across),
            vega.axis(
                "x", "size of a message", values=list(sizes), labels=False, titlePadding=20
            ),
        ],
        "marks": marks,
    }
    title = "Throughput of the channels against the size of a message"
    return vega.svg(spec, title, f"Messages a second, {ROUNDS}: {'; '.join(map(str, rows))}.")


def latency_plot(rows: Sequence[Measured]) -> str:
    """Draw the round trip through each channel, median and 99th percentile, as an `<svg>`."""
    names = list(dict.fromkeys(row.name for row in rows))
    left, right, height = 216, vega.WIDTH - 16, PITCH * len(names)
    spread = [{"x": row.low, "x2": row.high, "y": row.name} for row in rows]
    marks = [vega.mark("rule", "spread", spread, stroke=vega.RUN, strokeWidth=1.6)]
    looks = (("●", "circle", "median"), ("◆", "diamond", "99th per cent"))
    for _, shape, case in looks:
        points = [
            {"x": row.median, "y": row.name, "description": str(row)}
            for row in rows
            if row.case == case
        ]
        marks.append(
            vega.mark("symbol", case[:6], points, shape=shape, size=60, fill=vega.RUN)
        )
    marks += vega.legend(*((sign, vega.RUN, case) for sign, _, case in looks))
    across = {"orient": "left", "offset": -left, "tickColor": "none", "labelColor": vega.TEXT}
    across["labelLimit"] = 0
    ends = [min(row.low for row in rows), max(row.high for row in rows)]
    powers = ticks(min(ends), max(ends), steps=(1, 2, 5))
    down = {"grid": True, "gridScale": "rows", "values": powers, "format": "~f"}
    spec: vega.Spec = {
        "height": height,
        "scales": [
            vega.scale("x", "log", ends, left + 4, right),
            vega.scale("y", "point", names, 12, height - 12),
            vega.scale("rows", "linear", [0, 1], 0, height),
        ],
        "axes": [vega.axis("x", "microseconds", **down), vega.axis("y", "", **across)],
        "marks": marks,
    }
    title = "Round trip of a small message through each channel"
    return vega.svg(spec, title, f"Microseconds, {ROUNDS}: {'; '.join(map(str, rows))}.")


def throughput(recording: Recording) -> str:
    """The plot of a run of `throughput.py`."""
    return throughput_plot(throughput_rows(recording.output))


def latency(recording: Recording) -> str:
    """The plot of a run of `latency.py`."""
    return latency_plot(latency_rows(recording.output))
