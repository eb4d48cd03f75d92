"""Every broken program fails as `runs.toml` says, every fixed one ends well, and neither passes for the other."""

import re
import sys

import pytest

from recorder.watch import watch
from render.runs import EXAMPLES, ROOT, PageError, read_runs
from render.site import failing_start_methods, page_fields
from tests.harness import START_METHODS

RUNS = {name: run for name, run in read_runs().items() if run.program.startswith("faults/")}
FIXED = [name for name in RUNS if name.endswith("_fixed")]
OTHERS = [
    (name, spec.start_method)
    for name, run in RUNS.items()
    if name not in FIXED
    for spec in run.specs()
]

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the faults are those of POSIX"
)


def record(spec):
    """Watch the run now, on the Python of the tests."""
    return watch(
        spec.program,
        spec.arguments,
        beside=spec.beside,
        name=spec.name,
        timeout=spec.timeout,
        hangs=spec.hangs,
        start_method=spec.start_method,
    )


def faults_of(name, start_method):
    """What the broken program of a pair shows under a start method, if it fails there."""
    return [outcome for outcome in RUNS[name].expected(start_method) if outcome.fault]


@pytest.mark.parametrize(("name", "start_method"), OTHERS)
def test_the_broken_one_fails_as_expected(name, start_method):
    run = RUNS[name]
    recording = record(run.spec(start_method))
    run.check(recording, start_method)
    fixed = name.replace("_broken", "_fixed")
    if fixed != name and faults_of(name, start_method):
        with pytest.raises(PageError):  # else what is expected of the fixed one says nothing
            RUNS[fixed].check(recording, start_method)


@pytest.mark.parametrize("start_method", START_METHODS)
@pytest.mark.parametrize("name", FIXED)
def test_the_fixed_one_ends_well(name, start_method):
    run = RUNS[name]
    recording = record(run.spec(start_method))
    run.check(recording, start_method)
    for outcome in faults_of(name.replace("_fixed", "_broken"), start_method):
        assert list(outcome.differences(recording)), "the broken one may do the same"


def test_every_program_is_run_and_named_after_its_page():
    programs = {f"faults/{file.name}" for file in (EXAMPLES / "faults").glob("[!_]*.py")}
    assert programs == {run.program for run in RUNS.values()}
    for name, run in RUNS.items():
        assert run.program == f"faults/{name}.py"


def test_every_page_states_its_symptom_and_its_rule():
    pages = {
        file.name
        for file in (ROOT / "docs/faults").glob("*.md")
        if re.search(r'"\w+_broken"', file.read_text(encoding="utf-8"))
    }
    assert len(pages) > 10
    for label in ("You see", "Because", "Do"):
        assert {page.name for page, _, _ in page_fields("faults", label)} == pages
    for page, _, _ in page_fields("faults", "Do"):
        assert failing_start_methods(page), page
