"""The site as it is built."""

import html
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from render.requests import MODULES
from render.results import KINDS
from render.runs import EXAMPLES, ROOT, Run, read_runs
from render.site import navigation, walk
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


def test_every_page_is_there_and_of_the_examples_the_programs(pages, project):
    found = [file.name for file in (project / "site/programs").rglob("*.*")]
    assert [name for name in found if not name.endswith(".py")] == ["programs.zip"]
    assert "__init__.py" not in found
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


def test_every_program_stands_whole_on_a_page_or_has_a_reason():
    """The others measure, or differ from one that is shown by what a page shows of them."""
    shown = {one for file in SOURCES for one in INCLUDED.findall(file.read_text("utf-8"))}
    there = {file.relative_to(EXAMPLES).as_posix() for file in EXAMPLES.rglob("[!_]*.py")}
    assert there - shown == NOT_SHOWN and not shown - there


NOT_SHOWN = {
    *(f"channels/{name}.py" for name in ("batch", "old_answer", "peers", "reuse_buffer")),
    "channels/ring_throughput.py",
    "faults/pool_exception_cpu.py",
    "patterns/in_order.py",
    "questions/default_start_method.py",
    "recipes/work_queue_throughput.py",
    "serial_total.py",
}


def test_the_navigation_has_every_page_once(project):
    pages = [page for _, page in walk(navigation())]
    assert sorted(pages) == [file.relative_to(ROOT / "docs").as_posix() for file in SOURCES]
    listed = (project / "site/llms.txt").read_text(encoding="utf-8")
    assert re.findall(r"^- \[.+?\]\((\S+\.md)\): .{40}", listed, re.MULTILINE) == pages


def test_what_a_page_says_of_a_run_stands_beside_it():
    """A figure is of a run that its page shows; a time is of one beside which nothing else runs."""
    runs, figures = read_runs(), 0
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        shown = set(re.findall(r'"(\w+)"', "".join(BLOCK.findall(text))))
        shown |= {f"{name}_{side}" for name in shown for side in ("broken", "fixed")}
        shown |= {name for name, run in runs.items() if run.program in INCLUDED.findall(text)}
        requests = " ".join(re.findall(r"#!figure ([^`]+)`", text))
        for name, label in re.findall(r"\b(\w+)\.(\w+)", requests):
            if name in runs:
                assert name in shown | OF_OTHER_PAGES, f"{source}: {name}"
                assert runs[name].timed or label not in TIMES, f"{source}: {name}.{label}"
                figures += 1
    assert figures > 50
    assert all(runs[name].timed for name in KINDS)


OF_OTHER_PAGES = {"serial_total", "queue_totals"}  # which others are compared with
TIMES = {"wall", "cpu", "Elapsed", "beside"}


def test_each_view_gives_all_that_it_shows(pages):
    """Counted on the page: what a view is made of, for each time that it is asked for."""
    asked = 0
    for source in SOURCES:
        text, page = source.read_text(encoding="utf-8"), pages[page_of(source)].text
        calls = Counter(re.findall(r"^ *(\w+)\(", "".join(BLOCK.findall(text)), re.MULTILINE))
        for mark, views in MADE_OF.items():
            wanted = sum(calls[view] * times for view, times in views.items())
            found = page.count(mark) + page.count("Not run in this build: ")
            assert found >= wanted, f"{source}: {mark}"
            asked += wanted
        hangs = page.count('<strong class="broken">hangs for ever')
        stories = calls["happened"] + calls["variant"] and hangs
        assert page.count("<strong>Who waits for whom.</strong>") >= stories, source
    assert asked > 300


PICTURE = '<svg class="bp-picture"'
MADE_OF = {
    PICTURE: {"picture": 1, "pair": 2, "happened": 2, "variant": 2},
    '<p class="recorded">': {"show": 1, "caption": 1, "happened": 1},
    '<span class="gp">': {"console": 1, "show": 1, "happened": 2, "variant": 2, "results": 1},
    '<figure class="messages"': {"messages": 1},
    '<code class="said">': {"start_method_table": 1, "happened": 1},
}


def test_the_build_and_its_words_are_listed_whole(pages):
    listed = html.unescape(pages["this-build.html"].text)
    for run in filter(Run.specs, read_runs().values()):
        assert f"<code>{Path(run.program).name}" in listed, run.name
    assert "<td>Python</td><td>CPython 3." in listed
    terms = re.findall(r"^\*\[(.+?)(?:es|s)?\]:", (ROOT / "docs/terms.txt").read_text(), re.M)
    for term in terms:
        assert f"<dt>{term}" in pages["first-steps/glossary.html"].text, term


def test_no_output_is_pasted():
    for source in SOURCES:
        for language, text in FENCE.findall(source.read_text(encoding="utf-8")):
            assert language in ("run", "program", "python", "console"), f"{source}: {language}"
            commands = all(re.match(r" *\$ |$", line) for line in text.splitlines())
            assert language != "console" or commands, f"{source}: {text}"


FENCE = re.compile(r"^ *```(\S*).*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


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


def test_whatever_is_opened_in_an_article_is_ended(pages):
    """So no output is taken for elements: a stack has its `<module>`."""
    for name, page in pages.items():
        assert not page.unbalanced, f"{name}: {page.unbalanced[:2]}"
    assert any(" in <module>" in code for code in pages["faults/join-before-get.html"].codes)


def test_pages_ask_and_never_tell():
    """A block holds calls of views and nothing else: no import, no sentence, no expectation."""
    lines = 0
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        assert text.count("```run") == len(BLOCK.findall(text)), source
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
    """A note says `start()` of lines in which that stands, and no line that is lit lacks a note."""
    noted = 0
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        for program, lit, notes in BESIDE.findall(text):
            lines = (EXAMPLES / program).read_text(encoding="utf-8").splitlines()
            told = re.findall(r"\*\*[Ll]ines? (\d+)(?: (?:to|and) (\d+))?\*\*", notes)
            told = [line for a, b in told for line in lines[int(a) - 1 : int(b or a)]]
            for words in lit.splitlines():
                assert any(words in line for line in told), f"{source}: {words}"
            for first, last, called in re.findall(
                r"\*\*Lines? (\d+)(?: (?:to|and) (\d+))?\*\*[^`\n*]*`(\w+)\(\)`", notes
            ):
                told = lines[int(first) - 1 : int(last or first)]
                assert any(f"{called}(" in line for line in told), f"{source}: line {first}"
                noted += 1
    assert noted >= 5


BESIDE = re.compile(
    r'<div class="beside".*?programs/(\S+)\n(.*?)```\n(.*?)\n</div>\n</div>', re.DOTALL
)


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


def test_no_comment_is_loaded(project):
    style = (project / "site/style.css").read_text(encoding="utf-8")
    assert "/*" not in style and ".md-typeset" in style


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
