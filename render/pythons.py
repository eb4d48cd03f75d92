"""Views of runs on several Pythons: what is the same on all of them, and what a release changes."""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from html import escape
from typing import TypeVar

from recorder.machine import Interpreter
from recorder.recording import Recording
from render import interpreters
from render.blocks import breakable, table, telling_line
from render.build import build
from render.figures import behind, figure
from render.interpreters import QUICK
from render.runs import PageError
from render.site import DOCS, address_of

Answer = TypeVar("Answer", bound=Hashable)
WANTED = ("3.11", "3.12", "3.13", "3.14", "3.14t", "3.15", "3.15t")


def here() -> list[Interpreter]:
    """The Pythons that this build runs programs on, the oldest first; a quick one has only its own."""
    return sorted(
        interpreters.find(), key=lambda one: (interpreters.version(one), one.free_threaded)
    )


def pythons_here() -> str:
    """Which Pythons this build has run programs on, and which of those that the site is for it had not."""
    found = [interpreters.feature_release(one) for one in here()]
    missing = [name for name in WANTED if name not in found]
    names = ", ".join(figure(short_name(one.name)) for one in here())
    text = f"Pythons that ran here: {names}."
    if QUICK:
        text += " This is a quick build: it did not look for others."
    elif missing:
        text += f" Not installed where this site was built: {', '.join(missing)}."
    return f'<p class="recorded">{text}</p>'


def short_name(python: str) -> str:
    """For example "3.14.2", or "3.14.2t" of a free-threaded one."""
    return python.split()[1] + "t" * python.endswith(" free-threaded")


def fails_under(*runs: str) -> str:
    """The start methods under which broken programs fail, and the Pythons on which they did."""
    answers = []
    for one in here():
        if one in build.run(runs[0]).interpreters():
            methods = [m for run in runs for m in build.run(run).failing_start_methods(one)]
            answers.append((one.name, tuple(dict.fromkeys(methods))))
    return "; ".join(
        f"{', '.join(map(code, methods)) or 'none'} (run on CPython {python_cell(pythons)})"
        for methods, pythons in same_together(answers)
    )


def by_python(run: str) -> list[tuple[str, list[Recording]]]:
    """The recordings of a run on each Python, the oldest Python first."""
    found: dict[str, list[Recording]] = {one.name: [] for one in here()}
    for recording in build.recordings(run, everywhere=True):
        found[recording.machine.python].append(recording)
    return [(python, recordings) for python, recordings in found.items() if recordings]


def labels_by_python(run: str, *labels: str) -> str:
    """What a run printed behind some labels, on each Python."""
    rows = [
        (python_cell([python]), *(cell(behind(first, label)) for label in labels))
        for python, (first, *_) in by_python(run)
    ]
    return f'<div class="pythons">{table(("Python", *labels), rows)}</div>'


def cell(text: str) -> str:
    """What was printed, for a cell: as a figure where it begins with one."""
    return figure(text) if text[:1].isdigit() else breakable(escape(text))


def labels_by_method(run: str, title: str) -> str:
    """What a run printed behind its labels, which have a title, under each start method; the Pythons that print the same together."""
    head = (title, *(code(one.start_method) for one in build.recordings(run)))
    answers = []
    for python, recordings in by_python(run):
        lines = [[line.text for line in one.lines] for one in recordings]
        answers.append((python, tuple(row_of(cells) for cells in zip(*lines, strict=True))))
    text = ""
    for rows, pythons in same_together(answers):
        cells = [tuple(map(escape, row)) for row in rows]
        text += f'<div class="pythons">{table(head, cells)}</div>'
        text += f'<p class="recorded">Python {python_cell(pythons)}</p>'
    return text


def lines_by_python(run: str) -> str:
    """What a run printed on each Python; the Pythons that print the same together."""
    answers = (
        (python, escape(first.output.rstrip())) for python, (first, *_) in by_python(run)
    )
    rows = [
        (python_cell(pythons), text.replace("\n", "<br>"))
        for text, pythons in same_together(answers)
    ]
    return table(("Python", "What it prints"), rows)


def row_of(lines: Sequence[str]) -> tuple[str, ...]:
    """A label, and what stands behind it in each of some lines."""
    parts = [line.partition(": ") for line in lines]
    if len({label for label, _, _ in parts}) != 1:
        raise PageError(f"these lines have different labels: {lines}")
    return parts[0][0], *(value for _, _, value in parts)


def times_by_python(*runs: str) -> str:
    """The time that runs measured themselves, under each start method on each Python."""
    return table_by_method(runs, lambda _, recording: figure(behind(recording, "Elapsed")))


def faults_by_python(*runs: str) -> str:
    """What became of broken programs under each start method; the Pythons that do the same together.

    Args:
        runs: By default all that are run on more Pythons than the build's own.
    """
    everywhere = [n for n, run in build.runs.items() if run.pythons and n.endswith("_broken")]
    return table_by_method(runs or everywhere, verdict)


def table_by_method(runs: Sequence[str], says: Callable[[str, Recording], str]) -> str:
    """What is to be said of each run under each start method, a group of rows for each run."""
    found = {one.start_method for run in runs for one in build.recordings(run)}
    methods = sorted(found, key=("fork", "spawn", "forkserver").index)
    groups = []
    for run in runs:
        answers = []
        for python, recordings in by_python(run):
            told = {one.start_method: says(run, one) for one in recordings}
            answers.append((python, tuple(told.get(method, "") for method in methods)))
        rows = [(python_cell(same), *cells) for cells, same in same_together(answers)]
        groups.append((link(run), rows))
    return f'<div class="pythons">{table(("Python", *map(code, methods)), *groups)}</div>'


def same_together(answers: Iterable[tuple[str, Answer]]) -> Iterable[tuple[Answer, list[str]]]:
    """Each answer, with the Pythons that gave it."""
    found: dict[Answer, list[str]] = {}
    for python, answer in answers:
        found.setdefault(answer, []).append(python)
    return found.items()


def verdict(run: str, recording: Recording) -> str:
    """What a broken program did, in a word or two."""
    outcomes = build.run(run).expected(recording.start_method, recording.machine.python)
    came = next(one for one in outcomes if not list(one.differences(recording)))
    if not came.fault:
        return "works"
    if recording.hung:
        return "<strong>hangs</strong>"
    if recording.status == 0:
        return "<strong>wrong</strong>"
    error = re.match(
        r"[\w.]*?(\w+(?:Error|Exception)|KeyboardInterrupt)\b", telling_line(recording)
    )
    what = code(error[1]) if error else f"status {recording.status}"
    return f"<strong>raises</strong> {what}"


def link(run: str) -> str:
    """The program of a run, as a link to the page that shows it whole."""
    program = build.run(run).program
    name = code(program.rpartition("/")[2])
    for page in sorted(DOCS.rglob("*.md")):
        if f"/{program}\n" in page.read_text("utf-8") and "programs" not in page.parent.parts:
            return f'<a href="../{address_of(page)}">{name}</a>'
    return name


def code(text: str) -> str:
    """A text as code, that may be broken where its words begin."""
    return f"<code>{breakable(escape(text))}</code>"


def python_cell(pythons: Sequence[str]) -> str:
    """The names of Pythons, for a cell: of several that follow each other the first and the last."""
    names = [figure(short_name(python)) for python in pythons]
    order = [one.name for one in here()]
    between = order[order.index(pythons[0]) : order.index(pythons[-1]) + 1]
    if len(names) > 2 and between == list(pythons):
        return f"{names[0]} to {names[-1]}"
    return ", ".join(names)
