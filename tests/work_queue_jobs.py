"""What the workers do in test_work_queue.py, in a module of its own: spawned workers import it."""

import multiprocessing
import os
import pathlib
import signal
import struct
import sys
import time


def wait_for(condition, timeout=60):
    """Wait until a condition holds, in a worker, where nothing asserts."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what a worker waited for never came true")
        time.sleep(0.01)


def note(folder, name):
    """Append the process ID to a file; return how many there are."""
    with open(pathlib.Path(folder, name), "a") as file:
        file.write(f"{os.getpid()}\n")
    return len(noted(folder, name))


def noted(folder, name):
    """Return the process IDs in a file."""
    path = pathlib.Path(folder, name)
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def same(job):
    return job


def double(job):
    return 2 * job


def add(job, loaded):
    return job + loaded


class Unwilling:
    """Can be pickled, but not unpickled."""

    def __reduce__(self):
        return int, ("no number",)


def trouble(job):
    """Do what the job says."""
    if job == "raise":
        raise ValueError("no luck")
    if job == "raise oddly":
        raise type("Local", (Exception,), {"__str__": lambda self: 1 / 0})()
    if job == "sys.exit":
        sys.exit(3)
    if job == "exit":
        os._exit(3)
    if job == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "unpicklable":
        return lambda: 0
    if job == "unwilling":
        return Unwilling()
    if job == "large":
        return bytes(5_000_000)
    if job == "process":
        child = multiprocessing.get_context("spawn").Process(target=same, args=(1,))
        child.start()
        child.join()
        return child.exitcode
    return job


def report(job):
    """Note the start of a job, and then do it."""
    folder, name = job
    note(folder, name)
    return trouble(name)


def nap(job):
    time.sleep(job)
    return job


def own_pid(_):
    return os.getpid()


def stop_in_setup(folder):
    """Stop for ever in the first worker; the others wait until it has come to that."""
    if note(folder, "setups") == 1:
        note(folder, "stopping")
        os.kill(os.getpid(), signal.SIGSTOP)
    wait_for(lambda: noted(folder, "stopping"))
    return 100


def meet(folder):
    """Wait until another worker has come as well; return the own process ID."""
    if folder:
        note(folder, "met")
        wait_for(lambda: len(noted(folder, "met")) == 2)
    return os.getpid()


def never(job):
    folder, job = job
    if job == "late":
        note(folder, "late")
        time.sleep(3600)
    return job


def load_count(folder):
    note(folder, "setups")
    return 100


def fail_in_setup():
    raise LookupError("no model")


def die_in_setup():
    os._exit(7)


def hold_back(job):
    """Wait for a file, in the first job."""
    folder, number = job
    if number == 0:
        wait_for(pathlib.Path(folder, "go on").exists)
    return number


def kill_the_idle(folder, _):
    """Kill the three idle workers in the first job, and wait for those that replace them."""
    if not noted(folder, "killer"):
        note(folder, "killer")
        wait_for(lambda: len(noted(folder, "setups")) == 4)
        for pid in set(noted(folder, "setups")) - {os.getpid()}:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len(noted(folder, "setups")) == 7)
    return noted(folder, "setups")


def channel():
    """Return the worker's own channel: it stands in work(), which has called the job."""
    frame = sys._getframe()
    while "channel" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["channel"]


def part_of_an_answer(job):
    """Die, or stop, in the middle of an answer, while another process holds the channel."""
    folder, job = job
    if job not in ("held", "stopped"):
        return job
    if note(folder, "begun") > 1:
        return "again"
    if job == "held" and os.fork() == 0:
        note(folder, "holder")
        time.sleep(3600)
    if job == "held":
        wait_for(lambda: noted(folder, "holder"))
    os.write(channel().writer.fileno(), struct.pack("!Q", 100_000) + b"part of an answer")
    os.kill(os.getpid(), signal.SIGKILL if job == "held" else signal.SIGSTOP)
    return "never"


SEEN = []


def add_to_shared(job):
    """Change the job, and return what the next job will change."""
    job.append("seen")
    SEEN.append(len(job))
    return SEEN
