"""Recordings are kept, and found again only while nothing they depend on has changed."""

import concurrent.futures
import json
import os
import subprocess
import sys

import pytest

from recorder import __main__ as command_line
from recorder import machine, pages, store

PROGRAM = "import sys\nprint('Total: 1,000')\nsys.exit(len(sys.argv) - 1)\n"


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Examples, pages and a store of the test's own."""
    monkeypatch.setattr(store, "EXAMPLES", tmp_path / "examples")
    monkeypatch.setattr(store, "STORE", tmp_path / "store")
    monkeypatch.setattr(pages, "DOCS", tmp_path / "docs")
    monkeypatch.setattr(pages, "known", {})
    monkeypatch.setattr(pages, "failures", {})
    monkeypatch.setattr(pages, "progress", pages.Progress())
    (tmp_path / "docs").mkdir()
    store.EXAMPLES.mkdir()
    (store.EXAMPLES / "one.py").write_text(PROGRAM)
    (store.EXAMPLES / "two.py").write_text("print('Total: 10')\n")
    return tmp_path


def test_kept_and_found():
    request = store.Request("one.py")
    assert store.load(request.file()) is None
    recording = store.record(request)
    assert store.load(request.file()) == recording


def test_each_thing_it_depends_on(monkeypatch):
    request = store.Request("one.py", ("x",))
    file = request.file()
    assert store.Request("one.py", ("x",)).file() == file
    assert store.Request("one.py", ("y",)).file() != file
    assert store.Request("one.py", ("x",), hangs=True).file() != file
    assert store.Request("one.py", ("x",), bound=1).file() != file
    (store.EXAMPLES / "one.py").write_text(PROGRAM + "# changed\n")
    assert request.file() != file
    (store.EXAMPLES / "one.py").write_text(PROGRAM)
    assert request.file() == file
    with monkeypatch.context() as patch:
        patch.setattr(store, "recorder_text", lambda: "another recorder")
        assert request.file() != file
    for field, value in (("python", "CPython 4.0"), ("processor", "another"), ("cores", 99)):
        other = machine.Machine(**{**vars(machine.this_machine()), field: value})
        with monkeypatch.context() as patch:
            patch.setattr(store, "this_machine", lambda other=other: other)
            assert request.file() != file


def test_a_program_that_needs_a_package_depends_on_the_lock():
    assert store.packages(PROGRAM) == ""
    assert "psutil==" in store.packages("import sys\nfrom rich.progress import Progress\n")


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\xfe\n{", None, "half"])
def test_damaged(damage):
    request = store.Request("one.py")
    store.record(request)
    whole = request.file().read_bytes()
    if damage is None:
        damage = whole.replace(b"Total: 1,000", b"Total: 2,000")
    request.file().write_bytes(whole[: len(whole) // 2] if damage == "half" else damage)
    assert store.load(request.file()) is None
    assert pages.run("one.py", total=1000).output == "Total: 1,000\n"
    assert store.load(request.file()) is not None


def test_written_by_two_at_once():
    request = store.Request("one.py")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        recordings = list(pool.map(store.record, [request] * 8))
    assert store.load(request.file()) in recordings
    assert [file for file in store.STORE.iterdir() if file.suffix != ".json"] == []


def test_run_again_is_not_run_again(capsys):
    first = pages.run("one.py", total=1000)
    assert "[1/1] python one.py" in capsys.readouterr().err
    pages.known.clear()
    assert pages.run("one.py", total=1000) == first
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "expected", "message"),
    [
        ("", {"total": 999}, "expected Total: 999, got Total: 1,000"),
        ("x", {}, "expected exit status 0, got 1"),
        ("", {"hangs": True}, "expected that it hangs, got it ended"),
        ("", {"says": "'no'"}, "expected \"'no'\", got none of it"),
    ],
)
def test_a_wrong_run_stops_the_page(folders, arguments, expected, message):
    named = ", ".join(f"{name}={value!r}" for name, value in expected.items())
    call = f"run('one.py', '{arguments}', {named})"
    (folders / "docs" / "a.md").write_text(f'```python exec="on"\nprint({call})\n```\n')
    with pytest.raises(pages.WrongRun) as error:
        pages.run("one.py", arguments, **expected)
    command = f"python one.py {arguments}".rstrip()
    assert str(error.value) == f"docs/a.md: {command}: {message}. It printed:\nTotal: 1,000"
    assert list(store.STORE.iterdir()) == []


def test_a_quick_build_does_a_hundredth(monkeypatch):
    monkeypatch.setattr(pages, "QUICK", True)
    assert pages.run("two.py", "--workers 5", total=1000, quick="--count 1").arguments == (
        "--workers",
        "5",
        "--count",
        "1",
    )


def test_plan_reads_the_pages(folders):
    block = (
        '```python exec="on"\nx = run("one.py", "a b", status=2)\nprint(run("one.py"))\n```\n'
    )
    (folders / "docs" / "a.md").write_text("# A\n\n" + block)
    asked = dict.fromkeys(run for _, run, _ in pages.planned())
    assert list(asked) == [pages.Run("one.py", "a b", status=2), pages.Run("one.py")]
    assert [recording.command for recording in pages.every_run()[1:]] == ["python one.py"]


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["recorder", *map(str, arguments)])
    return command_line.main()


def test_command_line(monkeypatch, capsys):
    program = store.EXAMPLES / "one.py"
    assert call(monkeypatch, "run", program, "x") == 0
    assert "exit status 1 after" in capsys.readouterr().out
    assert call(monkeypatch, "run", "--json", program) == 0
    assert json.loads(capsys.readouterr().out)["lines"][0]["text"] == "Total: 1,000"
    store.record(store.Request("one.py"))
    assert call(monkeypatch, "list") == 0
    assert "0.0 h" in (out := capsys.readouterr().out) and "python one.py" in out
    assert call(monkeypatch, "forget", "two.py") == 0 and len(list(store.kept())) == 1
    assert call(monkeypatch, "forget", "one.py") == 0 and not list(store.kept())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "missing.py"), "no such program: missing.py"),
        (("run", "--bound", "0", __file__), "argument --bound: 0.0 is not more than 0"),
        (("forget",), "forget takes the names of programs, or --all"),
        ((), "the following arguments are required: command"),
    ],
)
def test_bad_command_lines(arguments, message):
    command = (sys.executable, "-m", "recorder", *arguments)
    done = subprocess.run(
        command, cwd=store.ROOT, capture_output=True, text=True, env=os.environ
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith(f"error: {message}")
