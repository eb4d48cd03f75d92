"""The site as it is built, and builds that must fail."""

import html
import html.parser
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import psutil
import pytest

from recorder.store import EXAMPLES, ROOT
from recorder.watch import RUN_ID_VARIABLE, is_alive
from tests.conftest import build
from tests.harness import wait_until

SHOWN = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)
FIGURE = re.compile(r"\d[\d,.]*\s?(?:s|ms|µs|KiB|MiB|GiB|kB|MB|GB|times|%)\b")


class Page(html.parser.HTMLParser):
    """One page: its ids, its links, what it loads, its code blocks, and its prose."""

    def __init__(self, file):
        super().__init__()
        self.file, self.text = file, file.read_text(encoding="utf-8")
        self.ids, self.links, self.loads, self.codes = set(), [], [], []
        self.prose, self.open = "", []
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.ids.update(filter(None, (named.get("id"), named.get("name"))))
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        if tag in ("script", "img", "iframe", "source") and named.get("src"):
            self.loads.append(named["src"])
        if tag == "link" and named.get("rel") not in (
            "canonical",
            "next",
            "prev",
            "alternate",
        ):
            self.loads.append(named["href"])
        if tag == "pre":
            self.codes.append("")
        if tag not in ("meta", "link", "img", "br", "hr", "input", "path", "source", "col"):
            self.open.append((tag, named.get("class") or ""))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tags = [tag for tag, _ in self.open]
        if "pre" in tags:
            self.codes[-1] += data
        elif "article" in tags and not {"code", "data", "q", "svg", "script", "style"} & set(
            tags
        ):
            self.prose += data
        elif "article" in tags:
            self.prose += " | "


@pytest.fixture(scope="session")
def pages(project):
    files = sorted((project / "site").rglob("*.html"))
    return {file.relative_to(project / "site").as_posix(): Page(file) for file in files}


@pytest.fixture
def copy(project, tmp_path):
    """A copy of the built project, for a build that is to fail."""
    return Path(shutil.copytree(project, tmp_path / "project"))


def test_a_build_says_what_it_did(built):
    _, printed = built
    assert re.search(r"^\[\d+/\d+\] python queue_totals.py --count 1000000 ", printed, re.M)
    said = r"The site is in site/\. It took [\d.]+ s, of which the programs ran for [\d.]+ s"
    assert re.search(said, printed)


def test_every_page_is_there(pages):
    docs = ROOT / "docs"
    sources = {
        file.relative_to(docs).with_suffix(".html").as_posix() for file in docs.rglob("*.md")
    }
    assert set(pages) == sources | {"404.html"}


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
            path = unquote(target.path).lstrip("/")
            path += "index.html" if path.endswith("/") or not path else ""
            if path not in pages:
                assert (pages["index.html"].file.parent / path).is_file(), f"{name}: {link}"
            elif target.fragment:
                assert unquote(target.fragment) in pages[path].ids, f"{name}: {link}"


def test_each_shown_program_is_the_file(pages, project):
    shown = 0
    for source in (project / "docs").rglob("*.md"):
        for program in SHOWN.findall(source.read_text(encoding="utf-8")):
            file = EXAMPLES / program
            name = source.relative_to(project / "docs").with_suffix("").as_posix()
            assert file.read_text(encoding="utf-8") in pages[f"{name}.html"].codes
            shown += 1
    assert shown >= 2


def test_each_total_stands_on_its_page(pages):
    for name in ("queue", "pipe"):
        page = pages[f"{name}.html"]
        assert any(code.endswith("\nTotal: 5,000,000\n") for code in page.codes)
        assert "$ python " in "".join(page.codes)
    assert pages["index.html"].text.count(">5,000,000<") == 2


def test_every_figure_is_from_a_recording(pages):
    """A figure with a unit stands in output, in `<data>`, or in a quotation with its source."""
    for name, page in pages.items():
        if not name.startswith(("reference", "recorder")):
            assert not FIGURE.findall(page.prose), name
    assert FIGURE.search("took 3.42 s") and FIGURE.search("in 12 ms")


def test_every_block_is_a_block(pages):
    """A fence that Markdown does not see ends up as words within a line."""
    for name, page in pages.items():
        assert not re.search(
            r"<code>(console \$|diff ---|text Current|python \")", page.text
        ), name


def test_no_path_of_the_machine(pages, project):
    for name, page in pages.items():
        for path in (
            str(project),
            str(ROOT),
            sys.prefix,
            sys.base_prefix,
            str(Path.home()) + "/",
        ):
            assert path not in page.text, name


def test_no_outside_request(pages, project):
    for name, page in pages.items():
        assert page.loads and not [url for url in page.loads if urlsplit(url).netloc], name
    for style in (project / "site").rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", style.read_text(encoding="utf-8"))


def test_a_quick_build_says_so(pages):
    for name, page in pages.items():
        assert "Quick build, for writing" in page.text, name


def test_nothing_changed_runs_nothing(copy):
    building = build(copy)
    printed, _ = building.communicate()
    assert building.returncode == 0 and "] python " not in printed
    assert "of which the programs ran for 0.0 s" in printed


def test_one_program_changed_runs_only_that(copy):
    with (copy / "examples" / "pipe_totals.py").open("a") as file:
        file.write("# changed\n")
    building = build(copy)
    printed, _ = building.communicate()
    assert building.returncode == 0
    assert re.findall(r"^\[.+\] python (\S+) .* s$", printed, re.MULTILINE) == [
        "pipe_totals.py"
    ]


def edit(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def wrong_total(project):
    edit(project / "examples/queue_totals.py", "total += subtotal", "total += subtotal + 1")


def program_fails(project):
    edit(project / "examples/queue_totals.py", "total = 0", "sys.exit(0)")


def program_hangs(project):
    edit(project / "examples/queue_totals.py", "total = 0", "time.sleep(600)")
    for page in ("index", "queue", "queue-or-pipe", "beyond"):
        edit(
            project / f"docs/{page}.md",
            'run("queue_totals.py", ',
            'run("queue_totals.py", bound=2.0, ',
        )


def broken_link(project):
    edit(project / "docs/pipe.md", "queue.md#the-start", "queue.md#no-such-place")


def broken_block(project):
    edit(
        project / "docs/pipe.md",
        'part("pipe_totals.py", "start")',
        'part("pipe_totals.py", "x")',
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            wrong_total,
            r"docs/beyond.md and docs/index.md and docs/queue-or-pipe.md and docs/queue.md: "
            r"python queue_totals.py --count 1000000: expected Total: 5,000,000, got Total: 5,000,005",
        ),
        (program_fails, r"expected Total: 5,000,000, got Parent process ID: "),
        (program_hangs, r"expected an end, got it hung"),
        (broken_link, r"no-such-place"),
        (broken_block, r"has no part named x"),
    ],
)
def test_a_build_that_fails_keeps_the_old_site(copy, change, message):
    before = (copy / "site/index.html").stat()
    change(copy)
    building = build(copy)
    printed, _ = building.communicate()
    assert building.returncode != 0
    assert re.search(message, printed), printed
    assert (copy / "site/index.html").stat() == before
    assert not list(copy.glob(".site-*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing(copy, number):
    before = (copy / "site/index.html").stat()
    edit(copy / "docs/queue.md", "--count 1000000", "--count 1000000000000")
    building = build(copy, start_new_session=True)

    def workers():
        found = psutil.Process(building.pid).children(recursive=True)
        return found if sum(process.cpu_times().user > 0.1 for process in found) >= 5 else None

    tree = wait_until(workers, "the workers count")
    assert all(RUN_ID_VARIABLE in process.environ() for process in tree)
    building.send_signal(number)
    building.communicate()
    assert building.returncode != 0
    wait_until(lambda: not any(map(alive, tree)), "nothing is left")
    assert (copy / "site/index.html").stat() == before
    assert not list(copy.glob(".site-*"))


def test_two_builds_at_once(copy):
    for recording in (copy / ".recordings").glob("*_total*"):
        recording.unlink()
    builds = [build(copy), build(copy)]
    printed = [building.communicate()[0] for building in builds]
    assert [building.returncode for building in builds] == [0, 0], printed
    assert "Total: 5,000,000" in (copy / "site/queue.html").read_text(encoding="utf-8")


def test_zensical_builds_the_same_pages(copy, pages):
    """The successor of MkDocs and Material reads the same mkdocs.yml."""

    def text(page):
        article = re.search(r"<article.*?</article>", page, re.DOTALL)[0]
        article = re.sub(r"<(style|script|svg).*?</\1>", "", article, flags=re.DOTALL)
        article = re.sub(r"</?span.*?>", "", article)  # hooks.py does with fewer of them
        return " ".join(html.unescape(re.sub(r"<.*?>", " ", article)).split())

    shutil.rmtree(copy / "site")
    environment = os.environ | {"QUICK": "1"}
    for command in (["downloads.py"], ["-m", "zensical", "build"], ["downloads.py", "site"]):
        subprocess.run([sys.executable, *command], cwd=copy, env=environment, check=True)
    for name, page in pages.items():
        assert text((copy / "site" / name).read_text(encoding="utf-8")) == text(page.text), (
            name
        )
    built = pages["index.html"].file.parent
    for name in ("programs/programs.zip", "programs/queue_totals.py", "llms-full.txt"):
        assert (copy / "site" / name).read_bytes() == (built / name).read_bytes(), name
