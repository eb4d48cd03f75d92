"""Views of runs on several Pythons: what is the same on all of them, and what a release changes."""

import itertools
import re
from collections.abc import Iterable, Sequence
from html import escape

from recorder.machine import Interpreter, interpreter
from recorder.recording import Recording
from render import interpreters
from render.blocks import show, table, telling_line
from render.build import build
from render.figures import behind, figure
from render.runs import QUICK, PageError
from render.site import DOCS

WANTED = ("3.11", "3.12", "3.13", "3.14", "3.14t", "3.15", "3.15t")


def here() -> list[Interpreter]:
    """The Pythons that this build runs programs on, the oldest first; a quick one has only its own."""
    found = [interpreter()] if QUICK else interpreters.find()
    return sorted(found, key=lambda one: (interpreters.version(one), one.free_threaded))


def pythons_here() -> str:
    """Which Pythons this build has run programs on, and which of those that the site is for it had not."""
    found = [feature_release(one) for one in here()]
    missing = [name for name in WANTED if name not in found]
    names = ", ".join(figure(short_name(one.name)) for one in here())
    text = f"Run here: {names}."
    if QUICK:
        text += " This is a quick build: it did not look for others."
    elif missing:
        text += f" Not found where this site was built: {', '.join(missing)}."
    return f'<p class="recorded">{text}</p>'


def feature_release(one: Interpreter) -> str:
    """For example "3.14", or "3.14t" of a free-threaded one."""
    number = interpreters.version(one)
    return f"{number.major}.{number.minor}{'t' * one.free_threaded}"


def short_name(python: str) -> str:
    """For example "3.14.2", or "3.14.2t" of a free-threaded one."""
    return python.split()[1] + "t" * python.endswith(" free-threaded")


def fails_under(*runs: str) -> str:
    """The start methods under which broken programs fail, and the Pythons on which they did."""
    found: dict[tuple[str, ...], list[str]] = {}
    for one in here():
        if one in build.run(runs[0]).interpreters():
            methods = [m for run in runs for m in build.run(run).failing_start_methods_on(one)]
            found.setdefault(tuple(dict.fromkeys(methods)), []).append(one.name)
    return ", ".join(
        f"{''.join(f'<code>{method}</code> ' for method in methods)}on CPython {python_cell(pythons)}"
        for methods, pythons in found.items()
    )


def by_python(run: str) -> list[tuple[str, list[Recording]]]:
    """The recordings of a run on each Python, the oldest Python first."""
    recordings = build.recordings_everywhere(run)
    order = {one.name: at for at, one in enumerate(here())}
    recordings = sorted(recordings, key=lambda one: order[one.machine.python])  # it is stable
    groups = itertools.groupby(recordings, key=lambda one: one.machine.python)
    return [(python, list(group)) for python, group in groups]


def where_there(run: str) -> str:
    """A run as its page shows it, or that no Python here is new enough for it."""
    return show(run) if build.recordings(run) else not_run(run)


def not_run(run: str) -> str:
    """What a page says in the place of a run for which there is no Python."""
    name, needed = escape(build.run(run).program), escape(build.run(run).needs)
    return f'<p class="recorded">Not run in this build: <code>{name}</code> needs Python {needed}.</p>'


def labels_by_python(run: str, *labels: str) -> str:
    """What a run printed behind some labels, on each Python."""
    rows = []
    for python, recordings in by_python(run):
        rows.append(
            (python_cell([python]), *(cell(behind(recordings[0], label)) for label in labels))
        )
    if not rows:
        return not_run(run)
    return f'<div class="pythons">{table(("Python", *labels), rows)}</div>'


def cell(text: str) -> str:
    """What was printed, for a cell: as a figure where it begins with one."""
    return figure(text) if text[:1].isdigit() else breakable(text)


def labels_by_method(run: str, title: str) -> str:
    """What a run printed behind its labels, which have a title, under each start method; the Pythons that print the same together."""
    answers: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    methods: dict[str, None] = {}
    for python, recordings in by_python(run):
        methods |= dict.fromkeys(one.start_method for one in recordings)
        lines = [tuple(line.text for line in one.lines) for one in recordings]
        rows = tuple(row_of(cells) for cells in zip(*lines, strict=True))
        answers.setdefault(rows, []).append(python)
    text = ""
    for rows, pythons in answers.items():
        cells = [tuple(map(escape, row)) for row in rows]
        head = (title, *(f"<code>{method}</code>" for method in methods))
        text += f'<div class="pythons">{table(head, cells)}</div>'
        text += f'<p class="recorded">Python {python_cell(pythons)}</p>'
    return text


def lines_by_python(run: str) -> str:
    """What a run printed on each Python; the Pythons that print the same together."""
    answers: dict[str, list[str]] = {}
    for python, recordings in by_python(run):
        answers.setdefault(escape(recordings[0].output), []).append(python)
    rows = [
        (python_cell(pythons), text.rstrip().replace("\n", "<br>"))
        for text, pythons in answers.items()
    ]
    return table(("Python", "What it prints"), rows) if rows else not_run(run)


def row_of(lines: Sequence[str]) -> tuple[str, ...]:
    """A label, and what stands behind it in each of some lines."""
    parts = [line.partition(": ") for line in lines]
    if len({label for label, _, _ in parts}) != 1:
        raise PageError(f"these lines have different labels: {lines}")
    return parts[0][0], *(value for _, _, value in parts)


def times_by_python(*runs: str) -> str:
    """The time that runs measured themselves, under each start method on each Python."""
    bodies, methods = [], methods_of(runs)
    for run in runs:
        rows = [
            (
                python_cell([python]),
                *(figure(behind(one, "Elapsed")) for one in in_order(recordings, methods)),
            )
            for python, recordings in by_python(run)
        ]
        bodies.append((run, rows))
    return grouped_table(methods, bodies)


def faults_by_python(*runs: str) -> str:
    """What became of broken programs under each start method; the Pythons that do the same together."""
    bodies, methods = [], methods_of(runs)
    for run in runs:
        rows: list[tuple[tuple[str, ...], list[str]]] = []
        for python, recordings in by_python(run):
            verdicts = tuple(verdict(run, one) for one in in_order(recordings, methods))
            if rows and rows[-1][0] == verdicts:
                rows[-1][1].append(python)
            else:
                rows.append((verdicts, [python]))
        bodies.append((run, [(python_cell(pythons), *cells) for cells, pythons in rows]))
    return grouped_table(methods, bodies)


def methods_of(runs: Iterable[str]) -> list[str]:
    """The start methods of runs, in the order of the alphabet, which is that of their age too."""
    found = {one.start_method for run in runs for one in build.recordings(run)}
    return sorted(found, key=("fork", "spawn", "forkserver").index)


def in_order(recordings: Iterable[Recording], methods: Sequence[str]) -> list[Recording]:
    """The recordings of one Python, in the order of the start methods."""
    found = {one.start_method: one for one in recordings}
    return [found[method] for method in methods]


def verdict(run: str, recording: Recording) -> str:
    """What a broken program did, in a word or two."""
    outcomes = build.run(run).expected(recording.start_method, recording.machine.python)
    came = next(one for one in outcomes if not list(one.differences(recording)))
    if not came.fault:
        return "no\N{NO-BREAK SPACE}fault"
    if recording.hung:
        return "<strong>hangs</strong>"
    if recording.status == 0:
        return "<strong>wrong</strong>"
    error = re.match(
        r"[\w.]*?(\w+(?:Error|Exception)|KeyboardInterrupt)\b", telling_line(recording)
    )
    what = f"<code>{breakable(error[1])}</code>" if error else f"status {recording.status}"
    return f"<strong>raises</strong> {what}"


def grouped_table(
    methods: Sequence[str], bodies: Iterable[tuple[str, Sequence[Sequence[str]]]]
) -> str:
    """A table with a group of rows for each run, under its program."""
    head = "".join(f"<th>{cell}</th>" for cell in ("Python", *map(code, methods)))
    text = ""
    for run, rows in bodies:
        lines = "".join(f"<tr>{''.join(f'<td>{c}</td>' for c in row)}</tr>" for row in rows)
        title = f'<tr><th colspan="{len(methods) + 1}" scope="rowgroup">{link(run)}</th></tr>'
        text += f"<tbody>{title}{lines}</tbody>"
    return f'<div class="pythons"><table><thead><tr>{head}</tr></thead>{text}</table></div>'


def link(run: str) -> str:
    """The program of a run, as a link to the page that shows it whole."""
    program = build.run(run).program
    name = code(program.rpartition("/")[2])
    for page in sorted(DOCS.rglob("*.md")):
        if f"/{program}\n" in page.read_text("utf-8") and "programs" not in page.parent.parts:
            address = page.relative_to(DOCS).with_suffix(".html").as_posix()
            return f'<a href="../{address}">{name}</a>'
    return name


def code(text: str) -> str:
    """A text as code, that may be broken where its words begin."""
    return f"<code>{breakable(text)}</code>"


def python_cell(pythons: Sequence[str]) -> str:
    """The names of Pythons, for a cell: of several that follow each other the first and the last."""
    names = [figure(short_name(python)) for python in pythons]
    order = [one.name for one in here()]
    between = order[order.index(pythons[0]) : order.index(pythons[-1]) + 1]
    if len(names) > 2 and between == list(pythons):
        return f"{names[0]} to {names[-1]}"
    return ", ".join(names)


def breakable(text: str) -> str:
    """A text as HTML, that a narrow cell may break within its long words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[_/])", "<wbr>", escape(text))
