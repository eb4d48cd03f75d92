"""Views of the site itself: the machine, every run, and what the pages say under their labels."""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

import markdown

from recorder.machine import this_machine
from render.blocks import table
from render.build import build
from render.figures import mebibytes, seconds
from render.runs import ROOT

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
    """Every run of the site."""
    recordings = [one for name in build.runs for one in build.recordings(name)]
    return table(
        ("Command", "Time", "CPU time", "Peak memory", "Exit status"),
        [
            (
                f"<code>{escape(run.command)}</code>",
                seconds(run.wall),
                seconds(run.cpu),
                mebibytes(run.peak_memory),
                "hung" if run.hung else str(run.status),
            )
            for run in recordings
        ],
        right=4,
    )


def faults_table() -> str:
    """From what one sees to the fault, and the start methods under which it fails."""
    rows = []
    for page, title, symptom in page_fields("faults", "You see"):
        methods = ", ".join(f"<code>{one}</code>" for one in failing_start_methods(page))
        rows.append((symptom, f'<a href="{page.stem}.html">{title}</a>', methods))
    return table(
        ("What you see", "The fault", f"Fails under, on {this_machine().python}"), rows
    )


def rules_list() -> str:
    """The rule of each fault page, with the page that shows what happens without it."""
    rules = page_fields("faults", "Do")
    return "".join(
        f'<li>{rule} (<a href="{page.stem}.html">{title}</a>)</li>'
        for page, title, rule in rules
    ).join(("<ul>", "</ul>"))


def page_fields(folder: str, label: str) -> Iterator[tuple[Path, str, str]]:
    """What the pages of a folder say in their box behind a label: You see, Because or Do.

    Yields:
        The page, its title, and the first paragraph behind the label, both as HTML.
    """
    for page in sorted((DOCS / folder).glob("*.md")):
        text = page.read_text(encoding="utf-8")
        found = re.search(rf"^{label}\n:   (.+)$", text, re.MULTILINE)
        title = re.search(r"^# (.+)$", text, re.MULTILINE)
        if found and title:
            yield page, inline(title[1]), inline(found[1])


def inline(text: str) -> str:
    """One line of Markdown as HTML."""
    return str(markdown.markdown(text)).removeprefix("<p>").removesuffix("</p>")


def failing_start_methods(page: Path) -> list[str]:
    """The start methods under which the faults of a page show."""
    text = page.read_text(encoding="utf-8")
    found = [
        method
        for name, run in build.runs.items()
        if name.endswith("_broken") and f'"{name}"' in text
        for method in run.failing_start_methods
    ]
    return list(dict.fromkeys(found))


def glossary() -> str:
    """The terms of docs/terms.txt, which are also the tooltips of the pages that include it."""
    text = (DOCS / "terms.txt").read_text(encoding="utf-8")
    terms = dict(re.findall(r"^\*\[(.+)\]: (.+)$", text, re.MULTILINE))
    for plural in ("processes", "workers", "start methods"):
        del terms[plural]
    told = (f"<dt>{escape(term)}</dt><dd>{escape(says)}</dd>" for term, says in terms.items())
    return f"<dl>{''.join(told)}</dl>"
