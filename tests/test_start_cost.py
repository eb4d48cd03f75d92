"""What start_cost.py writes down of each start."""

import csv
import statistics

import pytest

from tests.harness import START_METHODS, numbers_of, run


def test_writes_each_start_that_its_table_sums_up(tmp_path):
    arguments = "--interpreters 2 --starts 3 --csv all.csv"
    status, out, err = run(tmp_path, "start_cost.py", *arguments.split())
    assert (status, err) == (0, "")
    with (tmp_path / "all.csv").open(newline="") as file:
        head, *starts = csv.reader(file)
    assert head == ["interpreter", "start method", "start", "seconds"]
    kinds = ["cold", "warm", "warm"]
    assert [one[:3] for one in starts] == [
        [number, method, kind] for number in "12" for method in START_METHODS for kind in kinds
    ]
    rows = iter(out.splitlines()[2:])
    for method in START_METHODS:
        name = f"{method} (default)" if method == START_METHODS[0] else method
        for kind in ("cold", "warm"):
            row = next(rows)
            assert row.startswith(f"{name:20}  {kind} ")
            times = [1000 * float(s) for _, *what, s in starts if what == [method, kind]]
            expected = [statistics.median(times), min(times), max(times)]
            assert numbers_of(row) == pytest.approx(expected, abs=0.006)
    assert next(rows, None) is None
