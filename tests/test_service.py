"""What is peculiar to the service: its requests, their order, and the lives of its workers."""

import pytest

from tests.harness import EXAMPLES, copy_of_program, on_posix, run, with_start_method


def called(folder, text, *arguments):
    """Run a caller of the service; return its (exit status, output, errors)."""
    copy_of_program(folder, "recipes/service.py")
    script = folder / "caller.py"
    script.write_text(text)
    return run(folder, script, *arguments)


@with_start_method
def test_each_request_has_its_reply_in_its_place(tmp_path, method):
    requests = ("1", "slow", "2", "die", "3", "x", "4", "slow", "5")
    file = copy_of_program(tmp_path, "recipes/service.py")
    status, out, err = run(tmp_path, file, "--limit", 2, "--start-method", method, *requests)
    assert (status, err) == (0, "")
    assert out == (
        "1: 1\nslow: no reply, too late\n2: 4\ndie: no reply, its worker ended, exit code 1\n"
        "3: 9\nx: no reply, KeyError: 'x'\n4: 16\nslow: no reply, too late\n5: 25\n"
    )


START = """
import subprocess, sys
pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
service = subprocess.Popen([sys.executable, "service.py", "--limit", "60"], **pipes)
"""


def test_lines_of_standard_input(tmp_path):
    status, out, err = called(
        tmp_path,
        START + "requests = ''.join(f'{n}\\n' for n in range(14_000)) + '7\\r\\n\\n8'\n"
        "out, err = service.communicate(requests)\n"
        "print(err, service.returncode)\n"
        "expected = [f'{n}: {n * n}' for n in [*range(14_000), 7]]\n"
        "expected += [\": no reply, KeyError: ''\", '8: 64']\n"
        "print(out.splitlines() == expected)\n",
    )
    assert (status, out, err) == (0, " 0\nTrue\n", "")


def test_a_reply_does_not_wait_for_the_next_request(tmp_path):
    status, out, err = called(
        tmp_path,
        START + "for request in ('3', '4', '4'):\n"
        "    print(request, file=service.stdin, flush=True)\n"
        "    print(service.stdout.readline(), end='')\n"
        "print(service.communicate(), service.returncode)\n",
    )
    assert (status, out, err) == (0, "3: 9\n4: 16\n4: 16\n('', '') 0\n", "")


@on_posix
def test_nobody_reads_the_replies(tmp_path):
    status, out, err = called(
        tmp_path,
        START + "import os, threading\n"
        "def write():\n"
        "    try:\n"
        "        for _ in range(10**9):\n"
        "            os.write(service.stdin.fileno(), b'5\\n')\n"
        "    except BrokenPipeError:\n"
        "        pass\n"
        "writer = threading.Thread(target=write)\n"
        "writer.start()\n"
        "print(service.stdout.readline(), end='')\n"
        "service.stdout.close()\n"
        "print(service.stderr.read(), service.wait())\n"
        "writer.join()\n",
    )
    assert (status, out, err) == (0, "5: 25\n 1\n", "")


IMPORTED = """
import contextlib, multiprocessing, os, pathlib, signal, sys, time
from service import Lines, serve

def load():
    pathlib.Path(f"{os.getpid()}.loaded").touch()
    if "no load" in sys.argv:
        raise ValueError("can't load")
    if "slow load" in sys.argv:
        time.sleep(60)

def reply(loaded, request):
    return eval(request)

class Odd:
    def __reduce__(self):
        return int, ("1", "2", "3")

if __name__ == "__main__":
    source, requests = os.pipe()
    limit = 0.2 if "slow load" in sys.argv else 60
    replies = serve(Lines(source), load, reply, 1, load_limit=limit, start_method=sys.argv[1])
    def ask(request):
        os.write(requests, request.encode() + b"\\n")
        return next(replies)[1:]
    own = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    own.start()
    try:
        with contextlib.closing(replies):
            BODY
    except ChildProcessError as error:
        print(error)
    print(multiprocessing.active_children() == [own] and own.is_alive())
    own.kill()
"""


def imported(folder, method, body, *arguments):
    """What a program printed that imports the service; its own process lives on."""
    status, out, _ = called(folder, IMPORTED.replace("BODY", body), method, *arguments)
    assert status == 0
    *lines, last = out.splitlines()
    assert last == "True"
    return lines


@on_posix
@with_start_method
def test_an_idle_worker_that_is_killed_costs_no_request(tmp_path, method):
    body = """
            pids = []
            for _ in range(3):
                done, pid = ask("os.getpid()")
                pids.append(pid)
                os.kill(pid, signal.SIGKILL)
            print(len(set(pids)), done)"""
    assert imported(tmp_path, method, body) == ["3 True"]


@on_posix
@with_start_method
def test_a_worker_loads_once(tmp_path, method):
    body = "print([ask('6 * 7') for _ in range(50)] == [(True, 42)] * 50)"
    assert imported(tmp_path, method, body) == ["True"]
    assert len(list(tmp_path.glob("*.loaded"))) == 1


@on_posix
def test_a_reply_that_cannot_travel_is_one_request_s_failure(tmp_path):
    body = "print(ask('lambda: 1')[0], ask('Odd()'), ask('2 * 3'))"
    (line,) = imported(tmp_path, "fork", body)
    assert line.startswith("False (False, 'TypeError: ") and line.endswith(" (True, 6)")


@on_posix
@pytest.mark.parametrize(
    ("how", "reason"),
    [("no load", "its worker ended, exit code 1"), ("slow load", "too late")],
)
def test_workers_that_do_not_load_end_the_service(tmp_path, how, reason):
    lines = imported(tmp_path, "spawn", "print(ask('1'))", how)
    assert lines == [f"3 workers in a row did not load: {reason}"]
    assert len(list(tmp_path.glob("*.loaded"))) == 3 or how == "slow load"


@on_posix
def test_the_smallest_use_on_the_page(tmp_path):
    page = (EXAMPLES.parent / "docs/recipes/service.md").read_text(encoding="utf-8")
    smallest = page.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "requests").write_text("2\n9\n3\n")
    text = (
        "import os\n"
        "os.dup2(os.open('requests', os.O_RDONLY), 0)\n"
        "def load():\n"
        "    return {'2': 'two', '3': 'three'}\n"
        "def reply_to(loaded, request):\n"
        "    return loaded[request]\n" + smallest
    )
    assert called(tmp_path, text) == (0, "two\nsorry: KeyError: '9'\nthree\n", "")
