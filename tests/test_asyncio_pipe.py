"""What is peculiar to receiving in an event loop: the loop runs on, and no message is lost.

A blocking receive would wait for ever for what a later turn of the same loop sends.
"""

import sys

import pytest

from tests.harness import copy_of_program, on_posix, run, with_start_method

RECEIVES = (
    ["receive_by_thread"] if sys.platform == "win32" else ["receive", "receive_by_thread"]
)
with_receive = pytest.mark.parametrize("receive", RECEIVES)

SCRIPT = """
import asyncio, multiprocessing, os, signal, sys, threading
import asyncio_pipe

async def main():
    receive = asyncio_pipe.RECEIVE
    loop, (ours, theirs) = asyncio.get_running_loop(), multiprocessing.Pipe()
BODY

asyncio.run(main())
"""


def called(folder, text, *arguments):
    """What a caller of the program printed."""
    copy_of_program(folder, "recipes/asyncio_pipe.py")
    script = folder / "caller.py"
    script.write_text(text)
    status, out, err = run(folder, script, *arguments)
    assert (status, err) == (0, "")
    return out.splitlines()


def in_loop(folder, receive, body):
    """What a body printed that runs in an event loop."""
    return called(folder, SCRIPT.replace("RECEIVE", receive).replace("BODY", body))


@with_receive
def test_the_loop_runs_while_it_waits(tmp_path, receive):
    body = """
    loop.call_later(0.01, theirs.send, "sent by the loop")
    print(await receive(ours))"""
    assert in_loop(tmp_path, receive, body) == ["sent by the loop"]


@with_receive
def test_two_connections_at_once(tmp_path, receive):
    body = """
    second, seconds_end = multiprocessing.Pipe()
    both = asyncio.gather(receive(ours), receive(second))
    loop.call_later(0.01, seconds_end.send, "second")
    loop.call_later(0.02, theirs.send, "first")
    print(*await both)"""
    assert in_loop(tmp_path, receive, body) == ["first second"]


@with_receive
def test_a_time_limit_loses_no_message(tmp_path, receive):
    body = """
    for number in range(20):
        try:
            await asyncio.wait_for(receive(ours), 0.001)
        except TimeoutError:
            pass
    theirs.send("first")
    theirs.send("second")
    print(await receive(ours), await receive(ours), ours.poll())"""
    assert in_loop(tmp_path, receive, body) == ["first second False"]


@with_receive
def test_the_end_of_the_other_side(tmp_path, receive):
    body = """
    theirs.send("last")
    theirs.close()
    print(await receive(ours))
    try:
        await receive(ours)
    except EOFError:
        print("EOFError")"""
    assert in_loop(tmp_path, receive, body) == ["last", "EOFError"]


HAND_ON = """
import asyncio, multiprocessing, os, signal, sys, threading, time
import asyncio_pipe

def work(messages, how):
    for number in range(3):
        messages.put(number)
    if how == "None":
        messages.put(None)
    if how == "killed":
        messages.close()
        messages.join_thread()  # all is written
        os.kill(os.getpid(), signal.SIGKILL)

async def take_all(messages, worker):
    inbox = asyncio.Queue()
    args = (messages, worker, asyncio.get_running_loop(), inbox)
    thread = threading.Thread(target=asyncio_pipe.hand_on, args=args)
    thread.start()
    print([await inbox.get() for _ in range(4)])
    return thread

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    messages = context.Queue()
    worker = context.Process(target=work, args=(messages, sys.argv[2]))
    worker.start()
    thread = asyncio.run(take_all(messages, worker))
    thread.join()
    worker.join()
"""


@on_posix
@with_start_method
@pytest.mark.parametrize("how", ["None", "ended", "killed"])
def test_a_thread_hands_on_each_object_and_the_end(tmp_path, method, how):
    assert called(tmp_path, HAND_ON, method, how) == ["[0, 1, 2, None]"]


@on_posix
def test_no_thread_is_left_in_a_closed_loop(tmp_path):
    text = HAND_ON.replace("for _ in range(4)", "for _ in range(1)")
    assert called(tmp_path, text, "spawn", "None") == ["[0]"]


INTERRUPTED = """
import asyncio, signal, asyncio_pipe
from unittest import mock

async def end_at_once():
    pass

def press(*_):
    signal.raise_signal(signal.SIGINT)
    return end_at_once()

if __name__ == "__main__":
    with mock.patch.object(WHERE, WHAT, press):
        try:
            asyncio_pipe.main()
        except KeyboardInterrupt:
            print("interrupted", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


@on_posix
@pytest.mark.parametrize(
    ("where", "what"),
    [("asyncio_pipe", "ctrl_c_cancels"), ("asyncio_pipe", "tick")],
    ids=["before the loop's first step", "in a step of the loop"],
)
def test_ctrl_c_leaves_no_word_of_a_task(tmp_path, where, what):
    script = INTERRUPTED.replace("WHERE", where).replace("WHAT", repr(what))
    assert called(tmp_path, script) == ["interrupted True"]
