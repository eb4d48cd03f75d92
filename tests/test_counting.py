"""What serial_total.py, queue_totals.py and pipe_totals.py count, and how their workers may end."""

import itertools
import re
import signal

import pytest

from tests.harness import (
    FOREVER,
    RunningProgram,
    copy_of_program,
    in_turn,
    kill,
    on_posix,
    run,
    with_each,
)

PROGRAMS = ["queue_totals.py", "pipe_totals.py"]
SIZES = [(100, 10), (1, 0), (1, 1000)]  # a hundred are forked: that is the fastest
LINE = re.compile(r"Process ID: (\d+), name: (.+), subtotal: ([\d,]+)")


def check_output(output, workers, count):
    """Check the lines against each other; return the ID and the name of each worker."""
    first, *results, elapsed, total = output.splitlines()
    assert re.fullmatch(r"Parent process ID: \d+", first)
    found = [LINE.fullmatch(line) for line in results]
    assert all(found) and len(found) == workers
    assert {match[3] for match in found} == {f"{count:,}"}
    assert re.fullmatch(r"Elapsed: \d+\.\d\d s", elapsed)
    assert total == f"Total: {workers * count:,}"
    return {match[1] for match in found}, {match[2] for match in found}


@pytest.mark.parametrize(("case", "method"), in_turn(itertools.product(PROGRAMS, SIZES)))
def test_each_worker_counts_once(tmp_path, case, method):
    program, (workers, count) = case
    arguments = ("--workers", workers, "--count", count, "--start-method", method)
    status, out, err = run(tmp_path, program, *arguments)
    assert (status, err) == (0, "")
    ids, names = check_output(out, workers, count)
    assert names == {f"Worker {n}" for n in range(1, workers + 1)}
    assert len(ids) == workers


@pytest.mark.parametrize(("workers", "count"), SIZES)
def test_the_serial_program_counts_in_one_process(tmp_path, workers, count):
    arguments = ("--workers", workers, "--count", count)
    status, out, err = run(tmp_path, "serial_total.py", *arguments)
    assert (status, err) == (0, "")
    ids, names = check_output(out, workers, count)
    assert len(ids) == 1 and names == {"MainProcess"}


@on_posix
@pytest.mark.parametrize(
    ("program", "number"), with_each(PROGRAMS, [signal.SIGTERM, signal.SIGSEGV])
)
def test_names_the_signal_that_ended_a_worker(tmp_path, program, number):
    with RunningProgram(tmp_path, program, "--workers", 3, "--count", FOREVER) as started:
        victim = started.wait_for_workers(3, busy=0.1)[1]
        assert kill([victim], number) == 1
        status, out, err = started.finish()
        started.assert_nothing_left()
    last = err.splitlines()[-1]  # faulthandler writes before it when it was SIGSEGV
    message = r"Worker \d \(process ID (\d+)\) ended without a result, exit code (-\d+)"
    assert re.fullmatch(message, last).groups() == (str(victim.pid), str(-number))
    assert (status, len(out.splitlines())) == (1, 1)


SABOTAGE = {  # what a worker does instead: the body of its function, and the exit code it gives
    "killed before": ("os.kill(os.getpid(), 9)", -9),
    "exception": ("raise ValueError('no')", 1),
    "sys.exit": ("sys.exit(3)", 3),
    "sys.exit(0)": ("sys.exit(0)", 0),
    "os._exit": ("os._exit(4)", 4),
    "killed after": ("answer(); os.kill(os.getpid(), 9)", -9),
    "exception after": ("answer(); raise ValueError('late')", 1),
}
SCRIPT = """
import os, sys
import {module} as program

def count_up(*args):
    def answer():
        if "{module}" == "pipe_totals":
            args[1].send(args[0])
        else:
            args[2].put((args[0], args[1])), args[2].close(), args[2].join_thread()
    {body}

program.count_up = count_up

if __name__ == "__main__":
    try:
        program.main(3, 1000, sys.argv[1])
    except ChildProcessError as error:
        sys.exit(str(error))
"""


@on_posix
@pytest.mark.parametrize(("case", "method"), in_turn(itertools.product(SABOTAGE, PROGRAMS)))
def test_a_worker_that_ends_badly(tmp_path, case, method):
    how, program = case
    body, code = SABOTAGE[how]
    module = copy_of_program(tmp_path, program).stem
    script = tmp_path / "sabotage.py"
    script.write_text(SCRIPT.format(module=module, body=body))
    status, out, err = run(tmp_path, script, method)
    if how.endswith("after") and program == "pipe_totals.py":  # its result was out
        assert status == 0
        check_output(out, 3, 1000)
    else:  # of a Queue, one that dies may have taken the lock with it, also after its result
        assert status == 1
        when = "(without a|after its)" if how.endswith("after") else "without a"
        message = rf"^Worker \d \(process ID \d+\) ended {when} result, exit code {code}$"
        assert re.search(message, err, re.MULTILINE)
    assert ("Traceback" in err) == how.startswith("exception")
