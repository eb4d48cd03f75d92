"""Every broken program fails as `runs.toml` says, every fixed one ends well, and neither passes for the other."""

import ast
import dataclasses
import re
import subprocess
import sys

import pytest
from bs4 import BeautifulSoup

from recorder import store
from recorder.machine import interpreter
from recorder.recording import Frame, Line, Thread
from recorder.watch import watch
from render import blocks
from render.blocks import fix
from render.build import build
from render.runs import EXAMPLES, ROOT, PageError, fits_version, read_runs
from render.site import (
    broken_runs,
    faults_list,
    page_fields,
    pages_of,
    symptoms_list,
    words_on_screen,
)
from tests.harness import IN_CI, PYTHON, START_METHODS, with_each
from tests.recordings import recording
from tests.test_story import assert_story

HERE = interpreter(PYTHON)
ALL = {name: run for name, run in read_runs().items() if not run.traced}
RUNS = {name: run for name, run in ALL.items() if run.program.startswith("faults/")}
FIXED = [name for name in RUNS if name.endswith("_fixed")]
OTHERS = [
    (name, spec.start_method)
    for name, run in RUNS.items()
    if name not in FIXED
    for spec in run.specs_on(HERE)
]
ELSEWHERE = [  # programs of other pages that are meant to hang or to fail
    (name, spec.start_method)
    for name, run in ALL.items()
    if name not in RUNS and any(outcome.hangs or outcome.status for outcome in run.outcomes)
    if fits_version(HERE, run.needs)
    for spec in run.specs_on(HERE)
]

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the faults are those of POSIX"
)


def record(run, start_method):
    """Watch the run now; outside of CI what a build has recorded will do."""
    spec = run.spec(start_method, HERE)
    same = [spec, run.spec("", HERE)] if start_method == HERE.start_methods[0] else [spec]
    kept = () if IN_CI else filter(None, (store.load(one.file()) for one in same))
    return next(iter(kept), None) or watch(
        spec.program,
        spec.arguments,
        beside=spec.beside,
        name=spec.name,
        timeout=spec.timeout,
        hangs=spec.hangs,
        start_method=spec.start_method,
        python=spec.python,
    )


def faults_of(name, start_method):
    """What the broken program of a pair shows under a start method, if it fails there."""
    return [o for o in RUNS[name].expected(start_method, HERE.name) if o.fault]


@pytest.mark.parametrize(("name", "start_method"), OTHERS)
def test_the_broken_one_fails_as_expected(name, start_method):
    run = RUNS[name]
    seen = record(run, start_method)
    run.check(seen, start_method)
    if seen.hung:
        assert_story(name, seen)
    fixed = name.replace("_broken", "_fixed")
    failed = any(not list(one.differences(seen)) for one in faults_of(name, start_method))
    if fixed != name and failed:
        with pytest.raises(PageError):  # else what is expected of the fixed one says nothing
            RUNS[fixed].check(seen, start_method)


@pytest.mark.parametrize(("name", "start_method"), ELSEWHERE)
def test_the_broken_ones_of_other_pages_fail_as_expected(name, start_method):
    seen = record(ALL[name], start_method)
    ALL[name].check(seen, start_method)
    if seen.hung:
        assert_story(name, seen)


# A Pool forks its next worker from a thread while this program prints: now and then it hangs.
NEVER_FORKED = ("max_tasks_fixed", "fork")


def fixed_ones():
    """Each fixed program with each start method in CI, elsewhere with one under which the broken one fails."""
    for name, method in with_each(FIXED):
        broken = name.replace("_fixed", "_broken")
        failing = [one for one in START_METHODS if faults_of(broken, one)]
        method = method if IN_CI or not failing else failing[0]
        yield name, "spawn" if (name, method) == NEVER_FORKED else method


@pytest.mark.parametrize(("name", "start_method"), dict.fromkeys(fixed_ones()))
def test_the_fixed_one_ends_well(name, start_method):
    run = RUNS[name]
    seen = record(run, start_method)
    run.check(seen, start_method)
    for outcome in faults_of(name.replace("_fixed", "_broken"), start_method):
        assert list(outcome.differences(seen)), "the broken one may do the same"


def test_every_program_is_run_and_named_after_its_page():
    programs = {f"faults/{file.name}" for file in (EXAMPLES / "faults").glob("[!_]*.py")}
    assert programs == {run.program for run in RUNS.values()}
    for name, run in RUNS.items():
        assert run.program == f"faults/{name}.py"


GROUPS = re.findall(
    r"^## (.+)$", (ROOT / "docs/faults/index.md").read_text(encoding="utf-8"), re.MULTILINE
)


def test_every_page_is_in_a_group_and_states_its_symptom_and_its_rule():
    pages = {
        file
        for file in (ROOT / "docs/faults").glob("*.md")
        if re.search(r'"\w+_broken"', file.read_text(encoding="utf-8"))
    }
    grouped = [page for group in GROUPS for page in pages_of(group)]
    assert len(pages) > 10
    assert len(GROUPS) == 4 and len(grouped) == len(pages) and set(grouped) == pages
    for label in ("You see", "Because", "Do"):
        assert [page for page, _, _ in page_fields(grouped, label)] == grouped
    for page in grouped:
        assert any(run.failing_start_methods() for run in broken_runs(page)), page
        related = page.read_text(encoding="utf-8").splitlines()[-1]
        assert re.fullmatch(r"Related: \[.+\]\(\S+\.md[\w#-]*\)", related), page


def test_the_groups_have_the_same_order_everywhere():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    places = [navigation.index(f"- {group}:\n") for group in GROUPS]
    assert places == sorted(places)
    rules = (ROOT / "docs/faults/rules.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", rules, re.MULTILINE) == GROUPS


def requested_fixes():
    """The patches that the pages ask for: the name of the fault, and what of it."""
    for page in sorted((ROOT / "docs/faults").glob("*.md")):
        for request in re.findall(r"^ *fix\((.+)\)$", page.read_text("utf-8"), re.MULTILINE):
            yield re.findall(r'"(.+?)"', request)


@pytest.mark.parametrize("request_", list(requested_fixes()), ids=" ".join)
def test_each_fix_is_a_patch(request_, tmp_path):
    name, *parts = request_
    block = BeautifulSoup(fix(name, *parts), "html.parser").find("code").get_text()
    patched = tmp_path / f"{name}_broken.py"
    broken = (EXAMPLES / f"faults/{name}_broken.py").read_text(encoding="utf-8")
    patched.write_text(broken, encoding="utf-8")
    subprocess.run(
        ["patch", "--batch", patched.name], cwd=tmp_path, input=block, text=True, check=True
    )
    fixed = (EXAMPLES / f"faults/{name}_fixed.py").read_text(encoding="utf-8")
    now = patched.read_text(encoding="utf-8")
    assert now != broken
    bodies = [ast.unparse(ast.parse(text).body[1:]) for text in (now, fixed)]
    assert (bodies[0] == bodies[1]) == (not parts)


def test_a_part_of_a_fix_that_is_not_there():
    with pytest.raises(PageError, match="nothing changes in elsewhere"):
        fix("ctrl_c", "work", "elsewhere")


def test_of_a_program_a_part_is_shown_with_one_line_of_its_docstring():
    def shown(*part):
        return BeautifulSoup(blocks.source_of("pipe_totals.py", *part), "html.parser").text

    whole, loop = shown("main"), shown("while waiting")
    assert 'as it comes out of its pipe."""\n    print(' in whole and "Args:" not in whole
    assert loop.startswith("while waiting:\n    ready = ") and "finally" not in loop
    with pytest.raises(PageError, match="no part named while sleeping"):
        shown("while sleeping")


def test_a_fault_that_raises_shows_no_hang(monkeypatch):
    """What hangs in one release of Python raises in another: the same page shows either."""
    monkeypatch.setattr(blocks, "recording_of", lambda *_: recording(status=1))
    assert blocks.stuck("large_argument_broken") == ""


def test_the_line_that_says_how_a_run_ended():
    notes = ("PicklingError: no", "when serializing a dict", "when serializing an object", "")
    run = recording(status=1, lines=tuple(Line(0.5, text) for text in notes))
    assert blocks.verdict(run) == "exit code 1: <samp>PicklingError</samp>"
    warning = ("x.py:9: UserWarning: resource_tracker: a block", "  warnings.warn('a block')")
    run = recording(status=1, lines=tuple(Line(0.5, one) for one in ("OSError: no", *warning)))
    assert blocks.verdict(run) == "exit code 1: <samp>OSError</samp>"
    assert blocks.verdict(run, fixed=True) == "ends: <samp>OSError</samp>"
    assert blocks.verdict(recording(ended="hang")) == "hangs for ever"


def test_what_is_the_same_under_each_start_method_is_said_once(monkeypatch):
    last = {"fork": "OSError: '/psm_ab12' in 0.5 s", "spawn": "OSError: '/psm_9c' in 1.25 s"}

    def said(**lines):
        runs = [
            recording(status=1, start_method=method, lines=(Line(0.5, text),))
            for method, text in lines.items()
        ]
        monkeypatch.setattr(build, "recordings", lambda name: runs)
        return BeautifulSoup(blocks.start_method_table("x"), "html.parser")

    told = "it ends with exit code 1, and its last line is OSError: '/psm_ab12' in 0.5 s."
    assert said(**last).p.get_text() == f"The same under fork and spawn: {told}"
    assert not said(fork="Process ID: 12", spawn="Process ID: 7").table
    assert said(fork="the process ended", spawn="the process died").table
    assert said(fork=last["fork"]).p.get_text() == f"Under fork: {told}"
    differing = said(**last, forkserver="OSError: 24")
    assert [row.td.get_text() for row in differing.select("tbody tr")] == [*START_METHODS]


def test_a_pair_that_ends_alike_counts_its_lines(monkeypatch):
    runs = {
        "x_broken": recording(),
        "x_fixed": recording(lines=(Line(0.4, "first"), Line(0.5, "hello"))),
    }
    monkeypatch.setattr(blocks, "recording_of", runs.get)
    text = BeautifulSoup(blocks.pair("x"), "html.parser")
    assert [one.get_text() for one in text.select("strong")] == [
        "lines printed: 1",
        "lines printed: 2",
    ]


def test_the_words_on_a_screen():
    lines = ("RuntimeError: ", "  an attempt", "  of two lines.", "queue.Empty", "the end")
    run = recording(status=1, lines=tuple(Line(0.5, text) for text in lines))
    words = ["<code>RuntimeError: an attempt of two lines.</code>", "<code>queue.Empty</code>"]
    assert words_on_screen(run) == words
    assert words_on_screen(recording(lines=(Line(0.5, "the end"),))) == []
    main = Thread(10, frames=(Frame("<python>/q.py", 103, "get"), Frame("x.py", 3, "main")))
    parent = dataclasses.replace(recording().processes[0], threads=(main,))
    hung = recording(ended="hang", lines=(), processes=(parent,))
    assert words_on_screen(hung) == ["The parent hangs in <code>get()</code>."]


@pytest.fixture
def symptoms_of(monkeypatch):
    """The list of symptoms of one page, when its broken programs had some recordings."""

    def listed(page, *recordings):
        monkeypatch.setattr("render.site.pages_of", lambda _: [page])
        monkeypatch.setattr(build, "recordings", lambda _: recordings)
        return BeautifulSoup(symptoms_list(""), "html.parser")

    return listed


VANISHES = ROOT / "docs/faults/shared-memory-vanishes.md"


def test_the_list_of_symptoms_says_once_what_differs_in_figures_only(symptoms_of):
    printed = {
        "fork": ("FileNotFoundError: '/psm_ab12'", "OSError: 24"),
        "spawn": ("FileNotFoundError: '/psm_9c'", "OSError: none"),
    }
    runs = [
        recording(
            status=1, start_method=method, lines=tuple(Line(0.5, text) for text in lines)
        )
        for method, lines in printed.items()
    ]
    listed = symptoms_of(VANISHES, *runs)
    said = [code.get_text() for code in listed.select("li > code")]
    assert said == ["FileNotFoundError: '/psm_ab12'", "OSError: 24", "OSError: none"]
    assert "only fork, spawn" in listed.li.small.get_text()
    assert (
        "clean up at shutdown" in listed.li["data-words"]
    )  # what its page says that one sees


def test_where_no_error_is_printed_the_symptom_stands_in_the_list(symptoms_of):
    printed = recording(start_method="fork", lines=(Line(0.5, "Sum: 3"),))
    listed = symptoms_of(VANISHES, printed)
    _, _, symptom = next(page_fields([VANISHES], "You see"))
    said = BeautifulSoup(symptom, "html.parser").get_text()
    assert [item.get_text().startswith(said) for item in listed.select("li")] == [True]


def test_an_error_that_a_page_names_stands_in_the_list_though_no_run_printed_it(symptoms_of):
    printed = recording(start_method="fork", lines=(Line(0.5, "EOFError: x"),))
    listed = symptoms_of(ROOT / "docs/faults/dead-worker.md", printed)
    said = [code.get_text() for code in listed.select("li > code")]
    assert said == ["EOFError: x", "ConnectionResetError", "BrokenPipeError"]


def test_the_list_of_faults_says_where_a_fault_is_not_everywhere():
    listed = BeautifulSoup(faults_list("It raises"), "html.parser")
    guard = listed.find("a", href="no-main-guard.html").find_parent("li")
    assert guard.a.get_text().startswith("RuntimeError: An attempt has been made to start")
    assert guard.span.get_text() == "only spawn, forkserver"
    assert not listed.find("a", href="shared-pipe-end.html").find_parent("li").span
    with pytest.raises(PageError, match="no group It sings"):
        faults_list("It sings")
