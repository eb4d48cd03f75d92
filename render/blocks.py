"""Views of runs and of programs, as HTML that no Markdown reads again: what blocks on pages ask for."""

import ast
import difflib
import re
from collections.abc import Sequence
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from recorder.recording import Recording
from render import plots
from render.build import build
from render.figures import seconds
from render.runs import EXAMPLES, PageError
from render.timeline import timeline as draw_timeline

EVIDENCE = {
    "kernel": "Every thread of every process waited, without a time limit, for another one of them: the system says so.",
    "stillness": "No process used any processor time, and none printed anything.",
}
CSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def show(name: str, start_method: str = "") -> str:
    """A run as its page shows it: what it printed; where it hung, with its picture; the caption.

    Args:
        name: The run's name in `runs.toml`.
        start_method: Which of its runs; by default the first.
    """
    recording = recording_of(name, start_method)
    hang = (
        picture("timeline", name, start_method) + stacks(recording) if recording.hung else ""
    )
    return console(name, start_method) + hang + caption(name, start_method)


def console(name: str, start_method: str = "") -> str:
    """The command and its output, as a reader sees them in a terminal."""
    recording = recording_of(name, start_method)
    command = escape(recording.command)
    output = "".join(f"{escape(terminal_line(line.text))}\n" for line in recording.lines)
    code = f'<span class="gp">$ </span>{command}\n<span class="go">{output}</span>'
    return code_block("console", code, f' data-typed="{command}"')


def picture(plot: str, name: str, start_method: str = "") -> str:
    """What a function of `render.plots`, or the timeline, draws of a run."""
    draw = draw_timeline if plot == "timeline" else getattr(plots, plot)
    return f'<div class="picture">{draw(recording_of(name, start_method))}</div>'


def caption(name: str, start_method: str = "") -> str:
    """When and on what a run was recorded."""
    recording = recording_of(name, start_method)
    machine = recording.machine
    when = recording.recorded.replace("T", " ").removesuffix("+00:00")
    return (
        f'<p class="recorded">Recorded {when} UTC on {escape(machine.processor)}, {machine.cores} cores, '
        f"{escape(machine.system)}, {machine.python}, start method "
        f"<code>{recording.start_method}</code>.</p>"
    )


def stacks(recording: Recording) -> str:
    """Where each process of a run that hung was stuck: a block for each, newest call first."""
    text = (
        f"<p>There it hung, after {seconds(recording.wall)}. {EVIDENCE[recording.evidence]} "
        "Then each one was asked where it was, and ended.</p>"
    )
    for process in recording.processes:
        stack = [line for line in process.stack if not NOISE.match(line)]
        if stack:
            text += f"<p>The {process.role}, process ID {process.pid}, newest call first:</p>"
            text += code_block("text", escape("\n".join(stack).strip("\n") + "\n"))
    return text


# What faulthandler writes beside the stacks.
NOISE = re.compile(r"Fatal Python error: Aborted|Extension modules: |<.*truncated.*>")


def start_method_table(name: str) -> str:
    """What became of the same program under each of its start methods."""
    rows = [
        (
            f"<code>{recording.start_method}</code>",
            "hangs" if recording.hung else f"ends with exit status {recording.status}",
            f"<code>{escape(terminal_line(recording.lines[-1].text))}</code>"
            if recording.lines
            else "nothing",
        )
        for recording in build.recordings(name)
    ]
    return table(("Start method", "What it does", "The last line it prints"), rows)


def fix(name: str) -> str:
    """What differs between a broken program of `faults/` and its fixed one, as a patch.

    What only their docstrings differ in is left out; the patch applies all the same.
    """
    before, after = (f"faults/{name}_{which}.py" for which in ("broken", "fixed"))
    old, new = read_program(before).splitlines(), read_program(after).splitlines()
    told, untold = docstring_end(before), docstring_end(after)
    lines = difflib.unified_diff(
        [*new[:untold], *old[told:]], new, before[7:], after[7:], lineterm="", n=2
    )
    return code_block("diff", coloured("diff", "\n".join(lines) + "\n"))


def source_of(program: str, name: str) -> str:
    """One function or class of a program, or what it does when it is run (`__main__`).

    Args:
        program: The program, as a path below `examples/`.
        name: The function's name, or `__main__`.
    """
    text = read_program(program)
    for node in ast.parse(text).body:
        is_main = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        if getattr(node, "name", "__main__" if is_main else None) == name:
            first = min(
                [node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]
            )
            lines = text.splitlines()[first - 1 : node.end_lineno]
            return code_block("python", coloured("python", "\n".join(lines) + "\n"))
    raise PageError(f"examples/{program} has no part named {name}")


def read_program(program: str) -> str:
    """The text of a program of `examples/`."""
    file = (EXAMPLES / program).resolve()
    if not file.is_relative_to(EXAMPLES) or not file.is_file():
        raise PageError(f"there is no program examples/{program}")
    return file.read_text(encoding="utf-8")


def docstring_end(program: str) -> int:
    """The number of lines of a program up to the end of its docstring."""
    first = ast.parse(read_program(program)).body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return first.end_lineno or 0 if is_docstring else 0


def terminal_line(text: str) -> str:
    """What a terminal shows of a line in the end: no colours, tabs as columns, `\\r` goes back.

    What no terminal shows stays visible: a control character is written as its picture.
    """
    shown: list[str] = []
    at = 0
    for letter in CSI.sub("", text):
        if letter == "\r":
            at = 0
        elif letter == "\b":
            at = max(at - 1, 0)
        elif letter == "\t":
            shown += " " * (at // 8 * 8 + 8 - len(shown))
            at = at // 8 * 8 + 8
        else:
            code = ord(letter)
            visible = chr(0x2400 + code) if code < 32 else "\u2421" if code == 127 else letter
            shown[at : at + 1] = visible
            at += 1
    return "".join(shown)


def code_block(language: str, code: str, attributes: str = "") -> str:
    """A block of code that is HTML already, as pymdownx.highlight makes it."""
    return (
        f'<div class="language-{language} highlight"><pre><span></span>'
        f"<code{attributes}>{code}</code></pre></div>"
    )


def coloured(language: str, text: str) -> str:
    """A text with the colours of its language, as HTML."""
    lexer = get_lexer_by_name(language, stripnl=False)
    return str(highlight(text, lexer, HtmlFormatter(nowrap=True)))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: int = 0) -> str:
    """A table, from cells that are HTML; so many of the last columns hold numbers."""
    left = len(head) - right
    look = ["" if at < left else ' style="text-align: right"' for at in range(len(head))]
    titles = "".join(f"<th{a}>{cell}</th>" for cell, a in zip(head, look, strict=True))
    lines = (
        "".join(f"<td{a}>{c}</td>" for c, a in zip(row, look, strict=True)) for row in rows
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def recording_of(name: str, start_method: str = "") -> Recording:
    """The recording of a run, under one of its start methods."""
    recordings = build.recordings(name)
    for recording in recordings:
        if not start_method or recording.start_method == start_method:
            return recording
    raise PageError(
        f"the run {name} is not one under {start_method or 'any start method here'}"
    )
