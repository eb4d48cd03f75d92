"""The search of the built site: what people type finds the page that they want."""

import functools
import json
import multiprocessing
import re
import string
import subprocess
from pathlib import Path

import playwright
import pytest
from bs4 import BeautifulSoup
from bs4.filter import SoupStrainer

from render.runs import ROOT

NODE = Path(playwright.__file__).parent / "driver/node"  # Playwright brings its own
LINES = (ROOT / "tests/queries.tsv").read_text(encoding="utf-8").splitlines()
QUERIES = [line.split("\t") for line in LINES if not line.startswith("#")]


@pytest.fixture(scope="module")
def ask(project):
    """Asks the site's own search worker for the pages that it finds, best first."""

    command = [str(NODE), str(ROOT / "tests/search.mjs"), str(project / "site")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as node:

        def ask_all(queries):
            print(json.dumps(queries), file=node.stdin, flush=True)
            return json.loads(node.stdout.readline())

        yield ask_all


def place(found, wanted):
    """At which place the first wanted page stands; far behind when it is not there."""
    pages = [url.partition("#")[0] for url in found]
    return next((at for at, page in enumerate(pages, 1) if re.search(wanted, page)), 99)


def test_a_query_finds_the_wanted_page(ask):
    answers = ask([query for query, *_ in QUERIES])
    missed = {
        f"{query}: {found[:3]}": place(found, wanted)
        for (query, wanted, *unwritten), found in zip(QUERIES, answers, strict=True)
        if not unwritten and place(found, wanted) > 1
    }
    assert len(QUERIES) > 100
    assert all(at <= 3 for at in missed.values()), missed
    assert len(missed) <= len(QUERIES) // 10, missed


def test_what_has_no_page_yet_is_said_to_have_none(ask):
    unwritten = [(query, wanted) for query, wanted, *rest in QUERIES if rest]
    for (query, wanted), found in zip(unwritten, ask([q for q, _ in unwritten]), strict=True):
        assert place(found, wanted) == 99, f"{query}: take `not yet` away"


@functools.cache
def you_see(site):
    """What the boxes of the fault pages say is on the screen, literally: the fault, and the words."""
    found, answer = [], SoupStrainer(class_="answer")
    for page in sorted((site / "faults").glob("*.html")):
        box = BeautifulSoup(page.read_text("utf-8"), "html.parser", parse_only=answer)
        label = box.find("dt", string="You see")
        for code in label.find_next("dd").find_all("code") if label else ():
            said = code.get_text()
            if len(said) >= 9 and said not in multiprocessing.get_all_start_methods():
                found.append((page.stem, said))
    return found


def test_what_the_faults_say_one_sees_finds_them(ask, project):
    said = you_see(project / "site")
    assert len(said) > 30
    missed = {}
    for (_, words), found in zip(said, ask([words for _, words in said]), strict=True):
        faults = [page for page, others in said if others.startswith(words[:15])]
        if (at := place(found, "|".join(faults))) > 1:
            missed[words] = (at, found[:3])
    assert all(at <= 3 for at, _ in missed.values()), missed
    assert len(missed) <= len(said) // 10, missed


def test_the_search_answers_whatever_is_typed(ask):
    """What means something to lunr, and the beginnings at which it fails: its set of words takes
    `1` to 23 and `12` to 3 for the same, so it knows words that are nowhere."""
    signs = [f"{sign}EOFError{sign} {sign}" for sign in string.punctuation if sign != "_"]
    digits = [str(number) for number in range(120)]
    lines = [
        "Process Process-1:",
        "x:y",
        "a^b foo~bar",
        "queue " * 500,
        "a" * 3000,
        "💥 Größe",
    ]
    answers = ask([*string.printable, *digits, "-9", *lines, *signs])
    assert all(isinstance(found, list) for found in answers), answers
    for sign, found in zip(signs, answers[-len(signs) :], strict=True):
        assert place(found, "dead-worker") <= 3, f"{sign}: {found}"


def test_of_a_traceback_the_errors_are_asked_for(ask):
    frames = 'Traceback (most recent call last):   File "/usr/lib/python3/multiprocessing/queues.py",'
    frames += " line 244, in _feed     obj = _ForkingPickler.dumps(obj)   File "
    frames += '"/usr/lib/python3/multiprocessing/process.py", line 51, in dumps     self.run()'
    errors = {
        "AssertionError: daemonic processes are not allowed to have children": "daemon-children",
        "OSError: [Errno 24] Too many open files": "open-files",
        "KeyboardInterrupt": "ctrl-c",
    }
    answers = ask([f"Process SpawnProcess-3: {frames} {error}" for error in errors])
    for (error, wanted), found in zip(errors.items(), answers, strict=True):
        assert place(found, wanted) == 1, f"{error}: {found[:3]}"


def test_no_program_and_no_stack_is_in_the_index(project):
    index = json.loads((project / "site/search/search_index.json").read_text(encoding="utf-8"))
    for section in index["docs"]:
        whole = "import argparse" in section["text"] and "ArgumentParser" in section["text"]
        assert not whole, section["location"]
        assert "Current thread 0x" not in section["text"], section["location"]
