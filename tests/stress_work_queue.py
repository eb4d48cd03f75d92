"""Attack the work queue again and again, each time in another way, and count what holds.

make stress, or: python -m tests.stress_work_queue --runs 100 --seed 1

Each run has jobs of its own (slow, huge, failing, deadly, late, not to be pickled) and an attack:
workers killed or stopped, Ctrl-C once or twice, the parent killed, the consumer gone.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.harness import START_METHODS, RunningProgram, copy_of_program, wait_until

SCRIPT = """
import hashlib, json, os, pathlib, signal, sys, time
import work_queue

PLAN = json.loads(pathlib.Path("plan.json").read_text())

class Huge:
    def __init__(self, number):
        self.number, self.content = number, bytes(PLAN["huge"])

def expected(kind, number):
    return [number] * (PLAN["huge"] // 16) if kind == "huge" else number * number

def do_job(job):
    kind, number = job[:2]
    with open("begun", "a") as file:
        file.write(f"{number} {os.getpid()}\\n")
    if kind == "slow":
        time.sleep(0.05)
    if kind == "late":
        time.sleep(3600)
    if kind == "raise":
        raise ValueError(number)
    if kind == "exit":
        os._exit(3)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "unpicklable result":
        return lambda: number
    return expected(kind, number)

def source():
    for number, kind in enumerate(PLAN["kinds"]):
        if kind == "wait":
            yield from [work_queue.NOT_YET] * 2
        if kind == "huge":
            yield kind, number, Huge(number)
        elif kind == "unpicklable":
            yield kind, number, lambda: number
        else:
            yield kind, number

def main():
    options = PLAN["options"]
    for count, result in enumerate(work_queue.work_queue(source(), do_job, **options), 1):
        kind, number = result.job[:2]
        right = not result.error and result.value == expected(kind, number)
        print(json.dumps([number, result.number, right, result.error, result.attempts]), flush=True)
        if count == PLAN["leave_after"]:
            break
    print(json.dumps("end"), flush=True)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, work_queue.interrupt_once)
    try:
        pathlib.Path("ready").touch()
        main()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
"""
ERRORS = {  # kind: how its error begins
    "raise": ("ValueError: ",),
    "exit": ("ChildProcessError: ",),
    "kill": ("ChildProcessError: ",),
    "late": ("TimeoutError: ",),
    "unpicklable": ("AttributeError: ", "_pickle.PicklingError: ", "pickle.PicklingError: "),
}
ERRORS["unpicklable result"] = ERRORS["unpicklable"]
ATTACKS = (
    "nothing",
    "kill",
    "kill",
    "kill",
    "stop",
    "Ctrl-C",
    "Ctrl-C twice",
    "parent",
    "leave",
)


def make_plan(chance, method):
    """Return the jobs, the options and the attack of one run."""
    attack = chance.choice(ATTACKS)
    harmful = chance.choices(
        ["raise", "exit", "kill", "unpicklable", "unpicklable result", "huge"],
        k=chance.randrange(5),
    )
    limited = attack == "stop" or chance.random() < 0.15
    kinds = chance.choices(["plain", "slow", "wait"], [6, 3, 1], k=chance.randint(5, 50))
    kinds += harmful + ["late"] * (limited and chance.randrange(2))
    chance.shuffle(kinds)
    kills = chance.randint(1, 3) if attack == "kill" else 0
    options = {
        "workers": chance.randint(1, 4),
        "attempts": kills + chance.randint(1, 2),  # so that no kill makes a job fail
        "batch": chance.choice([1, 1, 1, 3, 16]),
        "bound": chance.choice([None, 1, 2, 7, 60]),
        "ordered": chance.random() < 0.6,
        "time_limit": 4 if limited else None,
        "start_method": method,
    }
    leave_after = chance.randint(1, len(kinds)) if attack == "leave" else 0
    plan = {"kinds": kinds, "options": options, "leave_after": leave_after}
    return plan | {
        "attack": attack,
        "kills": kills,
        "huge": chance.choice([10**5, 10**6, 10**7]),
    }


def attack_workers(started, folder, plan, chance):
    """Kill or stop workers at random moments; return how many.

    By the time that a job has begun, the resource tracker and the fork server are what they say
    that they are. A worker that is stopped has begun a job: nothing limits a setup.
    """
    begun = Path(folder, "begun")
    wait_until(lambda: started.process.poll() is not None or begun.read_text(), "a job begins")
    hit = 0
    for _ in range(plan["kills"] or 1):
        time.sleep(chance.uniform(0, 0.3))  # the moment is the matter of the test
        victims = started.workers()
        if plan["attack"] == "stop":
            known = begun.read_text().split()[1::2]
            victims = [victim for victim in victims if str(victim.pid) in known]
        if victims:
            victim = chance.choice(victims)
            victim.kill() if plan["attack"] == "kill" else victim.suspend()
            hit += 1
    return hit


def strike(started, folder, plan, chance):
    """Do what the plan's attack is, at a random moment; return how many workers it hit."""
    attack = plan["attack"]
    try:
        if attack in ("kill", "stop"):
            return attack_workers(started, folder, plan, chance)
        if attack in ("Ctrl-C", "Ctrl-C twice", "parent"):
            time.sleep(chance.uniform(0, 0.6))
        if attack == "parent":
            started.process.kill()
        elif attack.startswith("Ctrl-C"):
            started.interrupt()
        if attack == "Ctrl-C twice":
            time.sleep(chance.uniform(0, 0.008))
            os.killpg(started.process.pid, signal.SIGINT)
    except (psutil.NoSuchProcess, ProcessLookupError):
        pass  # it was at its end
    return 0


def check_results(plan, lines, whole, hit):
    """Fail unless each job has one result, in order if so asked, and the right one."""
    options, kinds = plan["options"], plan["kinds"]
    numbers = [line[0] for line in lines]
    assert len(numbers) == len(set(numbers)), f"a job has two results: {numbers}"
    assert all(line[0] == line[1] for line in lines), lines
    if options["ordered"]:
        assert numbers == list(range(len(numbers))), numbers
    if whole:
        assert sorted(numbers) == list(range(len(kinds))), numbers
    late = 0
    for number, _, right, error, attempts in lines:
        kind = kinds[number]
        if options["time_limit"] and kind != "late" and error.startswith("TimeoutError"):
            late += 1  # stopped, not slow
            continue
        if kind in ERRORS:
            assert error.startswith(ERRORS[kind]), (kind, error)
        else:
            assert right and not error, (kind, error)
        assert attempts <= options["attempts"]
        if kind in ("exit", "kill"):
            assert attempts == options["attempts"], (kind, attempts)
    assert late <= hit * (plan["attack"] == "stop"), f"{late} jobs are late, {hit} stopped"


def check_begun(plan, lines, folder):
    """Fail when a job was begun more often than its result says; a batch may be done again."""
    begun = collections.Counter(Path(folder, "begun").read_text().split()[::2])
    if plan["options"]["batch"] == 1:
        for number, _, _, _, attempts in lines:
            assert begun[str(number)] <= attempts, (number, begun[str(number)], attempts)


def run_once(folder, plan, chance, python=sys.executable):
    """Carry out one plan in a folder; return how many workers were hit, or fail."""
    copy_of_program(folder, "recipes/work_queue.py")
    script = Path(folder, "stressed.py")
    script.write_text(SCRIPT)
    Path(folder, "plan.json").write_text(json.dumps(plan))
    Path(folder, "begun").write_text("")
    with RunningProgram(folder, script, python=python) as started:
        wait_until(Path(folder, "ready").exists, "the program has begun")
        hit = strike(started, folder, plan, chance)
        status, out, err = started.finish()
        started.assert_nothing_left()
    said = out.splitlines()
    if plan["attack"] == "parent" and said and not said[-1].endswith(("]", '"end"')):
        said.pop()  # killed in the middle of a line
    lines = [json.loads(line) for line in said]
    whole = bool(lines) and lines[-1] == "end" and not plan["leave_after"]
    check_results(plan, [line for line in lines if line != "end"], whole, hit)
    check_begun(plan, [line for line in lines if line != "end"], folder)
    if plan["attack"] == "parent":
        assert status in (0, -signal.SIGKILL), (
            status
        )  # a worker half started may say something
    elif started.pressed and status:
        assert (status, err) in ((130, "Interrupted\n"), (-signal.SIGINT, "")), (status, err)
    else:
        assert (status, err) == (0, "") and lines[-1] == "end", (status, err)
        assert whole or plan["leave_after"]
    return hit


def shared_memory():
    """Return the names of what multiprocessing has in /dev/shm, where there is such a folder."""
    folder = Path("/dev/shm")
    names = os.listdir(folder) if folder.exists() else []
    return {name for name in names if name.startswith(("pym-", "psm_", "sem.mp-", "mp-"))}


def attempt(run, seed, python):
    """Make the plan of a run from its seed and carry it out; return what is to be counted."""
    chance = random.Random(f"{seed} {run}")
    plan = make_plan(chance, START_METHODS[run % len(START_METHODS)])
    with tempfile.TemporaryDirectory() as folder:
        try:
            hit = run_once(folder, plan, chance, python)
        except Exception as error:
            print(f"Run {run}, {python}: {plan}: {error!r}", flush=True)
            return {"failed": 1}
    return {"held": 1, plan["attack"]: 1, "workers hit": hit, "jobs": len(plan["kinds"])}


def main(runs=100, seed=None, first=0, pythons=(sys.executable,), at_once=2):
    """Stress the work queue under each start method in turn; return the counts.

    Args:
        runs (int): How many runs.
        seed (int | None): Of plans and moments; None: a new one, which is printed.
        first (int): The number of the first run, to repeat a single one.
        pythons (Sequence[str]): The interpreters, taken in turn.
        at_once (int): How many runs go on at the same time.

    Returns:
        collections.Counter: How many held and failed, and what was done to them.
    """
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    print(f"Runs: {runs}, seed: {seed}", flush=True)
    started, counts = time.perf_counter(), collections.Counter()
    before = shared_memory()
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        numbers = range(first, first + runs)
        used = [pythons[run // len(START_METHODS) % len(pythons)] for run in numbers]
        for run, count in enumerate(pool.map(attempt, numbers, [seed] * runs, used), 1):
            counts.update(count)
            if run % 100 == 0:
                print(f"{run} runs, failed: {counts['failed']}", flush=True)
    counts["left in /dev/shm"] = len(shared_memory() - before)
    done = ", ".join(f"{name}: {count}" for name, count in counts.items())
    print(f"{done}; {time.perf_counter() - started:.0f} s", flush=True)
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Attack the work queue, again and again.")
    parser.add_argument("--runs", type=int, default=100, help="how many")
    parser.add_argument("--seed", type=int, help="of the plans and the moments")
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--python", action="append", help="an interpreter; may be repeated")
    parser.add_argument("--at-once", type=int, default=2, help="runs at the same time")
    args = parser.parse_args()
    pythons = args.python or [sys.executable]
    counts = main(args.runs, args.seed, args.first, pythons, args.at_once)
    sys.exit(1 if counts["failed"] or counts["left in /dev/shm"] else 0)
