"""Builds that must fail, that are interrupted, or that have little to do, each on a copy of the project."""

import contextlib
import functools
import os
import re
import resource
import shutil
import signal
import socket
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import replace

import psutil
import pytest

from hooks import locked
from recorder import store
from render.build import Build
from render.runs import Outcome, PageError, Run
from tests.conftest import build, mkdocs
from tests.harness import IN_CI, default_signals, is_alive, wait_until
from tests.html_page import Page
from tests.recordings import recording

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the site is built on POSIX")


def edit(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def finish(building):
    printed, _ = building.communicate()
    return building.returncode, printed


def programs_run(printed):
    return re.findall(r"^\[.+\] python (\S+) .* s$", printed, re.MULTILINE)


def test_a_build_says_what_it_did(small):
    _, printed = small
    assert re.search(r"^\[\d+/\d+\] python queue_totals.py --count 1000 .* s$", printed, re.M)
    said = r"The site is in site/\. It took [\d.]+ s, of which the programs ran for [\d.]+ s"
    assert re.search(said, printed)


def test_nothing_changed_runs_nothing(copy):
    (copy / "site").rename(copy / "elsewhere")
    (copy / "site").symlink_to("elsewhere")
    (copy / "elsewhere/old.txt").write_text("old")
    (copy / ".elsewhere-0123abcd").mkdir()  # what a killed build has left
    (copy / ".elsewhere-0123abcd/index.html").write_text("half")
    (copy / ".elsewhere-living").mkdir()  # another build is at work there
    with locked(copy / ".elsewhere-living"):
        status, printed = finish(build(copy))
    (copy / ".elsewhere-living").rmdir()
    assert status == 0 and not programs_run(printed)
    assert "of which the programs ran for 0.0 s" in printed
    assert not list(copy.glob(".elsewhere-*"))
    assert (copy / "site").is_symlink() and (copy / "site/queue.html").is_file()
    assert not (copy / "site/old.txt").exists()


def test_nothing_runs_beside_a_run_whose_time_is_a_figure(monkeypatch):
    runs = {
        n: Run(n, "queue_totals.py", arguments=f"--count {n}", outcomes=(Outcome(),))
        for n in "123456"
    }
    runs |= {n: replace(runs[n], timed=True, timeout=99) for n in "123"}
    both, running, alone = threading.Barrier(3), set(), set()

    def record(spec, _):
        running.add(spec)
        if spec.timed and len(running) == 1 and threading.current_thread() is main:
            alone.add(spec)
        elif not spec.timed:
            both.wait(30)  # the others run side by side
        running.remove(spec)
        return recording()

    main = threading.current_thread()
    monkeypatch.setattr(store, "load", lambda _: None)
    monkeypatch.setattr(store, "record", record)
    one = Build()
    monkeypatch.setattr(one, "_runs", runs)
    assert len(one.recordings("1")) == 1 and len(alone) == 3


def test_a_run_that_came_out_wrong_is_run_again(monkeypatch, tmp_path):
    kept = tmp_path / "kept"
    kept.touch()
    monkeypatch.setattr(store.RunSpec, "file", lambda _: kept)
    monkeypatch.setattr(store, "load", lambda _: recording(status=1))
    one = Build()
    monkeypatch.setattr(one, "_runs", {"1": Run("1", "x.py", outcomes=(Outcome(),))})
    with pytest.raises(PageError, match="expected exit status 0, got 1"):
        one.recordings("1")
    assert not kept.exists()


def test_one_program_changed_runs_only_that(copy):
    with (copy / "examples" / "pipe_totals.py").open("a") as file:
        file.write("# changed\n")
    status, printed = finish(build(copy))
    assert status == 0 and programs_run(printed) == ["pipe_totals.py"]


def test_all_that_is_wrong_on_pages_is_said_at_once(copy):
    before = (copy / "site/index.html").stat()
    edit(copy / "examples/queue_totals.py", "total += subtotal", "total += subtotal + 1")
    edit(copy / "examples/pipe_totals.py", "subtotal = 0", "time.sleep(600)")
    edit(copy / "examples/runs.toml", "[pipe_totals]\n", "[pipe_totals]\ntimeout = 2\n")
    with (copy / "docs/index.md").open("a") as file:
        file.write(WRONG)
    status, printed = finish(build(copy))
    assert status != 0 and "site-packages/mkdocs" not in printed
    for message in MESSAGES:
        assert re.search(message, printed, re.MULTILINE), (message, printed)
    assert_kept(copy, before)


WRONG = """
```run exec="on"
show("pipe_total")
show(pipe_totals)
source_of("hello.py", "nothing")
```

```program
```

`#!figure helo.cpu` and `#!figure hello.Speed`
"""
MESSAGES = [
    r"^docs/queue.md: run queue_totals: python queue_totals.py --count 1000: "
    r"expected Total: 5,000, got Total: 5,005",
    r"^docs/pipe.md: run pipe_totals: .* expected an end, got: it ran to its timeout",
    r"^docs/index.md: examples/runs.toml has no run named 'pipe_total'$",
    r"^docs/index.md: show\(pipe_totals\): NameError: name 'pipe_totals' is not defined",
    r"^docs/index.md: examples/hello.py has no part named nothing$",
    r"^docs/index.md: program\(\*lines\): TypeError: program\(\) missing 1 required .*'path'$",
    r"^docs/index.md: examples/runs.toml has no run named 'helo'$",
    r"^docs/index.md: python hello.py printed no line that starts with Speed: $",
]


def assert_kept(copy, before):
    """Check that the old site stands as it stood, and that nothing of a new one is left."""
    after = (copy / "site/index.html").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert not list(copy.glob(".site-*"))


def missing_program(copy):
    (copy / "examples/hello.py").rename(copy / "examples/helo.py")


def broken_link(copy):
    edit(copy / "docs/pipe.md", "(queue.md#", "(queue.md#no-such-place-")


def missing_include(copy):
    edit(copy / "docs/pipe.md", "## Behind\n", '## Behind\n\n--8<-- "nothing.py"\n')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            missing_program,
            r"^examples/runs.toml: hello: there is no program examples/hello.py$",
        ),
        (broken_link, r"no-such-place"),
        (missing_include, r"nothing.py"),
    ],
)
def test_a_build_that_fails_says_why_and_keeps_the_old_site(copy, change, message):
    before = (copy / "site/index.html").stat()
    change(copy)
    status, printed = finish(build(copy))
    assert status != 0 and "Traceback" not in printed
    assert re.search(message, printed, re.MULTILINE), printed
    assert_kept(copy, before)


@pytest.mark.parametrize("size", [1000, 150_000])
def test_a_full_disk_is_said_in_one_line(copy, size):
    before = (copy / "site/index.html").stat()
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))
    status, printed = finish(build(copy, preexec_fn=limit))
    assert status == 1 and "Traceback" not in printed
    assert re.search(r"^\[Errno 27\] File too large", printed, re.MULTILINE), printed
    assert_kept(copy, before)


SIGNALS = [signal.SIGTERM, *((signal.SIGINT, signal.SIGHUP) if IN_CI else ())]


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupted_build_leaves_nothing(copy, number):
    before = (copy / "site/index.html").stat()
    started = "__import__('pathlib').Path(f'{name}-{os.getpid()}').touch(); time.sleep(600)"
    started = started.replace("{name}", str(copy / "started"))
    edit(copy / "examples/queue_totals.py", "subtotal = 0", started)
    building = build(copy, start_new_session=True, preexec_fn=default_signals)
    wait_until(lambda: len(list(copy.glob("started-*"))) == 5, "the workers are at work")
    tree = psutil.Process(building.pid).children(recursive=True)
    assert len(tree) >= 7  # with the supervisor and the program
    building.send_signal(number)
    building.communicate()
    assert building.returncode != 0
    wait_until(lambda: not any(map(is_alive, tree)), "nothing is left")
    assert_kept(copy, before)


def test_two_builds_at_once(copy):
    shutil.rmtree(copy / ".recordings")
    builds = [build(copy), build(copy, preexec_fn=close_input_and_error)]
    ended = [finish(building) for building in builds]
    assert [status for status, _ in ended] == [0, 0], ended
    assert "Total: 5,000" in (copy / "site/queue.html").read_text(encoding="utf-8")
    assert not list(copy.glob(".site-*"))


def close_input_and_error():
    """Run in the new process: it has neither, as under some service managers."""
    os.close(0)
    os.close(2)


FOREIGN = {  # what a program prints, and what a terminal shows of it
    "fences": ("````\n```\n~~~\n\t```\n", "````\n```\n~~~\n        ```\n"),
    "carriage_return": (
        "a\r```\r\r<script>window.pwn=4</script>\r\r``` text\rb\n",
        "b`` textwindow.pwn=4</script>\n",
    ),
    "progress": ("  0 %\r 50 %\r100 %\n", "100 %\n"),
    "include": ('--8<-- "queue_totals.py"\n--8<-- "/etc/hostname"\n', None),
    "missing_include": ('--8<-- "no/such/file.py"\n;--8<-- "x"\n', None),
    "html": ("<b>&amp;<i> {{ page }} <!-- x --> </pre></code></div>\n", None),
    "markdown": ("| a | b |\n[x](javascript:alert(1)) `x` **b**\n# no title\n", None),
    "prompt": ("$ rm -rf nothing\n", None),
    "control": ("\x1b[31mred\x1b[0m \0 \x02wzxhzdk:0\x03 \x07\n", "red ␀ ␂wzxhzdk:0␃ ␇\n"),
    "figure": ("`#!figure queue_totals.cpu`\n```run exec='on'\n", None),
    "red_label": ("Label: \x1b[31m<7>\x1b[0m|\x07\n", "Label: <7>|␇\n"),
}
ELSEWHERE = """
| Figure |
|---|
| `#!figure red_label.Label` |

```run exec="on"
picture("timeline", "red_label")
lines_by_python("red_label")
```
"""
FENCES = '''\
"""A program that holds what ends a block or a line (\f, \x1c, \u2028), and asks for runs.

```run exec="on"
show("hello")
```

````
`#!figure hello.cpu` </code></pre><script>window.pwn=4</script>
````
"""
'''


def test_output_is_inert(copy):
    """Whatever a program prints stands on the page, and in the text for machines, as a terminal shows it."""
    (copy / "examples/holds_fences.py").write_text(FENCES)
    blocks = "\n```program\nprograms/holds_fences.py\n```\n"
    for name, (printed, _) in FOREIGN.items():
        (copy / f"examples/{name}.py").write_text(
            f"import sys\nsys.stdout.write({printed!r})\n"
        )
        with (copy / "examples/runs.toml").open("a") as file:
            file.write(f"[{name}]\nprogram = \"{name}.py\"\narguments = \"'a b' '*'\"\n")
        blocks += f'\n## {name}\n\n```run exec="on"\nconsole("{name}")\nstart_method_table("{name}")\n```\n'
    with (copy / "docs/pipe.md").open("a") as file:
        file.write(blocks + ELSEWHERE)
    status, printed = finish(build(copy))
    assert status == 0, printed
    page = Page(copy / "site/pipe.html")
    assert FENCES in page.codes
    told = [
        (copy / "site" / name).read_text(encoding="utf-8")
        for name in ("pipe.md", "llms-full.txt")
    ]
    for name, (written, shown) in FOREIGN.items():
        block = f"$ python {name}.py 'a b' '*'\n{written if shown is None else shown}"
        assert block in page.codes, name
        assert all(block in text for text in told), name
    assert all(FENCES in text for text in told)
    label = "Label: &lt;7&gt;|␇"
    for place in (
        "<data .*?>{}</data>",
        " s: {}</title>",
        "<desc>.*: {}.</desc>",
        "<td>{}</td>",
    ):
        shown = label.removeprefix("Label: ") if "data" in place else label
        assert re.search(place.format(re.escape(shown)), page.text), place
    assert "<script>window" not in page.text and "no-title" not in page.ids
    assert "javascript:" not in "".join(link for link in page.links)


def test_while_serving_a_wrong_page_says_so_and_the_others_are_served(copy):
    edit(copy / "docs/pipe.md", 'show("pipe_totals")', 'show("pipe_total")')
    broken_link(copy)
    # On Linux each process has a loopback address of its own, where nobody else takes the port.
    host = f"127.{os.getpid() % 250 + 1}.0.1" if sys.platform == "linux" else "127.0.0.1"
    with socket.socket() as free:
        free.bind((host, 0))
        address = f"{host}:{free.getsockname()[1]}"
    with (copy / "printed").open("w") as printed:
        serving = mkdocs(copy, "serve", "--dev-addr", address, stdout=printed)
    try:
        wrong = wait_until(lambda: fetch(f"http://{address}/pipe.html"), "it serves")
        assert "has no run named" in wrong
        assert "Total: 5,000" in fetch(f"http://{address}/queue.html")
    finally:
        serving.terminate()
        serving.wait()


def fetch(address):
    """A page that a server gives; None while there is no server."""
    with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(address) as answer:
        return answer.read().decode()
