"""The log of logging_to_one_file.py: whole lines, and all that the living have written."""

import re

from tests.harness import RunningProgram, kill, on_posix, run, wait_until

PROGRAM = "recipes/logging_to_one_file.py"


def test_a_log_file_that_cannot_be_written(tmp_path):
    status, out, err = run(tmp_path, PROGRAM, "--file", tmp_path / "none" / "log")
    assert (status, out) == (2, "")
    assert "error: argument --file: [Errno 2]" in err.splitlines()[-1]


@on_posix
def test_a_worker_is_killed_and_no_line_of_the_others_is_lost(tmp_path):
    log = tmp_path / "workers.log"
    arguments = ("--workers", 3, "--lines", 4000, "--file", log)
    with RunningProgram(tmp_path, PROGRAM, *arguments) as started:
        wait_until(lambda: log.exists() and "Worker 1" in log.read_text(), "it logs")
        assert kill(started.workers()[:1]) == 1
        status, out, err = started.finish()
    assert (status, err) == (1, "")
    lines = log.read_text().splitlines()
    written = {n: [] for n in "123"}
    for line in lines:
        worker, number = re.search(r" Worker (\d): line (\d+) is whole$", line).groups()
        written[worker].append(int(number))
    assert all(found == list(range(1, len(found) + 1)) for found in written.values())
    assert len(written["2"]) == len(written["3"]) == 4000 > len(written["1"])
    lost = 4000 - len(written["1"])
    assert out.endswith(f"Lines in the file: {len(lines):,}, lost or broken: {lost:,}\n")
