"""The site as it is built."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from render.requests import MODULES
from render.runs import EXAMPLES, ROOT
from tests.conftest import whole_project
from tests.html_page import Page

INCLUDED = re.compile(r"^ *```program\n *\S*?programs/(\S+)$", re.MULTILINE)
BLOCK = re.compile(r'^ *```run exec="on"\n(.*?)^ *```$', re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"\d[\d,.]*\s*(?:s|ms|µs|KiB|MiB|GiB|kB|MB|GB|times|%)(?!\w)")
SOURCES = sorted(
    file for file in (ROOT / "docs").rglob("*.md") if "programs" not in file.parts
)


@pytest.fixture(scope="session")
def pages(project):
    files = sorted((project / "site").rglob("*.html"))
    return {file.relative_to(project / "site").as_posix(): Page(file) for file in files}


def page_of(source):
    return source.relative_to(ROOT / "docs").with_suffix(".html").as_posix()


def test_every_page_is_there(pages):
    assert set(pages) == {page_of(source) for source in SOURCES} | {"404.html"}


def test_every_page_describes_itself(pages):
    found = [
        re.search(r'<meta name="description" content="(.+?)">', p.text) for p in pages.values()
    ]
    described = [match[1] for match in found if match]
    assert len(set(described)) == len(pages)
    assert all(40 < len(text) < 200 for text in described), described


def test_links_and_anchors(pages):
    for name, page in pages.items():
        for link in page.links:
            if urlsplit(link).scheme or name == "404.html":
                continue
            target = urlsplit(urljoin(f"/{name}", link))
            path = unquote(target.path).lstrip("/")  # of a file: a folder needs no server
            if path not in pages:
                assert (pages["index.html"].file.parent / path).is_file(), f"{name}: {link}"
            elif target.fragment:
                assert unquote(target.fragment) in pages[path].ids, f"{name}: {link}"


def test_a_link_says_where_it_leads():
    for file in SOURCES:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"\[((read |learn )?more|here|this|start)\]\(", text, re.I), file


def test_each_shown_program_is_the_file(pages):
    shown = 0
    for source in SOURCES:
        page = pages[page_of(source)]
        programs = INCLUDED.findall(source.read_text(encoding="utf-8"))
        for program in programs:
            assert (EXAMPLES / program).read_text(encoding="utf-8") in page.codes, program
        assert page.text.count('<div class="program highlight">') == len(programs), source
        shown += len(programs)
    assert shown > 50


def test_each_total_stands_on_its_page(pages):
    for name in ("queue", "pipe"):
        page = pages[f"{name}.html"]
        assert any(code.endswith("\nTotal: 500,000\n") for code in page.codes)
        assert "$ python " in "".join(page.codes)


def test_every_figure_is_from_a_recording(pages):
    """A figure with a unit stands in output, in `<data>`, or in a quotation with its source."""
    for name, page in pages.items():
        if not name.startswith(("reference", "recorder")):
            assert not FIGURE.findall(page.prose), name
    assert (
        FIGURE.search("took 3.42 s") and FIGURE.search("in 12 ms") and FIGURE.search("50 % of")
    )


def test_the_reader_of_the_prose_reads_it(pages):
    for name, page in pages.items():
        assert page.share_of_prose() > 0.95, name


def test_pages_ask_and_never_tell():
    """A block holds calls of views and nothing else: no import, no sentence, no expectation."""
    lines = 0
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        assert text.count('exec="on"') == len(BLOCK.findall(text)), source
        for block in BLOCK.findall(text):
            for line in block.splitlines():
                call = r' *\w+\((?:"[\w./() -]+"(?:, "[\w./() -]+")*(?:, \w+=[\w" ]+)*)?\)'
                assert re.fullmatch(call, line), f"{source}: {line}"
            lines += block.count("\n") + 2
    assert 100 < lines <= 10 * len(SOURCES)  # what a page asks for, it asks for in few lines


def test_what_pages_call_is_defined_once():
    """Pages know views by their names alone, whichever module has them."""
    defined = [name for module in MODULES for name in vars(module) if is_own(module, name)]
    called = set()
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        called |= set(re.findall(r"^ *(\w+)\(", "".join(BLOCK.findall(text)), re.MULTILINE))
        called |= set(re.findall(r"#!figure (\w+)\(", text))
    assert len(called) > 30
    assert {name: defined.count(name) for name in called} == dict.fromkeys(called, 1)


def is_own(module, name):
    return getattr(vars(module)[name], "__module__", "") == module.__name__


def test_notes_beside_a_program_name_its_lines():
    """A note says `start()` of lines in which that stands."""
    noted = 0
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        for program, notes in re.findall(
            r'<div class="beside".*?programs/(\S+)\n(.*?)\n</div>\n</div>', text, re.DOTALL
        ):
            lines = (EXAMPLES / program).read_text(encoding="utf-8").splitlines()
            for first, last, called in re.findall(
                r"\*\*Lines? (\d+)(?: (?:to|and) (\d+))?\*\*[^`\n*]*`(\w+)\(\)`", notes
            ):
                told = lines[int(first) - 1 : int(last or first)]
                assert any(f"{called}(" in line for line in told), f"{source}: line {first}"
                noted += 1
    assert noted >= 5


def test_every_block_is_a_block(pages):
    """A fence that Markdown does not see ends up as words within a line."""
    for name, page in pages.items():
        assert not re.search(r"<code>(run exec|console \$|diff ---|python \")", page.text), (
            name
        )
        assert "--8<--" not in page.text and "#!figure" not in page.text, name


def test_no_path_of_the_machine(pages, project):
    paths = (str(project), str(ROOT), sys.prefix, sys.base_prefix, str(Path.home()) + "/")
    for name, page in pages.items():
        assert not [path for path in paths if path in page.text], name


def test_no_outside_request(pages, project):
    for name, page in pages.items():
        assert page.loads and not [url for url in page.loads if urlsplit(url).netloc], name
    for style in (project / "site").rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", style.read_text(encoding="utf-8"))


def test_the_text_comes_first(pages):
    """A page waits for three style sheets, and for no script of the theme."""
    for name, page in pages.items():
        assert page.text.count('rel="stylesheet"') == 3, name
        script = re.findall(r"<script [^>]*src=[^>]*>", page.text)[-1]
        assert "/bundle." in script and " defer " in script, name


def test_a_quick_build_says_so(pages):
    for name, page in pages.items():
        assert "Quick build, for writing" in page.text, name


@pytest.mark.skipif("CI" not in os.environ, reason="it takes long, and rarely fails alone")
def test_zensical_builds_the_same_pages(project, pages, tmp_path):
    """The successor of MkDocs and Material reads the same mkdocs.yml."""

    def text(page):
        article = re.search(r"<article.*?</article>", page, re.DOTALL)[0]
        article = re.sub(
            r"<svg[^\n]*</svg>|<(style|script).*?</\1>", "", article, flags=re.DOTALL
        )
        article = re.sub(r"</?span.*?>", "", article)  # hooks.py does with fewer of them
        return " ".join(html.unescape(re.sub(r"<.*?>", " ", article)).split())

    copy = whole_project(tmp_path)
    for command in (["-m", "zensical", "build"], ["downloads.py", "site"]):
        environment = os.environ | {"QUICK": "1"}
        subprocess.run([sys.executable, *command], cwd=copy, env=environment, check=True)
    for name, page in pages.items():
        built = (copy / "site" / name).read_text(encoding="utf-8")
        assert text(built) == text(page.text), name
    for name in ("programs/programs.zip", "programs/queue_totals.py", "llms-full.txt"):
        assert (copy / "site" / name).read_bytes() == (project / "site" / name).read_bytes(), (
            name
        )
