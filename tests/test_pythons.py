"""The Pythons of a machine are found, asked and run, and their pages say which and what."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from recorder import machine, store
from recorder.interpreter import describe
from recorder.machine import Interpreter, interpreter
from recorder.recording import Line
from recorder.watch import watch
from render import blocks, interpreters, pythons, runs
from render.runs import Outcome, PageError, Run
from tests.harness import EXAMPLES, wait_until
from tests.recordings import MACHINE, recording

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the recorder needs POSIX")
ROOT = EXAMPLES.parent


@pytest.fixture
def python(tmp_path):
    """Make a Python of another version: the one of the tests, but for what it says of itself."""

    def make(version, name="python", free_threaded=False, **said):
        folder = tmp_path / f"{version}{'t' * free_threaded}"
        folder.mkdir(exist_ok=True)
        said = describe() | {"version": version, "free_threaded": free_threaded} | said
        return script(
            folder / name,
            f"case \"$2\" in *interpreter.py) echo '{json.dumps(said)}';;\n"
            f'*) exec {sys.executable} "$@";; esac',
        )

    return make


def script(file, text):
    """Write a shell script; return its path."""
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


@pytest.fixture(autouse=True)
def afresh():
    """Ask each Python again: the tests make others at the same paths."""
    for asked in (interpreter, machine.this_machine, interpreters.find):
        asked.cache_clear()
    yield
    for asked in (interpreter, machine.this_machine, interpreters.find):
        asked.cache_clear()


def find(monkeypatch, *paths):
    """What is found of the Pythons that PYTHONS names, beside the one of the tests."""
    monkeypatch.setenv("PYTHONS", os.pathsep.join(paths))
    own, *others = interpreters.find()
    assert own.executable == sys.executable
    return [one.name for one in others]


def test_named_ones_are_found_the_newest_first_and_each_once(python, monkeypatch):
    paths = [python("4.1.2"), python("4.1.10"), python("4.0.0rc1"), python("3.10.9")]
    again = [python("4.1.2", name="again"), python("4.1.2", free_threaded=True)]
    found = find(monkeypatch, *paths, *again, python("4.2.0", implementation="PyPy"))
    assert sorted(found[1:3]) == ["CPython 4.1.2", "CPython 4.1.2 free-threaded"]
    assert (found[0], found[3:]) == ("CPython 4.1.10", ["CPython 4.0.0rc1"])


def test_no_python_is_named(monkeypatch):
    assert find(monkeypatch) == []


def test_a_quick_build_looks_for_no_other(python, monkeypatch):
    monkeypatch.setattr(interpreters, "QUICK", True)
    assert find(monkeypatch, python("4.1.2")) == []


def test_what_does_not_work_is_passed_over(python, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "ANSWERING", 3)
    waits = script(tmp_path / "waits", f"echo $$ > {tmp_path}/pid; sleep 1000 & wait")
    broken = [
        script(tmp_path / "fails", "exit 1"),
        script(tmp_path / "talks", "echo hello"),
        script(tmp_path / "is_half", "echo {"),
        script(tmp_path / "is_empty", "echo {}"),
        str(tmp_path / "is_not_there"),
        str(tmp_path),
        waits,
    ]
    assert find(monkeypatch, *broken, python("4.1.2")) == ["CPython 4.1.2"]
    group = int((tmp_path / "pid").read_text())
    alive = [pid for pid in psutil.pids() if group_of(pid) == group]
    wait_until(lambda: not [p for p in alive if group_of(p) == group], "its group has ended")


def group_of(pid):
    """The process group of a process; None: it has ended, or only waits to be reaped."""
    try:
        zombie = psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        return None if zombie else os.getpgid(pid)
    except (OSError, psutil.Error):
        return None


def test_installed_ones_are_found_by_their_names(python, tmp_path, monkeypatch):
    """One of each feature release, from the path, pyenv and uv; no shim, nothing too old."""
    home = tmp_path / "home"
    places = {
        "path": ["4.1.2", "4.1.3"],
        "home/.pyenv/versions/4.2.0/bin": ["4.2.0"],
        "home/.pyenv/shims": ["4.3.0"],
        "home/.local/share/uv/python/cpython-4.4.0-linux/bin": ["4.4.0"],
    }
    for place, versions in places.items():
        (tmp_path / place).mkdir(parents=True)
        for version in versions:
            name = f"python3.{80 + int(version[-1])}"
            (tmp_path / place / name).symlink_to(python(version, name=name))
    for name in ("python3.10", "python3.11-config", "python3"):
        script(tmp_path / "path" / name, "exit 1")
    monkeypatch.delenv("PYTHONS", raising=False)
    for name in ("PYENV_ROOT", "XDG_DATA_HOME", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    shims = home / ".pyenv/shims"
    monkeypatch.setenv("PATH", f"{shims}:{tmp_path}/path:{tmp_path}/path:/no/where:/bin")
    names = [Path(path).name for path in interpreters.installed() if str(tmp_path) in path]
    assert names == ["python3.82", "python3.83", "python3.80", "python3.80"]
    found = [one.version for one in interpreters.find() if one.version.startswith("4")]
    assert found == ["4.4.0", "4.2.0", "4.1.3"]


def test_the_recording_is_of_the_python_that_ran_it(python, tmp_path):
    other = python("4.1.2", free_threaded=True, start_methods=["sprout", "spawn"])
    program = tmp_path / "one.py"
    program.write_text("print('Total: 1')\n")
    spec = store.RunSpec(program, store=tmp_path / "store")
    elsewhere = replace(spec, python=other)
    assert spec.file() != elsewhere.file()
    kept = store.record(elsewhere)
    assert store.load(elsewhere.file()) == kept and store.load(spec.file()) is None
    assert kept.machine.python == "CPython 4.1.2 free-threaded"
    assert (kept.start_method, kept.output) == ("sprout", "Total: 1\n")


def test_the_folders_of_another_python_are_not_named(python, tmp_path):
    home = tmp_path / "another"
    library = {"library": f"{home}/lib", "packages": f"{home}/lib/packages"}
    other = python("4.1.2", prefixes=[str(home)] * 2, **library)
    program = tmp_path / "one.py"
    paths = (home, f"{home}/lib/x.py", f"{home}/lib/packages/y.py", other)
    program.write_text(f"print(*{[str(path) for path in paths]!r})\n")
    line = watch(program, python=other).lines[0].text
    assert line == "<python> <python>/x.py <python>/site-packages/y.py python"


def test_the_command_line_takes_a_python(python, tmp_path):
    other = python("4.1.2")
    program = tmp_path / "one.py"
    program.write_text("print('hello')\n")
    command = [sys.executable, "-m", "recorder", "run", "--json", "--python"]
    for name in ("python", f"{os.path.relpath(Path(other).parent, ROOT)}/python"):
        environment = os.environ | {"PATH": f"{Path(other).parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            [*command, name, str(program)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        ran = json.loads(done.stdout)
        assert ran["machine"]["python"] == "CPython 4.1.2"
        assert [line["text"] for line in ran["lines"]] == ["hello"]


def test_a_python_that_is_not_there_is_said(tmp_path):
    command = [sys.executable, "-m", "recorder", "run", "--python", "/no/where"]
    done = subprocess.run(
        [*command, str(EXAMPLES / "serial_total.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "No such file or directory: '/no/where'" in done.stderr


def a_python(version, free_threaded=False, methods=("fork", "spawn")):
    """A Python that is only named."""
    path = f"/pythons/{version}{'t' * free_threaded}"
    return Interpreter(path, "CPython", version, free_threaded, methods, "/l", "/p", ("/x",))


OWN, NEW, NEWER = a_python("3.11.7"), a_python("3.14.2"), a_python("3.15.0")
FREE = a_python("3.14.2", free_threaded=True)


@pytest.fixture
def found(monkeypatch):
    """Say which Pythons are here, the build's own first."""

    def say(*which, quick=False):
        for module in (runs, pythons):
            monkeypatch.setattr(module, "QUICK", quick)
        monkeypatch.setattr(runs, "interpreter", lambda: which[0])
        monkeypatch.setattr(interpreters, "find", lambda: which[:1] if quick else which)

    say(OWN, NEWER, FREE, NEW)
    return say


@pytest.mark.parametrize(
    ("keys", "versions"),
    [
        ({}, ["3.11.7"]),
        ({"pythons": ">=3.11"}, ["3.11.7", "3.15.0", "3.14.2", "3.14.2"]),
        ({"pythons": "<3.15"}, ["3.11.7", "3.14.2", "3.14.2"]),
        ({"needs": ">=3.14"}, ["3.15.0"]),
        ({"needs": ">=3.14", "pythons": "<3.15"}, ["3.15.0", "3.14.2", "3.14.2"]),
        ({"needs": ">=3.16", "pythons": ">=3.11"}, []),
    ],
)
def test_a_run_says_which_pythons_it_is_for(found, keys, versions):
    run = Run("x", "x.py", **keys)
    assert [one.version for one in run.interpreters()] == versions
    found(OWN, NEWER, FREE, NEW, quick=True)
    assert [one.version for one in run.interpreters()] == versions[
        : versions[:1] == ["3.11.7"]
    ]


def test_the_start_methods_are_those_of_each_python(found):
    found(OWN, a_python("3.15.0", methods=("spawn",)))
    run = Run("x", "x.py", pythons=">=3.11", start_methods=("fork", "spawn", "forkserver"))
    specs = run.specs(everywhere=True)
    ran = [(spec.python[-6:], spec.start_method) for spec in specs]
    assert ran == [("3.11.7", "fork"), ("3.11.7", "spawn"), ("3.15.0", "spawn")]
    assert run.specs() == specs[:2]
    assert specs[0].arguments == ("--start-method", "fork")


def test_an_outcome_may_be_that_of_some_pythons():
    older, newer = Outcome(status=1, python="<3.14"), Outcome(python=">=3.14")
    run = Run("x", "x.py", outcomes=(older, newer))
    assert run.expected("", "CPython 3.13.1") == [older]
    assert run.expected("", "CPython 3.14.0 free-threaded") == [newer]
    run.check(on("3.13.1", status=1))
    with pytest.raises(PageError, match="expected exit status 0, got 1"):
        run.check(on("3.14.1 free-threaded", status=1))


def on(python, start_method="fork", *lines, **changes):
    """A recording of a run on a Python."""
    changes |= {"lines": tuple(Line(0.1, line) for line in lines)}
    here = replace(MACHINE, python=f"CPython {python}")
    return recording(machine=here, start_method=start_method, **changes)


@pytest.fixture
def recorded(found, monkeypatch):
    """Say what came out of the one run of the site, on each Python; the build's own is the first."""

    def say(run, *recordings):
        own = [one for one in recordings if one.machine == recordings[0].machine]
        monkeypatch.setattr(pythons.build, "run", lambda name: run)

        def told(name, everywhere=False):
            return recordings if everywhere else own

        monkeypatch.setattr(pythons.build, "recordings", told)

    return say


def cells(html):
    """The texts of the cells of a table, row by row."""
    from bs4 import BeautifulSoup

    page = BeautifulSoup(html, "html.parser")
    return [
        [c.get_text("|") for c in row.find_all(("th", "td"))] for row in page.find_all("tr")
    ]


def test_faults_by_python(recorded):
    hang = {"status": None, "ended": "hang", "evidence": "kernel"}
    outcomes = (
        Outcome(hangs=True, python="<3.14"),
        Outcome(status=1, python=">=3.14", start_methods=("fork",)),
        Outcome(python=">=3.14", contains="came", start_methods=("spawn",)),
        Outcome(python=">=3.14", contains="fine", start_methods=("spawn",), fault=False),
    )
    run = Run("x", "faults/large_argument_broken.py", outcomes=outcomes)
    error = "multiprocessing.context.AuthenticationError: no"
    recorded(
        run,
        on("3.11.7", "spawn", **hang),
        on("3.11.7", "fork", **hang),
        on("3.15.0", "fork", error, "when serializing x", status=1),
        on("3.15.0", "spawn", "fine"),
        on("3.14.2", "fork", error, status=1),
        on("3.14.2", "spawn", "came out wrong"),
        on("3.14.2 free-threaded", "fork", "boom", status=1),
        on("3.14.2 free-threaded", "spawn", "came out wrong"),
    )
    html = pythons.faults_by_python("x")
    assert cells(html) == [
        ["Python", "fork", "spawn"],
        ["large_|argument_|broken.py"],
        ["3.11.7", "hangs", "hangs"],
        ["3.14.2", "raises| |Authentication|Error", "wrong"],
        ["3.14.2t", "raises| status 1", "wrong"],
        ["3.15.0", "raises| |Authentication|Error", "works"],
    ]
    assert '<a href="../faults/large-argument.html">' in html


def test_the_badge_of_a_fault(found, monkeypatch):
    outcomes = (
        Outcome(python="<3.15", status=1),
        Outcome(python=">=3.15", status=1, start_methods=("spawn",)),
        Outcome(python=">=3.15", fault=False, start_methods=("fork",)),
    )
    run = Run("x", "x.py", start_methods=("fork", "spawn"), outcomes=outcomes)
    monkeypatch.setattr(pythons.build, "run", lambda name: run)
    assert badge("x") == "fork, spawn (run on CPython 3.11.7)"
    run = replace(run, pythons=">=3.11")
    on_four = "(run on CPython 3.11.7 to 3.14.2t)"
    everywhere = f"fork, spawn {on_four}; spawn (run on CPython 3.15.0)"
    assert badge("x") == everywhere
    fixed = [replace(one, fault=bool(one.start_methods == ("spawn",))) for one in outcomes]
    run = replace(run, outcomes=tuple(fixed))
    assert badge("x") == f"none {on_four}; spawn (run on CPython 3.15.0)"
    run = replace(run, outcomes=(Outcome(fault=False),))
    assert badge("x") == "none (run on CPython 3.11.7 to 3.15.0)"
    run = replace(run, outcomes=outcomes)
    found(OWN, NEWER, quick=True)
    assert badge("x") == "fork, spawn (run on CPython 3.11.7)"


def badge(*names):
    """The text of the badge of some runs."""
    return re.sub(r"<[^>]+>", "", pythons.fails_under(*names))


def test_pythons_with_the_same_answer_stand_together(recorded):
    recorded(
        Run("x", "x.py", outcomes=(Outcome(contains="a"), Outcome(hangs=True))),
        *(on(python, "fork", "a: 1") for python in ("3.11.7", "3.15.0", "3.14.2")),
        on("3.14.2 free-threaded", "fork", "a: 2"),
    )
    assert [row[0] for row in cells(pythons.lines_by_python("x"))[1:]] == [
        "3.11.7|, |3.14.2|, |3.15.0",
        "3.14.2t",
    ]
    together = pythons.faults_by_python("x")
    assert cells(together)[2:] == [["3.11.7| to |3.15.0", "wrong"]]


def test_labels_and_times_by_python(recorded):
    lines = ("Elapsed: 0.12 s", "A thing: as <imported>")
    recorded(
        Run("x", "x.py"),
        on("3.11.7", "fork", *lines),
        on("3.11.7", "spawn", "Elapsed: 1.00 s", "A thing: changed"),
    )
    by_python = pythons.labels_by_python("x", "A thing", "Elapsed")
    assert cells(by_python)[1] == ["3.11.7", "as <imported>", "0.12 s"]
    assert '<data class="figure" value="0.12 s">' in by_python
    assert cells(pythons.times_by_python("x"))[2] == ["3.11.7", "0.12 s", "1.00 s"]
    assert cells(pythons.labels_by_method("x", "What"))[2] == [
        "A thing",
        "as <imported>",
        "changed",
    ]
    recorded(Run("x", "x.py"), on("3.11.7", "fork", "a: 1"), on("3.11.7", "spawn", "b: 1"))
    with pytest.raises(PageError, match="different labels"):
        pythons.labels_by_method("x", "What")


def test_what_no_python_here_can_run_is_said(recorded, monkeypatch):
    run = Run("x", "questions/x.py", needs=">=3.16")
    monkeypatch.setattr(pythons.build, "run", lambda name: run)
    monkeypatch.setattr(pythons.build, "recordings", lambda *_, **everywhere: [])
    said = "Not run in this build: <code>questions/x.py</code> needs Python &gt;=3.16."
    assert said in blocks.show("x")


def test_the_page_names_the_pythons_that_are_missing(found):
    html = pythons.pythons_here()
    assert cells(f"<tr><td>{html}</td></tr>") == [
        [
            "Pythons that ran here: |3.11.7|, |3.14.2|, |3.14.2t|, |3.15.0|. Not installed where this site was built: 3.12, 3.13, 3.15t."
        ]
    ]
    found(OWN, quick=True)
    assert (
        "Pythons that ran here: " in pythons.pythons_here()
        and "Not found" not in pythons.pythons_here()
    )
