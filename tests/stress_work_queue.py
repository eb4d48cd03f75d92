"""Run the work queue again and again, each time killing a random worker at a random moment.

make stress, or: python -m tests.stress_work_queue --runs 100 --seed 1
"""

import argparse
import collections
import random
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.harness import EXAMPLES, START_METHODS, RunningProgram, wait_until, workers_of

JOBS = 40
SCRIPT = f"""
import sys, time, work_queue

def answer(job):
    return bytes([job]) * (job * job * 1000)  # up to 1.6 MB: many a kill is in mid-answer

def do_job(job, attempt):
    with open("begun", "a") as file:
        file.write(f"{{job}}\\n")
    time.sleep(0.03)
    return answer(job)

work_queue.do_job = do_job

if __name__ == "__main__":
    context = work_queue.multiprocessing.get_context(sys.argv[1])
    for result in work_queue.work_queue(range(1, {JOBS + 1}), 3, 6, context):
        job, attempt, done, value = result
        print(job, attempt, done, value == answer(job), flush=True)
"""


def run_once(folder, method, chance):
    """Kill one worker; return whether there was one, and how many jobs were done again.

    Every job has to be in the results, once, in order and right.
    """
    shutil.copy(EXAMPLES / "recipes" / "work_queue.py", folder)
    script = Path(folder, "stressed.py")
    script.write_text(SCRIPT)
    Path(folder, "begun").write_text("")
    with RunningProgram(folder, script, method) as started:
        program = psutil.Process(started.process.pid)
        wait_until(lambda: workers_of(program), "a worker runs")
        time.sleep(chance.uniform(0, 0.3))  # the moment is the matter of the test
        workers = workers_of(program)
        killed = bool(workers)
        if killed:
            chance.choice(workers).kill()
        status, out, err = started.finish()
        started.assert_nothing_left()
    assert (status, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows] == [str(job) for job in range(1, JOBS + 1)]
    assert all(re.fullmatch("[12] True True", " ".join(row[1:])) for row in rows), rows
    again = sum(row[1] == "2" for row in rows)
    assert again <= killed
    begun = collections.Counter(Path(folder, "begun").read_text().split())
    assert sum(begun.values()) <= JOBS + again
    return killed, again


def main(runs=100, seed=None):
    """Stress the work queue under each start method in turn; return the counts."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    print(f"Runs: {runs}, seed: {seed}", flush=True)
    chance = random.Random(seed)
    counts = collections.Counter()
    started = time.perf_counter()
    for run in range(runs):
        method = START_METHODS[run % len(START_METHODS)]
        with tempfile.TemporaryDirectory() as folder:
            try:
                killed, again = run_once(folder, method, chance)
            except Exception as error:
                counts["failed"] += 1
                print(f"Run {run + 1}, {method}: {error!r}", flush=True)
                continue
        counts.update(ended=1, killed=killed, again=again, unharmed=killed and not again)
    print(
        f"Runs with every job in the results once, in order and right: {counts['ended']} of "
        f"{runs}; workers killed: {counts['killed']}, with a job in hand: {counts['again']}, "
        f"without: {counts['unharmed']}; runs that failed or hung: {counts['failed']}; "
        f"{time.perf_counter() - started:.0f} s",
        flush=True,
    )
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill a worker of the work queue, and again.")
    parser.add_argument("--runs", type=int, default=100, help="how many")
    parser.add_argument("--seed", type=int, help="of the moments and the victims")
    args = parser.parse_args()
    sys.exit(1 if main(args.runs, args.seed)["failed"] else 0)
