"""What only the programs beyond one machine do: workers that join, a cluster that runs already."""

import re
import sys

import pytest

from tests.harness import (
    FOREVER,
    RunningProgram,
    command_of,
    copy_of_program,
    kill,
    on_posix,
    run,
    wait_until,
    with_each,
)

HOSTS = ["127.0.0.2", "0.0.0.0"] if sys.platform == "linux" else ["127.0.0.1"]
SOCKETS = ["beyond/listener_client.py", "beyond/manager_queue.py"]
COUNT = 5_000_000  # some tenths of a second
LINE = r"Process ID: \d+, name: (.+), subtotal: ([\d,]+)\n"


def check_output(out):
    """Check that each of the five counts is there once, and their total; return the names."""
    assert re.search(rf"\n({LINE}){{5}}Elapsed: .+\nTotal: {5 * COUNT:,}\n$", out), out
    names, subtotals = zip(*re.findall(LINE, out), strict=True)
    assert set(subtotals) == {f"{COUNT:,}"}
    return set(names)


@on_posix
@pytest.mark.parametrize(
    ("program", "message"),
    list(zip(SOCKETS, ("no worker is left\n", "the manager died\n"), strict=True)),
)
def test_every_other_process_is_killed(tmp_path, program, message):
    with RunningProgram(tmp_path, program, "--workers", 2, "--count", FOREVER) as started:
        wait_until(lambda: len(started.busy()) == 2, "two workers count")
        # Without a tracker Python would start one, and warn of it.
        others = [one for one in started.others() if "resource_tracker" not in command_of(one)]
        assert len(others) >= 2
        assert (
            kill(others) >= 1
        )  # with the first one gone, the others may end before their turn
        status, _, err = started.finish()
        started.assert_nothing_left()
    assert (status, err) == (1, message)


@on_posix
@pytest.mark.parametrize(("program", "host"), with_each(SOCKETS, HOSTS))
def test_a_worker_joins_from_another_terminal(tmp_path, program, host):
    """It comes from another address than 127.0.0.1, where the machine has one."""
    file = copy_of_program(tmp_path, program)
    right, wrong = {"COUNTING_KEY": "a"}, {"COUNTING_KEY": "b"}
    arguments = ("--listen", f"{host}:0", "--workers", 1, "--count", COUNT)
    with RunningProgram(tmp_path, file, *arguments, **right) as started:
        head = started.read_until("With a wrong key")
        port = re.search(r"Listening on .+:(\d+)\n", head)[1]
        join = ("--connect", f"{HOSTS[0]}:{port}")
        with RunningProgram(tmp_path, file, *join, **right) as joined:
            assert run(tmp_path, file, *join, **wrong) == (1, "", "digest sent was rejected\n")
            status, out, err = started.finish()
            assert (status, err) == (0, "")
            assert joined.finish() == (0, "", "")
    assert check_output(head + out) == {"Worker 1", "MainProcess"}
    status, out, err = run(tmp_path, file, *join, **right)
    assert (status, out) == (1, "")
    assert re.fullmatch(r"\[Errno \d+\] Connection refused\n", err)


@on_posix
def test_dask_on_a_cluster_that_runs_already(tmp_path):
    """`dask scheduler` and two `dask worker`; one of them is killed."""
    dask = tmp_path / "run_dask.py"
    dask.write_text(
        "import os, sys\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'dask', *sys.argv[1:]])\n"
    )
    common = ("--scheduler-file", "cluster.json", "--host", "127.0.0.1", "--no-dashboard")
    with RunningProgram(tmp_path, dask, "scheduler", *common, "--port", 0):
        written = tmp_path / "cluster.json"
        address = wait_until(
            lambda: written.exists() and re.search(r"tcp://[\d.:]+", written.read_text()),
            "a scheduler",
        )[0]
        with RunningProgram(tmp_path, dask, "worker", *common, "--nworkers", 2) as workers:
            for _ in range(2):  # with one that is killed before, dask gives up the other too
                assert any("Registered to" in line for line in workers.process.stderr)
            arguments = ("--scheduler", address, "--count", COUNT)
            with RunningProgram(tmp_path, "beyond/dask_queue.py", *arguments) as started:
                begin = started.read_until(LINE)
                assert kill(workers.workers()[:1]) == 1
                status, out, err = started.finish()
                started.assert_nothing_left()
    assert (status, err) == (0, "")
    check_output(begin + out)
