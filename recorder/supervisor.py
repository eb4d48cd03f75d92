"""Starts one program, outlives every process of its run, and removes the run's folder.

It runs as a process of its own, so that it does its work however the recorder ends: the pipe
from the recorder closes when the recorder says so, and also when it dies. On Linux each
process that loses its parent becomes a child of this one (a "subreaper"), so none can leave
the run; and the run is over for certain when this process has no child left.

    python -I -S supervisor.py FOLDER COUNT PROGRAM FILES... PYTHON ARGUMENTS...

Standard input is the pipe from the recorder, standard output takes reports, standard error is
the program's output. It starts with each run: what it imports has to be quick to import.
"""

import _signal  # type: ignore[import-not-found]  # `signal` takes 7 ms to import
import _thread
import contextlib
import ctypes
import marshal
import os
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
SHARED = b" /dev/shm/"  # in a line of what a process has mapped
RESOURCE_TRACKER = b"multiprocessing.resource_tracker"
TRACKER_GRACE = 2.0  # seconds in which it may take away what killed processes left
# Whether the kernel lists a process's children, and gives a subreaper the orphans.
SEES_ALL = os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")


def main() -> None:
    """Do what the command line says."""
    folder, count, *words = sys.argv[1:]
    files, (python, *arguments) = words[: int(count)], words[int(count) :]
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        _signal.signal(number, _signal.SIG_IGN)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # ignored, it would hide how children end
    if SEES_ALL:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    error = ""
    mapped: set[int] = set()
    try:
        run_folder = prepare(folder, files)
        made = os.stat(run_folder).st_ctime
        nothing = os.open(os.devnull, os.O_RDWR)
        started = time.monotonic()
        child = start(run_folder, nothing, [python, os.path.basename(files[0]), *arguments])
        tell("start", child, started)
        os.dup2(nothing, 2)
        _thread.start_new_thread(end_when_told, (child, mapped))
        reap()
        remove_shared(mapped, made)
    except (OSError, RuntimeError) as problem:  # the last: no thread can be started
        error = str(problem)
    tell("done", error, remove(folder))
    os._exit(0)  # quicker than to end the interpreter


def tell(*words: str | float | list[str]) -> None:
    """Write one line to the recorder, which may be gone."""
    with contextlib.suppress(OSError):
        os.write(1, marshal.dumps(words).hex().encode() + b"\n")


def prepare(folder: str, files: list[str]) -> str:
    """Make the folders of the run, and copy the program and its files to where it runs."""
    run_folder = os.path.join(folder, "run")
    with contextlib.suppress(FileExistsError):  # the recorder has made it, for its notes
        os.mkdir(folder, 0o700)
    lock(os.open(folder, os.O_RDONLY))  # as long as this process lives
    os.mkdir(run_folder)
    os.mkdir(os.path.join(folder, "tmp"))
    for file in files:
        copy = os.path.join(run_folder, os.path.basename(file))
        with open(file, "rb") as source, open(copy, "wb") as target:
            target.write(source.read())
    return run_folder


def lock(folder: int) -> None:
    """Hold a run's folder, so that no recorder takes it for one that was left behind."""
    import fcntl  # not on Windows

    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)


def start(run_folder: str, nothing: int, command: list[str]) -> int:
    """Start the program in a session of its own, with no signal ignored or blocked."""
    child = os.fork()
    if child:
        return child
    import resource  # not on Windows

    try:
        os.setsid()
        os.chdir(run_folder)
        for number in _signal.valid_signals() - {_signal.SIGKILL, _signal.SIGSTOP}:
            _signal.signal(number, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (0, most))  # SIGABRT leaves no core file
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        os.execv(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def reap() -> None:
    """Report the end of each child, until there is none."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status, usage = os.wait4(-1, 0)
            cpu = usage.ru_utime + usage.ru_stime  # its own, and its children's
            tell("exit", pid, os.waitstatus_to_exitcode(status), time.monotonic(), cpu)


def end_when_told(child: int, mapped: set[int]) -> None:
    """Wait for the end of the recorder's pipe, then kill what is left until `reap` returns.

    What the recorder says before is what `shared_memory` found of those that it killed itself.
    """
    while piece := os.read(0, 65536):
        mapped.update(map(int, piece.split()))
    stopped: set[int] = set()  # all, before the first is looked at: so they start no others
    while SEES_ALL and (new := {*descendants(os.getpid())} - stopped):
        stopped |= new
        for pid in new:
            with contextlib.suppress(OSError):
                os.kill(pid, _signal.SIGSTOP)
    hurry = time.monotonic() + TRACKER_GRACE
    while True:
        for pid in descendants(os.getpid()) if SEES_ALL else [-child]:
            # A resource tracker ends by itself, when it has taken the semaphores away.
            number = _signal.SIGCONT
            if time.monotonic() > hurry or not is_tracker(pid):
                number = _signal.SIGKILL
                mapped.update(shared_memory(pid))
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        time.sleep(0.001)


def shared_memory(pid: int) -> set[int]:
    """The inodes of the shared memory, and of the semaphores, that a process has mapped."""
    with contextlib.suppress(OSError):
        lines = read(f"/proc/{pid}/maps").splitlines()
        return {int(one.split()[4]) for one in lines if SHARED in one}
    return set()


def remove_shared(mapped: set[int], since: float) -> None:
    """Remove shared memory and semaphores, made since then, of which no tracker knew yet."""
    for entry in os.scandir(SHARED.strip()) if mapped else ():
        with contextlib.suppress(OSError):
            if entry.inode() in mapped and entry.stat().st_ctime >= since:
                os.unlink(entry.path)


def descendants(pid: int) -> list[int]:
    """The processes below one, as the kernel lists them at this moment."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):  # it has ended
            for task in os.listdir(f"/proc/{one}/task"):
                found += map(int, read(f"/proc/{one}/task/{task}/children").split())
    return found[1:]


def is_tracker(pid: int) -> bool:
    """Whether a process is a resource tracker of multiprocessing."""
    with contextlib.suppress(OSError):
        return RESOURCE_TRACKER in read(f"/proc/{pid}/cmdline")
    return False


def read(path: str) -> bytes:
    """The bytes of a file of the kernel's, at half the cost of open()."""
    file = os.open(path, os.O_RDONLY)
    try:
        return b"".join(iter(lambda: os.read(file, 16384), b""))
    finally:
        os.close(file)


def remove(path: str) -> list[str]:
    """Remove a file, or a folder with all that is in it; return what could not be removed."""
    left: list[str] = []
    is_folder = os.path.isdir(path) and not os.path.islink(path)
    if is_folder:
        with contextlib.suppress(OSError, RecursionError):
            os.chmod(path, 0o700)  # the program may have taken away the right to look into it
            for name in os.listdir(path):
                left += remove(os.path.join(path, name))
    try:
        (os.rmdir if is_folder else os.unlink)(path)
    except FileNotFoundError:
        pass
    except OSError:
        left = left or [path]
    return left


if __name__ == "__main__":
    main()
