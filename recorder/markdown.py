"""Turns recordings, and the programs they are of, into Markdown."""

import ast
import difflib
import html
import re
from collections.abc import Callable, Iterable, Sequence

from recorder.picture import start_plot, start_rows, sweep_plot, sweep_rows, timeline
from recorder.recording import Recording
from recorder.store import EXAMPLES, drawn


def console(recording: Recording) -> str:
    """The command and its output as a console block, as a reader sees them in a terminal."""
    return fenced("console", f"$ {recording.command}\n{recording.output}")


def shown(recording: Recording) -> str:
    """A run as its page shows it: what it printed; where it hung, with its timeline; the caption."""
    hang = picture(timeline, recording) + stacks(recording) if recording.hung else ""
    return console(recording) + hang + caption(recording)


def picture(draw: Callable[[Recording], str], recording: Recording) -> str:
    """What a function draws of a recording, ready for the page."""
    return f'\n<div class="picture">{drawn(draw, recording)}</div>\n\n'


def sweep(recording: Recording) -> str:
    """The plot of a run of `worker_sweep.py`."""
    return sweep_plot(sweep_rows(recording.output), recording.machine.cores)


def starts(recording: Recording) -> str:
    """The plot of a run of `start_cost.py`."""
    return start_plot(start_rows(recording.output))


def stacks(recording: Recording) -> str:
    """Where each process of a run that hung was stuck: a block for each, newest call first."""
    text = (
        f"\nThere it hung. After {seconds(recording.wall)}, when no process did anything any "
        "more, each one was asked where it was, and ended.\n"
    )
    for process in recording.processes:
        stack = [line for line in process.stack if not NOISE.match(line)]
        if stack:
            text += f"\nThe {process.role}, process ID {process.pid}, newest call first:\n\n"
            text += fenced("text", "\n".join(stack).strip("\n") + "\n")
    return text


# What faulthandler writes beside the stacks.
NOISE = re.compile(r"Fatal Python error: Aborted|Extension modules: |<.*truncated.*>")


def methods(recordings: Iterable[Recording]) -> str:
    """What became of the same program under several start methods, as a table."""
    rows = [
        (
            f"`{recording.start_method}`",
            "hangs" if recording.hung else f"ends with exit status {recording.status}",
            f"`{recording.lines[-1].text}`" if recording.lines else "nothing",
        )
        for recording in recordings
    ]
    return table(("Start method", "What it does", "The last line it prints"), rows)


def diff(broken: str, fixed: str) -> str:
    """What differs between two programs, as a diff block without their docstrings."""
    before, after = (
        (EXAMPLES / program).read_text(encoding="utf-8").partition('"""\n\n')[2].splitlines()
        for program in (broken, fixed)
    )
    names = (broken.rpartition("/")[2], fixed.rpartition("/")[2])
    lines = difflib.unified_diff(before, after, *names, lineterm="", n=2)
    return fenced("diff", "\n".join(line for line in lines if line[:2] != "@@") + "\n")


def caption(recording: Recording) -> str:
    """When and on what a run was recorded, as a paragraph of the class `recorded`."""
    machine = recording.machine
    when = recording.recorded.replace("T", " ").removesuffix("+00:00")
    return (
        f"\nRecorded {when} UTC on {machine.processor}, {machine.cores} cores, {machine.system}, "
        f"{machine.python}, start method `{recording.start_method}`.\n{{ .recorded }}\n"
    )


def part(program: str, name: str) -> str:
    """One function of a program, or its `if __name__` part, as a Python block.

    Args:
        program: The program, as a path below `examples/`.
        name: The function's name, or `__main__` for what runs when the file is run.

    Raises:
        LookupError: The program has no such part.
    """
    text = (EXAMPLES / program).read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        is_main = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        if getattr(node, "name", "__main__" if is_main else None) == name:
            lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
            return fenced("python", "\n".join(lines) + "\n")
    raise LookupError(f"examples/{program} has no part named {name}")


def fenced(language: str, text: str) -> str:
    """A fenced block that the text can't end early."""
    longest = max(
        (len(run) for run in re.findall(r"^\s*(`{3,})", text, re.MULTILINE)), default=2
    )
    fence = "`" * (longest + 1)
    return f"{fence} {language}\n{text}{fence}\n"


def figure(text: str) -> str:
    """A figure from a recording, marked as one."""
    return f'<data class="figure" value="{html.escape(text)}">{html.escape(text)}</data>'


def seconds(value: float) -> str:
    """A time as a figure, for example 5.63 s."""
    return figure(f"{value:.2f} s")


def times(value: float, digits: int = 2) -> str:
    """A ratio as a figure, for example 1.98 times."""
    return figure(f"{value:.{digits}f} times")


def mebibytes(value: float) -> str:
    """Bytes as a figure in MiB."""
    return figure(f"{value / 2**20:.0f} MiB")


def printed(recording: Recording, label: str) -> str:
    """What a line of the output says after `LABEL: `, as a figure.

    Raises:
        LookupError: No line starts so.
    """
    return figure(value(recording, label))


def value(recording: Recording, label: str) -> str:
    """What a line of the output says after `LABEL: `.

    Raises:
        LookupError: No line starts so.
    """
    for line in recording.lines:
        if line.text.startswith(f"{label}: "):
            return line.text.removeprefix(f"{label}: ")
    raise LookupError(f"{recording.command} printed no line that starts with {label}: ")


def elapsed(recording: Recording) -> float:
    """The seconds that a run printed on its line `Elapsed: ... s`."""
    return float(value(recording, "Elapsed").removesuffix(" s"))


def speed_up(serial: Recording, parallel: Recording, workers: int) -> str:
    """How much faster than one process the workers were, and the limit that the cores set."""
    ratio, cores = elapsed(serial) / elapsed(parallel), parallel.machine.cores
    limit = min(workers, cores)
    text = f"{times(ratio)} as fast. With {cores} cores the limit is {times(limit, 0)}."
    if ratio > limit:
        text += " More than the limit: other work slowed the single process down."
    return text


def table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    """A Markdown table.

    Args:
        head: The titles of the columns.
        rows: The cells, as Markdown. A link in them is written as an address, not as a file:
            MkDocs turns only what stands on the page itself from the one into the other.
        align: A letter for each column, `l` or `r`; by default all are aligned to the left.
    """
    ruler = ["---:" if letter == "r" else "---" for letter in align.ljust(len(head), "l")]
    return "\n" + "".join(f"| {' | '.join(row)} |\n" for row in (head, ruler, *rows))
