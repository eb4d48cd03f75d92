"""Views of the site itself: the machine, every run, and what the pages say under their labels."""

import multiprocessing
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape, unescape
from pathlib import Path
from typing import Any

import markdown
import yaml

from recorder.machine import this_machine
from recorder.recording import Recording
from render.blocks import table, terms
from render.build import build
from render.figures import mebibytes, seconds
from render.runs import ROOT, PageError, Run
from render.story import place_of

DOCS = ROOT / "docs"


def machine_table() -> str:
    """The machine and the Python of this build."""
    machine = this_machine()
    return table(
        ("Part", "What it is"),
        [
            ("Processor", machine.processor),
            ("Cores", str(machine.cores)),
            ("Operating system", machine.system),
            ("Python", machine.python),
            ("Default start method", f"<code>{machine.start_method}</code>"),
        ],
    )


def runs_table() -> str:
    """Every run of the site by chapter, under the page that shows it first: not Home."""
    chapters = {DOCS / page: groups[0] for groups, page in walk(navigation()) if groups}
    texts = {page: page.read_text(encoding="utf-8") for page in chapters}
    places = {run: page_that_shows(run.name, texts) for run in build.runs.values()}
    shown: dict[str, dict[str, list[Run]]] = {}
    for page, text in texts.items():
        link = f'<a href="{address_of(page)}">{title_of(text)}</a>'
        if runs := [run for run in places if places[run] == page]:
            shown.setdefault(chapters[page], {})[link] = runs
    return "".join(folded_runs(chapter, runs) for chapter, runs in shown.items())


def folded_runs(chapter: str, shown: Mapping[str, Iterable[Run]]) -> str:
    """The runs of a chapter, folded under their number and the sum of their times."""
    head = ("Program", "Start method", "Time", "CPU time", "Peak memory", "End")
    groups = [
        (page, [row for run in runs for row in run_rows(run)]) for page, runs in shown.items()
    ]
    recorded = [
        one for runs in shown.values() for run in runs for one in build.recordings(run.name)
    ]
    took = seconds(sum(recording.wall for recording in recorded))
    title = f"<b>{chapter}</b>: {len(recorded)} runs, {took}"
    return f'<details class="runs"><summary>{title}</summary>{table(head, *groups)}</details>'


def run_rows(run: Run) -> Iterator[tuple[str, ...]]:
    """The rows of a run, one for each start method: the first says what ran."""
    for number, recording in enumerate(build.recordings(run.name)):
        method = recording.start_method if run.start_methods else ""
        command = recording.command.removeprefix("python ")
        command = command.replace(f" --start-method {method}", "")
        yield (
            "" if number else f"<code>{escape(command)}</code>",
            f"<code>{method}</code>" if method else "",
            "traced" if run.traced else seconds(recording.wall),
            "" if run.traced else seconds(recording.cpu),
            "" if run.traced else mebibytes(recording.peak_memory),
            "hung" if recording.hung else f"status {recording.status}",
        )


def page_that_shows(run: str, pages: Mapping[Path, str]) -> Path | None:
    """The first of some pages that asks for a run, from their texts."""
    pair = re.sub("_(broken|fixed)$", "", run)
    asked = re.compile(rf'"({run}|{pair})"|#!figure {run}\.')
    return next((page for page, text in pages.items() if asked.search(text)), None)


def address_of(page: Path) -> str:
    """The address of a page, from the top of the site."""
    return page.relative_to(DOCS).with_suffix(".html").as_posix()


def title_of(text: str) -> str:
    """The title of a page, from its text, as HTML."""
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    return inline(title[1]) if title else ""


def faults_list(group: str) -> str:
    """From what one sees to the fault: the pages of a group, and where they don't fail everywhere."""
    items = ""
    for page, title, symptom in page_fields(pages_of(group), "You see"):
        first, _, rest = symptom.partition(". ")
        seen = f'<a href="{page.stem}.html">{first}</a>{"." if rest else ""} {rest}'
        methods = [m for run in broken_runs(page) for m in run.failing_start_methods()]
        items += f"<li>{seen}<br><small>{title}{only_under(methods)}</small></li>"
    return f'<ul class="faults">{items}</ul>'


def only_under(methods: Iterable[str]) -> str:
    """Under which start methods alone a fault shows; "" where it does under all, or none is named."""
    named = sorted({*methods}, key=("fork", "spawn", "forkserver").index)
    everywhere = len(named) in (0, len(multiprocessing.get_all_start_methods()))
    return "" if everywhere else f" <span>only {', '.join(named)}</span>"


def symptoms_list(group: str) -> str:
    """What the broken programs of a group showed in this build, each with the pages about it.

    Where a program raises no error and does not stand still, its last line is nobody else's: then
    the page says what one sees.
    """
    seen: dict[str, dict[str, list[str]]] = {}
    words: dict[str, str] = {}
    for page, title, symptom in page_fields(pages_of(group), "You see"):
        link = f'<a href="{page.stem}.html">{title}</a>'
        head = page.read_text(encoding="utf-8").split("---\n")[1]
        says = unescape(re.sub(r"<[^>]+>", "", symptom))
        words[link] = " ".join([says, *yaml.safe_load(head)["tags"]])
        # Of lines of a page that differ in figures and names only, the first is shown.
        first: dict[str, str] = {}
        for run in broken_runs(page):
            for recording in build.recordings(run.name):
                if recording.start_method in run.failing_start_methods():
                    for line in words_on_screen(recording) or [symptom]:
                        shown = first.setdefault(CHANGING.sub("0", line), line)
                        methods = seen.setdefault(shown, {}).setdefault(link, [])
                        methods += [recording.start_method]
        for error in re.findall(r"<code>(\w+Error)\b", symptom):  # not all are printed here
            if not any(error in shown and link in pages for shown, pages in seen.items()):
                seen.setdefault(f"<code>{error}</code>", {})[link] = []
    items = ""
    for shown, links in seen.items():
        pages = (f"{link}{only_under(methods)}" for link, methods in links.items())
        also = escape(" ".join(words[link] for link in links))  # what people type besides
        items += f'<li data-words="{also}">{shown}<br><small>{" · ".join(pages)}</small></li>'
    return f'<ul class="faults symptoms">{items}</ul>'


CHANGING = re.compile(r"psm_\w+|pymp-\w+|\d[\d,.]*")  # from run to run
ERROR = re.compile(r"(\w+\.)*\w*(Error|Exception|Interrupt|Warning|Empty|Full)\b")


def words_on_screen(recording: Recording) -> list[str]:
    """The errors that a run printed, and in which call it stood still, as HTML."""
    lines = list(filter(None, (line.text.strip() for line in recording.lines)))
    found = [
        error_text(line, lines[at + 1 :]) for at, line in enumerate(lines) if ERROR.match(line)
    ]
    found = [re.sub(r"\b(psm_|pymp-)\w{8}", r"\1...", line[:160]) for line in found]
    told = [f"<code>{escape(line)}</code>" for line in dict.fromkeys(found)]
    main = recording.processes[0].threads[:1]  # of the parent
    if recording.hung and main and (call := place_of(main[0])[0]):
        told += [f"The parent hangs in <code>{call}</code>."]
    return told


def error_text(line: str, rest: Sequence[str]) -> str:
    """The line of an error; where it is no more than a name, with the sentence below it."""
    if line.endswith(":") and ERROR.fullmatch(line[:-1]):
        ends = (number for number, one in enumerate(rest, 1) if one.endswith("."))
        return " ".join([line, *rest[: next(ends, 1)]])
    return line


def rules_list(group: str) -> str:
    """The rules of a group of fault pages, with the page that shows what happens without it."""
    return "".join(
        f'<li>{rule}<br><small><a href="{page.stem}.html">{title}</a></small></li>'
        for page, title, rule in page_fields(pages_of(group), "Do")
    ).join(('<ul class="faults">', "</ul>"))


def navigation() -> list[Any]:
    """The navigation of mkdocs.yml: it alone says which page belongs where."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    return list(yaml.load(text, yaml.BaseLoader)["nav"])


def walk(
    items: list[Any], groups: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each page below some items of the navigation, with the titles of the groups that it stands in."""
    for item in items:
        title, value = next(iter(item.items())) if isinstance(item, dict) else ("", item)
        if isinstance(value, list):
            yield from walk(value, (*groups, title))
        else:
            yield groups, value


def pages_of(group: str) -> list[Path]:
    """The pages of a group of the navigation."""
    found = [DOCS / page for groups, page in walk(navigation()) if group in groups]
    if not found:
        raise PageError(f"there is no group {group} in the navigation of mkdocs.yml")
    return found


def page_fields(pages: Iterable[Path], label: str) -> Iterator[tuple[Path, str, str]]:
    """What pages say in their box behind a label: You see, Because or Do.

    Yields:
        The page, its title, and the first paragraph behind the label, both as HTML.
    """
    for page in pages:
        text = page.read_text(encoding="utf-8")
        if found := re.search(rf"^{label}\n:   (.+)$", text, re.MULTILINE):
            yield page, title_of(text), inline(found[1])


def inline(text: str) -> str:
    """One line of Markdown as HTML."""
    return str(markdown.markdown(text)).removeprefix("<p>").removesuffix("</p>")


def broken_runs(page: Path) -> list[Run]:
    """The runs of broken programs that a page names in its box."""
    text = page.read_text(encoding="utf-8")
    named = build.runs.items()
    return [run for name, run in named if name.endswith("_broken") and f'"{name}"' in text]


def glossary() -> str:
    """The terms, each with its meaning; the plural of a term is a tooltip only."""
    meanings = terms()
    for plural in ("processes", "workers", "start methods"):
        del meanings[plural]
    told = (f"<dt>{escape(a)}</dt><dd>{escape(says)}</dd>" for a, says in meanings.items())
    return f"<dl>{''.join(told)}</dl>"
