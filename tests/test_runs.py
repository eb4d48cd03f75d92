"""`runs.toml`: read whole, or refused in one line that names the file and the run."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from recorder.recording import Line
from render.runs import EXAMPLES, ROOT, Outcome, PageError, Run, read_runs
from render.site import page_that_shows
from tests.recordings import recording


def test_every_program_that_is_run_is_there_and_every_program_is_run():
    run = {one.program for one in read_runs().values()}
    there = {file.relative_to(EXAMPLES).as_posix() for file in EXAMPLES.rglob("[!_]*.py")}
    assert run == there


def test_every_run_stands_on_a_page():
    pages = {page: page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md")}
    assert [name for name in read_runs() if not page_that_shows(name, pages)] == []


def test_every_hang_that_is_expected_says_where():
    """Else any hang would do."""
    for name, run in read_runs().items():
        assert all(one.contains for one in run.outcomes if one.hangs), name


def test_the_recorder_knows_whether_the_time_of_a_run_is_a_figure():
    run = Run("hello", "hello.py", timed=True)
    assert run.spec().timed and not replace(run, timed=False).spec().timed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'program = "hello.py"\nstatsu = 1',
            "examples/runs.toml: hello: unknown key 'statsu'",
        ),
        (
            'program = "hello.py"\nstatus = "1"',
            "examples/runs.toml: hello: status can't be '1'",
        ),
        ('program = "hello.py"\nstart_methods = "fork"', "start_methods can't be 'fork'"),
        ('program = "hello.py"\noutcomes = [{hang = true}]', "unknown key 'hang'"),
        ('program = "hello.py"\noutcomes = [{python = "new"}]', "Invalid specifier: 'new'"),
        ('program = "hello.py"\noutcomes = 1', "a run and each of its outcomes are tables"),
        ('program = "helo.py"', "hello: there is no program examples/helo.py"),
        ('program = "../secret.py"', "hello: there is no program examples/../secret.py"),
        (
            "status = 0",
            "hello: Run.__init__() missing 1 required positional argument: 'program'",
        ),
        ("program =", "examples/runs.toml: Invalid value"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, text, message):
    examples = tmp_path / "examples"
    examples.mkdir()
    (tmp_path / "secret.py").write_text("")
    (examples / "hello.py").write_text("print('hello')\n")
    (examples / "runs.toml").write_text(f"[hello]\n{text}\n")
    with pytest.raises(PageError) as error:
        read_runs(examples / "runs.toml")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_outcome_may_differ_by_start_method_and_by_python():
    old, new = Outcome(hangs=True, python="<3"), Outcome(status=1, python=">=3.11")
    other = Outcome(contains="fine", start_methods=("fork",), fault=False)
    run = Run("x", "x.py", start_methods=("fork", "spawn"), outcomes=(old, new, other))
    assert run.expected("spawn") == [new]
    assert run.expected("fork") == [new, other]
    run.check(recording(status=1), "spawn")
    run.check(recording(lines=(Line(0.1, "fine"),)), "fork")
    with pytest.raises(PageError, match="expected exit status 1, got 0"):
        run.check(recording(lines=(Line(0.1, "fine"),)), "spawn")


HANG = {"status": None, "ended": "hang", "evidence": "kernel"}


@pytest.mark.parametrize(
    ("expected", "came", "message"),
    [
        ({}, {"status": 3}, "expected exit status 0, got 3"),
        ({}, HANG, "expected an end, got: it hung"),
        ({"hangs": True}, {}, "expected that it hangs, got: it ended"),
        (
            {"hangs": True},
            {"status": None, "ended": "timeout"},
            "expected that it hangs, got: it ran to its timeout",
        ),
        (
            {"total": 1000},
            {"lines": (Line(0, "Total: 999"),)},
            "expected Total: 1,000, got Total: 999",
        ),
        ({"contains": "yes"}, {"lines": (Line(0, "no"),)}, "expected 'yes', got none of it"),
        ({"lacks": "no"}, {"lines": (Line(0, "no"),)}, "expected no 'no'"),
        ({}, {"left_behind": 2}, "expected no process left behind, got 2"),
        ({}, {"dropped": 5000}, "printed 5,000 bytes more than are kept"),
    ],
)
def test_a_run_that_comes_out_otherwise_is_refused(expected, came, message):
    run = Run("x", "x.py", outcomes=(Outcome(**expected),))
    with pytest.raises(PageError) as error:
        run.check(recording(**came))
    assert message in str(error.value)
    right = {"status": 0, "lines": (Line(0, "yes"), Line(0, "Total: 1,000"))}
    if run.outcomes[0].hangs:
        right = HANG
    run.check(replace(recording(), **right))


ASKS_FOR_QUICK = """
import importlib, os
from mkdocs.config import load_config
from render import interpreters
for value in ("", "0", "no", "true"):
    os.environ["QUICK"] = value
    print(repr(value), importlib.reload(interpreters).QUICK, bool(load_config("mkdocs.yml").extra["quick"]))
"""


def test_quick_means_the_same_for_the_work_and_for_the_banner():
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-c", ASKS_FOR_QUICK]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-4:] == [
        "'' False False",
        "'0' False False",
        "'no' False False",
        "'true' True True",
    ]
