"""Turns recordings, and the programs they are of, into Markdown."""

import ast
import html
import re
from collections.abc import Iterable, Sequence

from recorder.recording import Recording
from recorder.store import EXAMPLES


def console(recording: Recording) -> str:
    """The command and its output as a console block, as a reader sees them in a terminal."""
    return fenced("console", f"$ {recording.command}\n{recording.output}")


def stacks(recording: Recording) -> str:
    """Where each process of a run that hung was stuck, as a console block for each."""
    blocks = []
    for process in recording.processes:
        if process.stack:
            blocks.append(f"The {process.role}, process {process.pid}:\n")
            blocks.append(fenced("text", "\n".join(process.stack) + "\n"))
    return "\n".join(blocks)


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
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ruler, *rows)) + "\n"
