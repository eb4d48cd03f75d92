"""Shows what the measuring programs found as tables, which a phone shows too; their output folded."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from render import tables
from render.blocks import console, recording_of
from render.figures import figure
from render.runs import PageError
from render.tables import Measurement


@dataclass(frozen=True)
class Kind:
    """How the output of a run is read, and what stands above the table of it.

    Attributes:
        parse: Reads the output.
        first: What the rows are.
        unit: What the figures are, as the caption of the table.
        ratios: What the further numbers of a line are, as far as they are shown.
        number: How a figure is written.
    """

    parse: Callable[[str], list[Measurement]]
    first: str
    unit: str
    ratios: tuple[str, ...] = ()
    number: Callable[[float], str] = tables.three_digits


def parse_workers(output: str) -> list[Measurement]:
    """The table of `worker_sweep.py`, a row for each number of workers."""
    rows = tables.parse_sweep(output)
    return [dataclasses.replace(row, name=f"{row.size}", case=row.name) for row in rows]


MESSAGES = "Messages a second, medians of the rounds"
RING = Kind(
    tables.parse_ways,
    "The way",
    "GB a second, medians of the rounds",
    ("times a Queue", "times a copy"),
    "{:.2f}".format,
)
KINDS = {
    "throughput": Kind(tables.parse_throughput, "Channel", MESSAGES),
    "peers": Kind(tables.parse_throughput, "Library", MESSAGES),
    "latency": Kind(tables.parse_latency, "Channel", "Microseconds, medians of the rounds"),
    "old_answer": Kind(
        tables.parse_integers, "Channel", "Seconds, for so many integers", (), "{:.4f}".format
    ),
    "worker_sweep": Kind(
        parse_workers, "Workers", "Milliseconds, medians of the runs", number="{:.1f}".format
    ),
    "start_cost": Kind(
        tables.parse_starts, "Start method", "Milliseconds, medians of the starts"
    ),
    "batch": Kind(
        tables.parse_ways,
        "Items a message",
        "Items a second, medians of the rounds",
        ("times the first",),
    ),
    "reuse_buffer": Kind(tables.parse_ways, "The way", MESSAGES, ("times a Queue",)),
    "work_queue_throughput": Kind(
        tables.parse_jobs,
        "The way",
        "Jobs a second, by how long a job takes; medians of the rounds",
    ),
    "ring_1_mib": RING,
    "ring_64_mib": RING,
}


def results(run: str) -> str:
    """What a measuring program found, a row for each channel or way; what it printed, folded.

    Args:
        run: The run's name in `runs.toml`, one of KINDS.
    """
    if run not in KINDS:
        raise PageError(f"render/results.py has no table for the run {run}")
    kind, rows = KINDS[run], rows_of(run)
    by_case = any(row.case for row in rows)
    titles, lines = by_cases(rows, kind) if by_case else by_numbers(rows, kind)
    summary = "<summary>What the program printed</summary>"
    return (
        f"{html_table(kind.first, titles, lines, kind.unit)}"
        f"<details data-search-exclude>{summary}{console(run)}</details>"
    )


def rows_of(run: str) -> list[Measurement]:
    """The table that a run printed; one that has no kind has lines of ways."""
    parse = KINDS[run].parse if run in KINDS else tables.parse_ways
    return parse(recording_of(run).output)


Lines = dict[str, list[str]]


def by_cases(rows: list[Measurement], kind: Kind) -> tuple[list[str], Lines]:
    """A column for each case, and a line for each name: the medians."""
    cases = [row.case for row in rows if row.name == rows[0].name]
    rows = [row for row in rows if row.case in cases]  # a limit has a case of its own
    lines: Lines = {row.name: [""] * len(cases) for row in rows}
    for row in rows:
        lines[row.name][cases.index(row.case)] = figure(kind.number(row.median))
    return cases, lines


def by_numbers(rows: list[Measurement], kind: Kind) -> tuple[list[str], Lines]:
    """A line for each name: median, spread, and ratios."""
    lines: Lines = {}
    for row in rows:
        median, low, high = map(kind.number, row.numbers)
        ratios = [figure(f"{one:.2f}") for one in row.ratios[: len(kind.ratios)]]
        lines[row.name] = [figure(median), figure(f"{low} to {high}"), *ratios]
    return ["median", "lowest to highest", *kind.ratios], lines


def html_table(first: str, titles: list[str], lines: Lines, unit: str) -> str:
    """The table; on a narrow page one with many columns says in each cell what it is."""
    shown = (figure(one) if one[0].isdigit() else escape(one) for one in titles)
    head = "".join(f"<th>{title}</th>" for title in (escape(first), *shown))
    body = ""
    for name, cells in lines.items():
        told = zip(titles, cells, strict=True)
        row = "".join(f'<td data-label="{escape(title)}">{cell}</td>' for title, cell in told)
        body += f'<tr><th scope="row">{escape(name)}</th>{row}</tr>'
    return (
        f'<div class="results{" wide" * (len(titles) > 2)}"><table><caption>{unit}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
