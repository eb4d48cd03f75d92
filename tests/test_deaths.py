"""A worker's death is seen when it happens, however it looks from the other end."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.harness import run, with_start_method

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
END = """
if __name__ == "__main__":
    try:
        program.main({arguments}, start_method=sys.argv[1])
    except ChildProcessError as error:
        sys.exit(str(error))
"""


def ends(folder, program, text, arguments, method):
    """Run main() with another function in the workers; return the status and both outputs."""
    shutil.copy(EXAMPLES / program, folder)
    script = folder / "script.py"
    head = f"import os, struct, sys, time\nimport {Path(program).stem} as program\n"
    script.write_text(head + text + END.format(arguments=arguments))
    return run(folder, script, method)


@with_start_method
def test_killed_with_the_lock_of_the_queue(tmp_path, method):
    """Between the write and the release: its result is there, and the others wait for the lock."""
    text = """
def count_up(number, count, results):
    if number == 1:
        send = results._writer.send_bytes

        def send_and_die(data):
            send(data)
            os.kill(os.getpid(), 9)

        results._send_bytes = send_and_die
    else:
        time.sleep(0.5)  # until worker 1 has the lock
    results.put((number, count))

program.count_up = count_up
"""
    status, out, err = ends(tmp_path, "queue_totals.py", text, "3, 10", method)
    assert status == 1 and "Worker 1, subtotal" not in out
    assert re.fullmatch(
        r"Worker 1 \(process ID \d+\) ended (after its|without a) result, exit code -9\n", err
    )


@with_start_method
def test_killed_while_others_talk(tmp_path, method):
    """The others never stop: were their results all awaited, this would never end."""
    text = """
def work(number, steps, events):
    if number == 1:
        os.kill(os.getpid(), 9)
    while True:
        events.put((number, 1))
        time.sleep(0.001)

program.work = work
"""
    status, _, err = ends(tmp_path, "recipes/progress.py", text, "2, 10**9", method)
    assert (status, err) == (1, "Worker 1 ended before its work did, exit code -9\n")


@with_start_method
def test_killed_in_the_middle_of_a_message(tmp_path, method):
    text = """
def count_up(count, sender):
    os.write(sender.fileno(), struct.pack("!i", 1000) + bytes(100))
    os._exit(7)

program.count_up = count_up
"""
    status, _, err = ends(tmp_path, "pipe_totals.py", text, "2, 10", method)
    assert status == 1
    assert re.fullmatch(
        r"Worker \d \(process ID \d+\) ended without a result, exit code 7\n", err
    )


@with_start_method
def test_dead_while_somebody_else_holds_its_end_of_the_pipe(tmp_path, method):
    """A child of its own may; on Windows its parent does, if it died before it began."""
    text = """
def count_up(count, sender):
    os._exit(7)

program.count_up = count_up
program.multiprocessing.connection.Connection._close = lambda *_: None
"""
    status, _, err = ends(tmp_path, "pipe_totals.py", text, "2, 10", method)
    assert status == 1
    assert re.fullmatch(
        r"Worker \d \(process ID \d+\) ended without a result, exit code 7\n", err
    )


@with_start_method
def test_killed_with_a_request_unread(tmp_path, method):
    """Then the pipe ends with ConnectionResetError, not with EOFError."""
    text = """
def serve(connection):
    connection.poll(None)
    os._exit(7)

program.serve = serve
program.LIMITS = dict.fromkeys(range(1, 7), 60)
"""
    status, out, err = ends(tmp_path, "recipes/request_reply.py", text, "3, 0", method)
    assert (status, err) == (0, "")
    dead = [f"Request {number}: no reply, its worker died" for number in range(1, 7)]
    assert sorted(out.splitlines()) == ["Replies in time: 0 of 6", *dead]
