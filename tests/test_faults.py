"""Every broken program fails as its page says, and every fixed one ends well."""

import sys

import pytest

from recorder import pages
from recorder.store import EXAMPLES
from recorder.watch import watch
from tests.harness import START_METHODS

RUNS = [run for _, run, _ in pages.planned() if run.program.startswith("faults/")]
BROKEN = [run for run in RUNS if not run.program.endswith("_fixed.py")]
FIXED = [run for run in RUNS if run.program.endswith("_fixed.py")]

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the faults are those of POSIX"
)


def named(run):
    return f"{run.program[7:-3]} {run.arguments}".rstrip()


def check(run, method=None):
    """Run it as its page does, on the Python of the tests, and compare."""
    arguments = run.request.arguments
    if method:
        arguments = ("--start-method", method)
    run.check(
        watch(EXAMPLES / run.program, arguments, hangs=run.hangs, bound=run.request.bound)
    )


@pytest.mark.parametrize("run", dict.fromkeys(BROKEN), ids=named)
def test_the_broken_one_fails_as_the_page_says(run):
    check(run)


@pytest.mark.parametrize("method", START_METHODS)
@pytest.mark.parametrize("run", dict.fromkeys(FIXED), ids=named)
def test_the_fixed_one_ends_well(run, method):
    check(run, method)


def test_every_program_stands_on_a_page():
    programs = {f"faults/{file.name}" for file in (EXAMPLES / "faults").glob("*.py")}
    assert programs - {"faults/__init__.py"} == {run.program for run in RUNS}


def test_every_page_states_its_symptom_and_its_rule():
    asked = {page for page, run, _ in pages.planned() if run.program.startswith("faults/")}
    for label in ("What you see", "Rule"):
        stated = {f"docs/faults/{page.name}" for page, _, _ in pages.sayings("faults", label)}
        assert stated == {page for page in asked if page.startswith("docs/faults/")}
    for page, _, _ in pages.sayings("faults", "Rule"):
        assert pages.bites(page), page
