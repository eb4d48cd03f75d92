"""Views of runs and of programs, as HTML that no Markdown reads again: what blocks on pages ask for."""

import ast
import difflib
import re
import textwrap
from collections.abc import Sequence
from html import escape
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from recorder.machine import this_machine
from recorder.recording import Recording
from render import plots
from render.build import build
from render.figures import seconds
from render.runs import ROOT, PageError, file_of
from render.story import Story
from render.timeline import ending as draw_ending
from render.timeline import feeders_of, reach, shared_heights, shared_legend
from render.timeline import timeline as draw_timeline

EVIDENCE = {
    "kernel": "The kernel shows that every remaining thread waited without a time limit, and that nothing from outside could wake one.",
    "stillness": "No process used any processor time, and none printed anything.",
}
COLUMNS = re.compile(r"^.*\S {2,}\S", re.MULTILINE)  # a line of a table


def show(name: str) -> str:
    """A run of `runs.toml` as its page shows it: what it printed; where it hung, with its picture; the caption.

    Where no Python is new enough for it, that is said instead.
    """
    if not build.recordings(name):
        what, needed = escape(build.run(name).program), escape(build.run(name).needs)
        return f'<p class="recorded">Not run in this build: <code>{what}</code> needs Python {needed}.</p>'
    hang = picture("timeline", name) + stuck(name) if recording_of(name).hung else ""
    return console(name) + hang + caption(name)


def console(name: str) -> str:
    """The command and its output, as a reader sees them in a terminal."""
    recording = recording_of(name)
    command = escape(recording.command)
    output = "".join(f"{escape(line.text)}\n" for line in recording.lines)
    columns = " columns" * (len(COLUMNS.findall(output)) > 2)  # then no line may wrap
    code = f'<span class="gp">$ </span>{command}\n<span class="go{columns}">{output}</span>'
    return code_block("console", code, f' data-typed="{command}"')


def picture(plot: str, name: str) -> str:
    """What a function of `render.plots`, the timeline, or its end, draws."""
    own = {"timeline": draw_timeline, "ending": draw_ending}
    draw = own[plot] if plot in own else getattr(plots, plot)
    return f'<div class="picture" data-search-exclude>{draw(recording_of(name))}</div>'


def pair(name: str) -> str:
    """A fault and its fix beside each other: the pictures of NAME_broken and NAME_fixed, a verdict each."""
    recordings = {label: recording_of(f"{name}_{label}") for label in ("broken", "fixed")}
    verdicts = [
        verdict(recording, label == "fixed") for label, recording in recordings.items()
    ]
    if verdicts[0] == verdicts[1]:  # then they differ in what came before
        verdicts = [
            f"lines printed: {len(recording.lines)}" for recording in recordings.values()
        ]
    until = max(map(reach, recordings.values()))  # one axis for both
    feeders = feeders_of(recordings.values())
    heights = shared_heights(recordings.values(), until, feeders)
    keys = with_terms(shared_legend(recordings.values(), until))
    sides = "".join(
        f'<figure data-search-exclude><figcaption>{label} <strong class="{label}">{says}</strong>'
        f"</figcaption>{draw_timeline(recording, until, 0, False, feeders, heights)}</figure>"
        for (label, recording), says in zip(recordings.items(), verdicts, strict=True)
    )
    return f'<div class="pair">{keys}{sides}</div>'


def verdict(recording: Recording, fixed: bool = False) -> str:
    """How a run came out, in a few words; a fixed one that reports a death does so on purpose."""
    if recording.hung:
        return "hangs for ever"
    name = re.sub(r"(?:\w+\.)*(\w+Error|Broken\w+): .*", r"\1", telling_line(recording))
    last = f"<samp>{name}</samp>"  # of an error no more than its name: the output has the rest
    end = "ends" if fixed else f"exit code {recording.status}"
    return last if recording.status == 0 else f"{end}: {last}"


ADDED = re.compile(r"when serializing |.*Warning: resource_tracker: |  warnings\.warn\(")


def telling_line(recording: Recording) -> str:
    """The last line that a run printed, as HTML; what pickle or the resource tracker adds is not it."""
    texts = [line.text for line in recording.lines]
    lines = [line for line in texts if line and not ADDED.match(line)]
    return escape(lines[-1]) if lines else "no output"


def breakable(text: str) -> str:
    """A text that is HTML, which a narrow cell may break within its long words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[_/])", "<wbr>", text)


def happened(name: str, fold: bool = False) -> str:
    """What became of a fault and of its fix, and on what they were recorded."""
    return variant(name, fold) + caption(f"{name}_broken")


def variant(name: str, fold: bool = False) -> str:
    """The same without the caption, which the last fault of a page has; pictures that look alike are folded, after the output."""
    broken = f"{name}_broken"
    seen = console(broken) + stuck(broken) + start_method_table(broken)
    seen += "<p>The fixed program:</p>" + console(f"{name}_fixed")
    folded = f"<details><summary>How both ran</summary>{pair(name)}</details>"
    return seen + folded if fold else pair(name) + seen


def caption(name: str, method: bool = True) -> str:
    """When and on what a run was recorded; after a page's first one only what differs is shown.

    Args:
        name: The run.
        method: Whether it is one of one start method, which is then named.
    """
    recording = recording_of(name)
    machine = recording.machine
    when = recording.recorded[:16].replace("T", " ")
    same = ' class="same"' if machine.python == this_machine().python else ""
    started = f"{with_terms('Start method')}: <code>{recording.start_method}</code>." * method
    return (
        f'<p class="recorded"><span{same}>Recorded {when} UTC on {machine.cores} cores, '
        f"{machine.python}. </span>{started}</p>"
    )


def stuck(name: str) -> str:
    """Who waited for whom in a run that hung, and how that is known; the whole stacks folded."""
    recording = recording_of(name)
    if not recording.hung:  # a fault that another release of Python reports
        return ""
    story = Story(recording)
    told = " ".join(marked_up(sentence, recording) for sentence in story.sentences())
    whole = ""
    for process in recording.processes:
        stack = [line for line in process.stack if not NOISE.match(line)]
        if stack:
            title = f"<p>{story.names[process.pid].capitalize()}:</p>"
            whole += title + code_block("text", escape("\n".join(stack).strip("\n") + "\n"))
    return (
        f'<p class="story"><strong>Who waits for whom.</strong> {told}</p>'
        f"<p>It hung after {seconds(recording.wall)}; then the recorder ended it.</p>"
        "<details data-search-exclude><summary>The whole stacks, newest call first</summary>"
        f"<p>{with_terms(EVIDENCE[recording.evidence])}</p>{whole}</details>"
    )


def marked_up(sentence: str, recording: Recording) -> str:
    """A sentence of a story as HTML: its code, and links to the lines of the program."""
    stem = Path(recording.program).stem
    parts = escape(sentence).split("`")  # every second one is code
    parts[1::2] = (f"<code>{code}</code>" for code in parts[1::2])
    parts[::2] = (
        re.sub(r"\bline (\d+)(?! of)", rf'<a href="#{stem}-\1">line \1</a>', with_terms(text))
        for text in parts[::2]
    )
    return "".join(parts)


def with_terms(text: str) -> str:
    """A text with what the glossary says of the terms that a story, a key or a caption has."""
    meanings = terms()
    return re.sub(
        r"(?i)\b(?:start method|feeder thread|semaphore|recorder|room|kernel|helper)\b",
        lambda term: f'<abbr title="{escape(meanings[term[0].lower()])}">{term[0]}</abbr>',
        text,
    )


def terms() -> dict[str, str]:
    """The terms of docs/terms.txt, which are also the tooltips of the pages that include it."""
    text = (ROOT / "docs/terms.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^\*\[(.+)\]: (.+)$", text, re.MULTILINE))


# What faulthandler writes beside the stacks.
NOISE = re.compile(r"Fatal Python error: Aborted|Extension modules: |<.*truncated.*>")


# What differs from run to run and tells nothing: names, addresses, process numbers, times.
CHANGING = re.compile(
    r"\b(psm_|pymp-|0x)\w+|\b[Pp]rocess (ID:? )?\d+|\d[\d.]* (ms|s|seconds)\b"
)


def start_method_table(name: str) -> str:
    """What became of the same program under each of its start methods; a sentence where it is the same."""
    rows = [
        (
            f"<code>{recording.start_method}</code>",
            "hangs" if recording.hung else f"ends with exit code {recording.status}",
            f'<code class="said">{breakable(telling_line(recording))}</code>'
            if recording.lines
            else "nothing",
        )
        for recording in build.recordings(name)
    ]
    if len({CHANGING.sub("", "".join(row[1:]).replace("<wbr>", "")) for row in rows}) == 1:
        *methods, end = [method for method, _, _ in rows]
        under = f"The same under {', '.join(methods)} and {end}" if methods else f"Under {end}"
        return f"<p>{under}: it {rows[0][1]}, and its last line is {rows[0][2]}.</p>"
    return table(("Start method", "What it does", "Last line"), rows)


def program(path: str, *lit: str) -> str:
    """A whole program, to read, copy and download: its lines numbered, those that matter lit.

    What is the same in every program, docstrings and the command line, is dimmed. A program of a
    pair, NAME_broken.py and NAME_fixed.py, has the lines lit that the other one has not.

    Args:
        path: The path from the page to the download, `../programs/faults/x_broken.py`.
        lit: What the lines that matter contain.
    """
    name = path.rpartition("programs/")[2]
    text = read_program(name)
    if missing := [one for one in lit if one not in text]:
        raise PageError(f"examples/{name} has no line to light with {missing[0]}")
    stem = Path(name).stem
    numbered = enumerate(lines_of(text), 1)
    bright = {n for n, line in numbered if any(one in line for one in lit)}
    bright |= lines_of_its_own(name)
    dim = dim_lines(text)
    lines = "".join(
        f'<span id="{stem}-{number}" class="line{" lit" * (number in bright)}'
        f'{" dim" * (number in dim - bright)}">{line}\n</span>'
        for number, line in enumerate(lines_of(coloured(text)), 1)
    )
    return (
        f'<div class="program highlight"><div class="bar" data-search-exclude><span class="name">{breakable(Path(name).name)}'
        '</span><button type="button" class="copy" hidden>Copy</button>'
        f'<a href="{path}" download aria-label="Download {Path(name).name}">Download</a></div>'
        f"<pre data-search-exclude><code>{lines}</code></pre></div>"
    )


def lines_of_its_own(program: str) -> set[int]:
    """The lines that a program of a pair has and the other one has not, without the docstring."""
    pair = re.fullmatch(r"(.+)_(broken|fixed)\.py", program)
    if not pair:
        return set()
    other = f"{pair[1]}_{'fixed' if pair[2] == 'broken' else 'broken'}.py"
    steps = compare(*(lines_of(read_program(one)) for one in (other, program)))
    own = {n for tag, _, _, c, d in steps if tag != "equal" for n in range(c + 1, d + 1)}
    return own - set(range(docstring_end(program) + 1))


def compare(old: list[str], new: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    """The steps from some lines to others, as difflib tells them."""
    return difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def dim_lines(text: str) -> set[int]:
    """The lines of a program that are the same in every other: docstrings and the command line."""
    found: set[int] = set()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        is_command = isinstance(node, ast.If) and node in tree.body and "argparse" in text
        dull = docstring(node) or (node if is_command else None)
        if isinstance(dull, ast.stmt):
            found |= set(range(dull.lineno, (dull.end_lineno or 0) + 1))
    return found


def docstring(node: ast.AST) -> ast.Expr | None:
    """The docstring of a part of a program."""
    match getattr(node, "body", None):
        case [ast.Expr(value=ast.Constant()) as found, *_]:
            return found
    return None


def fix(name: str, *parts: str) -> str:
    """What differs between a broken program of `faults/` and its fixed one, as a patch.

    Args:
        name: What both programs are called before `_broken.py` and `_fixed.py`.
        parts: Show no more than the changes in these functions, or with these words, and link to the rest.
    """
    link = f'<a href="#{name}_fixed-1">the fixed program</a>'
    rest = f"This is the heart of the change; {link} has every changed line highlighted."
    shown = changes(f"faults/{name}_broken.py", f"faults/{name}_fixed.py", *parts)
    return shown + f"<p>{rest}</p>" * bool(parts)


def changes(before: str, after: str, *parts: str) -> str:
    """What differs between two programs, as a patch.

    What only their docstrings differ in is left out; the patch applies all the same.
    """
    old, new = lines_of(read_program(before)), lines_of(read_program(after))
    names = (Path(before).name, Path(after).name)
    old = [*new[: docstring_end(after)], *old[docstring_end(before) :]]
    shown = with_changes(old, new, parts) if parts else new
    lines = difflib.unified_diff(old, shown, *names, lineterm="", n=1)
    kinds = {"---": "head", "+++": "head", "@@ ": "hunk", "-": "gone", "+": "new"}
    marked = ""
    for line in lines:
        kind = kinds.get(line[:3]) or kinds.get(line[:1], "same")
        marked += f'<span class="{kind}">{escape(line)}\n</span>'
    return code_block("diff", marked)


def with_changes(old: list[str], new: list[str], parts: Sequence[str]) -> list[str]:
    """The old lines, with those changes that touch a function, or else have words in them."""
    shown: list[str] = []
    missing = set(parts)
    places = {part: (lines_with(old, part), lines_with(new, part)) for part in parts}
    for tag, a, b, c, d in compare(old, new):
        found = {
            part
            for part, (before, after) in places.items()
            if tag != "equal" and (before & {*range(a, b)} or after & {*range(c, d)})
        }
        shown += new[c:d] if found else old[a:b]
        missing -= found
    if missing:
        raise PageError(f"nothing changes in {', '.join(sorted(missing))}")
    return shown


def lines_with(lines: list[str], part: str) -> set[int]:
    """The indexes of the lines of a function, or else of those that have some words in them."""
    return set(part_lines(lines, part)) or {n for n, line in enumerate(lines) if part in line}


def part_lines(lines: list[str], name: str) -> range:
    """The indexes of the lines of a function, class or loop of a program, or of what it does when it is run."""
    nodes = ast.walk(ast.parse("\n".join(lines)))
    for node in (one for one in nodes if isinstance(one, ast.stmt)):
        is_main = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        head = f"while {ast.unparse(node.test)}" if isinstance(node, ast.While) else None
        if getattr(node, "name", "__main__" if is_main else head) == name:
            first = min(
                [node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]
            )
            return range(first - 1, node.end_lineno or 0)
    return range(0)


def source_of(program: str, name: str) -> str:
    """One part of a program, each docstring with its first line only.

    Args:
        program: The program, as a path below `examples/`.
        name: The name of a function or class, `__main__`, or the head of a loop: `while waiting`.
    """
    lines = brief(read_program(program))
    shown = [lines[at] for at in part_lines(lines, name)]
    if not shown:
        raise PageError(f"examples/{program} has no part named {name}")
    return code_block("python", coloured(textwrap.dedent("\n".join(shown))))


def brief(text: str) -> list[str]:
    """The lines of a program, with no more than the first line of each docstring."""
    lines = lines_of(text)
    found = filter(None, map(docstring, ast.walk(ast.parse(text))))
    for one in sorted(found, key=lambda node: -node.lineno):
        if one.end_lineno != one.lineno:
            lines[one.lineno - 1 : one.end_lineno] = [lines[one.lineno - 1] + '"""']
    return lines


def read_program(program: str) -> str:
    """The text of a program of `examples/`."""
    return file_of(program).read_text(encoding="utf-8")


def lines_of(text: str) -> list[str]:
    """The lines of a program, as an editor and the compiler count them: other signs end none."""
    return text.removesuffix("\n").split("\n")


def docstring_end(program: str) -> int:
    """The number of lines of a program up to the end of its docstring."""
    found = docstring(ast.parse(read_program(program)))
    return found.end_lineno or 0 if found else 0


def code_block(language: str, code: str, attributes: str = "") -> str:
    """A block of code that is HTML already, as pymdownx.highlight makes it."""
    return (
        f'<div class="language-{language} highlight"><pre><span></span>'
        f"<code{attributes}>{code}</code></pre></div>"
    )


def coloured(program: str) -> str:
    """The text of a program with its colours, as HTML."""
    return str(highlight(program, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)))


Rows = Sequence[Sequence[str]]


def table(head: Sequence[str], *groups: Rows | tuple[str, Rows]) -> str:
    """A table from cells that are HTML: of rows, or of groups of rows, each below its title."""
    bodies = ""
    for group in groups:
        title, rows = group if isinstance(group, tuple) else ("", group)
        above = f'<tr><th colspan="{len(head)}" scope="rowgroup">{title}</th></tr>'
        lines = "".join(f"<tr>{''.join(f'<td>{c}</td>' for c in row)}</tr>" for row in rows)
        bodies += f"<tbody>{above * bool(title)}{lines}</tbody>"
    titles = "".join(f"<th>{cell}</th>" for cell in head)
    return f"<table><thead><tr>{titles}</tr></thead>{bodies}</table>"


def recording_of(name: str) -> Recording:
    """The recording of a run, under the first of its start methods."""
    recordings = build.recordings(name)
    if not recordings:
        raise PageError(f"no Python here can run {name}")
    return recordings[0]
