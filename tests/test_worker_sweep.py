"""What worker_sweep.py writes down of each run, and workers that end without a result."""

import csv
import itertools
import statistics

import pytest

from tests.harness import copy_of_program, numbers_of, on_posix, run


def test_writes_each_run_that_its_table_sums_up(tmp_path):
    arguments = "--workers 1 2 3 --total 10001 --runs 3 --csv all.csv"
    status, out, err = run(tmp_path, "worker_sweep.py", *arguments.split())
    assert (status, err) == (0, "")
    with (tmp_path / "all.csv").open(newline="") as file:
        head, *runs = csv.reader(file)
    assert head == ["run", "channel", "workers", "seconds"]
    order = itertools.product("123", "123", ("Queue", "Pipe"))
    assert [tuple(one[:3]) for one in runs] == [
        (n, channel, size) for n, size, channel in order
    ]
    rows = [numbers_of(line) for line in out.splitlines()[-3:]]
    for size, *figures in rows:
        expected = []
        for channel in ("Queue", "Pipe"):
            times = [
                1000 * float(s) for _, name, n, s in runs if (name, int(n)) == (channel, size)
            ]
            expected += [statistics.median(times), min(times), max(times)]
        assert figures == pytest.approx(expected, abs=0.06)
    assert [row[0] for row in rows] == [1, 2, 3]


SABOTAGE = """
import os, sys, worker_sweep
for death in (lambda: os._exit(0), lambda: sys.exit(3), lambda: os.kill(os.getpid(), 9)):
    worker_sweep.count_up = lambda count, send: send(1) if count else death()
    try:
        worker_sweep.{}(worker_sweep.multiprocessing.get_context("fork"), [1, 0, 1], [])
    except ChildProcessError as error:
        print(error)
"""


@on_posix
@pytest.mark.parametrize("channel", ["through_queue", "through_pipes"])
def test_a_worker_that_ends_without_a_result(tmp_path, channel):
    copy_of_program(tmp_path, "worker_sweep.py")
    script = tmp_path / "sabotage.py"
    script.write_text(SABOTAGE.format(channel))
    assert run(tmp_path, script) == (0, "a worker ended without a result\n" * 3, "")
