"""Views of the site itself: the machine, every run, and what the pages say under their labels."""

import multiprocessing
import re
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

import markdown
import yaml

from recorder.machine import this_machine
from render.blocks import table
from render.build import build
from render.figures import mebibytes, seconds
from render.runs import ROOT, PageError

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


def faults_list(group: str) -> str:
    """From what one sees to the fault: the pages of a group, and where they don't fail everywhere."""
    items = ""
    for page, title, symptom in page_fields(pages_of(group), "You see"):
        first, _, rest = symptom.partition(". ")
        seen = f'<a href="{page.stem}.html">{first}</a>{"." if rest else ""} {rest}'
        methods = failing_start_methods(page)
        everywhere = len(methods) == len(multiprocessing.get_all_start_methods())
        only = "" if everywhere else f" <span>only {', '.join(methods)}</span>"
        items += f"<li>{seen}<br><small>{title}{only}</small></li>"
    return f'<ul class="faults">{items}</ul>'


def rules_list(group: str) -> str:
    """The rules of a group of fault pages, with the page that shows what happens without it."""
    return "".join(
        f'<li>{rule}<br><small><a href="{page.stem}.html">{title}</a></small></li>'
        for page, title, rule in page_fields(pages_of(group), "Do")
    ).join(('<ul class="faults">', "</ul>"))


class NavigationLoader(yaml.SafeLoader):
    """Reads mkdocs.yml, without what only MkDocs understands."""


NavigationLoader.add_multi_constructor("", lambda loader, tag, node: None)


def pages_of(group: str) -> list[Path]:
    """The pages of a group of the navigation: it alone says which page belongs where."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for chapter in yaml.load(text, NavigationLoader)["nav"]:
        for item in next(iter(chapter.values())):
            if isinstance(item, dict) and isinstance(pages := item.get(group), list):
                return [DOCS / next(iter(page.values())) for page in pages]
    raise PageError(f"there is no group {group} in the navigation of mkdocs.yml")


def page_fields(pages: Iterable[Path], label: str) -> Iterator[tuple[Path, str, str]]:
    """What pages say in their box behind a label: You see, Because or Do.

    Yields:
        The page, its title, and the first paragraph behind the label, both as HTML.
    """
    for page in pages:
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
