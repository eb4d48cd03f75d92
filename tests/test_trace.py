"""A traced run does the same as one that isn't, and what its processes note fits together."""

import re
import textwrap

import pytest

from recorder import supervisor, trace
from recorder.recording import Recording
from recorder.watch import Run, watch
from render.build import build
from render.messages import Picture, match_messages, participants
from render.requests import VIEWS, Names
from render.runs import PageError, read_runs
from tests.harness import EXAMPLES, PYTHON, TIMEOUT, with_start_method

pytestmark = pytest.mark.skipif(not supervisor.SEES_ALL, reason="needs a pipe's inode")
QUEUE, PIPE = EXAMPLES / "queue_totals.py", EXAMPLES / "pipe_totals.py"
BROKEN, FIXED = (EXAMPLES / f"faults/two_way_deadlock_{end}.py" for end in ("broken", "fixed"))
TRACED = {name: run for name, run in read_runs().items() if run.traced}
SLOW = ("first_steps/", "patterns/")
SMALL = ("--workers", "3", "--count", "1000")


def traced(program, *arguments, **options):
    """Watch a program that is traced, on the Python of the tests."""
    return watch(program, arguments, traced=True, python=PYTHON, **options)


@pytest.fixture
def program(tmp_path):
    """Write a program to a file and return the file."""

    def write(text):
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(text))
        return file

    return write


def messages_of(recording):
    """The messages of a run; each fits together."""
    found = match_messages(participants(recording).values())
    for message in found:
        assert message.sent.began >= 0
        assert message.put is None or message.put.began <= message.sent.began
        if message.taken:
            assert message.taken.size == message.sent.size
            assert message.sent.began <= message.taken.ended <= recording.wall + 0.1
    for process in recording.traced:
        assert all(call.ended is None or call.began <= call.ended for call in process.calls)
    return found


def calls_of(recording, what):
    """The calls of one kind, of all processes."""
    return [
        call for process in recording.traced for call in process.calls if call.what == what
    ]


@with_start_method
def test_each_message_of_a_queue_is_put_then_sent_by_the_feeder_then_taken(method):
    seen = traced(QUEUE, *SMALL, "--start-method", method)
    assert seen.status == 0 and seen.lines[-1].text == "Total: 3,000"
    found = messages_of(seen)
    assert len(found) == 3 and all(message.put and message.taken for message in found)
    assert all(message.sent.feeder and not message.taken.feeder for message in found)
    names = [process.name for process in participants(seen).values()]
    assert names == ["", "Worker 1", "Worker 2", "Worker 3"]
    assert Picture(seen, 5, 3).draw()


@with_start_method
def test_each_message_of_a_pipe_is_sent_and_taken(method):
    found = messages_of(traced(PIPE, *SMALL, "--start-method", method))
    assert len(found) == 3 and all(message.taken for message in found)
    assert len({message.sender for message in found}) == 3
    assert len({message.receiver for message in found}) == 1


@with_start_method
def test_the_two_sockets_of_a_pipe_of_both_directions_are_known_as_one(method):
    first, second = messages_of(traced(FIXED, "--start-method", method))
    assert first.sent.size == second.sent.size > 1_000_000
    assert (first.sender, first.receiver) == (second.receiver, second.sender)
    assert first.taken.ended <= second.sent.began or second.taken.ended <= first.sent.began


@with_start_method
def test_a_hang_is_the_same_and_its_sends_never_end(method):
    plain = watch(BROKEN, ("--start-method", method), python=PYTHON)
    seen = traced(BROKEN, "--start-method", method)
    assert seen.evidence == plain.evidence == "kernel"
    assert seen.output == plain.output
    found = messages_of(seen)
    assert len(found) == 2 and not any(m.sent.ended or m.taken for m in found)
    assert 'class="bp-never"' in Picture(seen, 5, 3).draw()


@with_start_method
@pytest.mark.parametrize(
    "name",
    ["worker_exception_broken", "unpicklable_put_broken", "lambda_target_broken", "join_before_get_broken"],
)  # fmt: skip
def test_output_and_ending_are_the_same(name, method):
    plain, seen = (
        watch(
            EXAMPLES / f"faults/{name}.py",
            ("--start-method", method),
            python=PYTHON,
            traced=one,
        )
        for one in (False, True)
    )
    assert (seen.status, seen.ended, seen.evidence) == (
        plain.status,
        plain.ended,
        plain.evidence,
    )
    found, expected = (re.sub("0x[0-9a-f]+", "0x...", one.output) for one in (seen, plain))
    assert sorted(found.splitlines()) == sorted(expected.splitlines())
    assert seen.left_behind == 0 and seen.leftover == ()


def test_a_traceback_shows_the_same_lines(program):
    file = program("""
        import multiprocessing, queue, traceback

        receiver, sender = multiprocessing.Pipe(duplex=False)
        sender.close()
        for call in (receiver.recv, lambda: multiprocessing.Queue().get(timeout=0.01)):
            try:
                call()
            except (EOFError, queue.Empty):
                traceback.print_exc()
        receiver.recv_bytes(1, 2)
    """)
    plain, seen = watch(file, python=PYTHON), traced(file)
    assert calls_of(seen, "recv")[0].failed and calls_of(seen, "get")[0].failed
    assert "EOFError" in plain.output and "TypeError" in plain.output
    assert seen.output == plain.output and seen.status == plain.status == 1


def test_a_program_sees_the_modules_and_the_paths_that_it_would_see(program):
    file = program("""
        import sys
        print(sorted(m for m in sys.modules if "multiprocessing" in m or "mmap" in m), sys.path)
        import multiprocessing
        print(sorted(m for m in sys.modules if "multiprocessing" in m or "mmap" in m), sys.path)
    """)
    assert traced(file).output == watch(file, python=PYTHON).output


def test_a_killed_process_leaves_what_it_noted(program):
    file = program("""
        import multiprocessing, os, signal

        def work(sender):
            sender.send(b"1234")
            os.kill(os.getpid(), signal.SIGKILL)

        if __name__ == "__main__":
            receiver, sender = multiprocessing.Pipe(duplex=False)
            worker = multiprocessing.Process(target=work, args=(sender,))
            worker.start()
            print(receiver.recv())
            worker.join()
    """)
    (found,) = messages_of(traced(file))
    assert found.taken and found.sent.size > 4
    assert calls_of(traced(file), "run")[0].ended is None


def test_what_was_noted_is_read_however_late_the_recorder_comes(program, monkeypatch):
    watch_run = Run.watch

    def watch_late(run, *arguments):
        run.supervisor.wait(TIMEOUT)  # the folder of the run is removed by then
        return watch_run(run, *arguments)

    monkeypatch.setattr(Run, "watch", watch_late)
    assert calls_of(traced(program("import multiprocessing\nmultiprocessing.Pipe()")), "pipe")


def test_of_many_calls_the_first_and_the_last_are_kept_and_the_others_counted(program):
    file = program("""
        import multiprocessing

        receiver, sender = multiprocessing.Pipe(duplex=False)
        for number in range(5000):
            sender.send_bytes(bytes(number))
            receiver.recv_bytes()
    """)
    seen = traced(file)
    (process,) = seen.traced
    sizes = [call.size for call in process.calls if call.what == "send"]
    assert sizes[:3] == [0, 1, 2] and sizes[-1] == 4999 and sizes == sorted(sizes)
    assert process.left_out > 0 and len(process.calls) + process.left_out == 10_001
    assert len(process.calls) < trace.PART / trace.RECORD
    found = messages_of(seen)
    assert all(message.taken for message in found[:-1]) and len(found) > 900


def test_of_what_a_receiver_waits_for_the_size_is_known(program):
    file = program("""
        import multiprocessing, os, struct

        receiver, sender = multiprocessing.Pipe(duplex=False)
        os.write(sender.fileno(), struct.pack("!i", 5_000_000) + b"beginning")
        receiver.recv_bytes()
    """)
    seen = traced(file)
    assert seen.hung
    (call,) = calls_of(seen, "recv")
    assert call.size == 5_000_000 and call.ended is None


def test_threads_that_send_are_told_apart_and_the_feeder_is_known(program):
    file = program("""
        import multiprocessing, threading

        receiver, sender = multiprocessing.Pipe(duplex=False)
        thread = threading.Thread(target=sender.send, args=(1,))
        thread.start()
        thread.join()
        queue = multiprocessing.Queue()
        queue.put(2)
        print(receiver.recv(), queue.get())
    """)
    seen = traced(file)
    sends = calls_of(seen, "send")
    assert [send.feeder for send in sends] == [False, True]
    assert len({send.thread for send in sends} | {calls_of(seen, "put")[0].thread}) == 3


def test_a_run_that_is_not_traced_notes_nothing():
    assert watch(PIPE, SMALL, python=PYTHON).traced == ()


def test_what_was_noted_goes_to_json_and_back():
    seen = traced(PIPE, *SMALL)
    assert seen.traced and Recording.from_json(seen.to_json()) == seen


def test_the_program_s_own_sitecustomize_is_imported_too(program):
    file = program("""
        import os, subprocess, sys

        with open("sitecustomize.py", "w") as other:
            other.write("print('the other one')")
        os.environ["PYTHONPATH"] += os.pathsep + os.getcwd()
        print(subprocess.run([sys.executable, "-c", ""], capture_output=True, text=True).stdout)
    """)
    assert "the other one" in traced(file).output


def test_where_python_has_other_private_names_it_does_without(program):
    file = program("""
        import sitecustomize, types

        for name in sitecustomize.REPLACED:
            sitecustomize.replace_in(types.SimpleNamespace(), name)
        print("fine")
    """)
    seen = traced(file)
    assert seen.output == "fine\n" and seen.traced == ()


@pytest.mark.parametrize(
    "name", [name for name, run in TRACED.items() if not run.program.startswith(SLOW)]
)
def test_each_traced_run_comes_out_as_it_must_and_has_a_picture(name):
    spec = TRACED[name].spec()
    seen = traced(spec.program, *spec.arguments, hangs=spec.hangs, name=spec.name)
    TRACED[name].check(seen)
    assert messages_of(seen)
    assert len(Picture(seen, 12, 3).draw()) < 15_000


def test_no_figure_comes_from_a_traced_run():
    assert TRACED
    for name in TRACED:
        with pytest.raises(PageError, match="traced"):
            Names(VIEWS)[name]
        assert not build.run(name).timed
