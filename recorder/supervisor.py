"""Starts one program, outlives every process of its run, and removes the run's folder.

It runs as a process of its own, so that it does its work however the recorder ends: the pipe from
the recorder closes when the recorder says so, and also when it dies. On Linux each process that
loses its parent becomes a child of this one (a "subreaper"), so none can leave the run; and the
run is over for certain when this process has no child left.

    python -I -S supervisor.py CONTROL REPORT OUTPUT FOLDER PROGRAM PYTHON ARGUMENTS...

It starts with each run: what it imports has to be quick to import.
"""

import _signal  # type: ignore[import-not-found]  # `signal` takes 7 ms to import
import _thread
import contextlib
import ctypes
import os
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
RESOURCE_TRACKER = b"multiprocessing.resource_tracker"
TRACKER_GRACE = (
    2.0  # seconds in which a resource tracker may take away what killed processes left
)
# Whether the kernel lists a process's children, and gives a subreaper the orphans.
SEES_ALL = os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")


def main() -> None:
    """Do what the command line says."""
    control, report, output = pipes = [int(word) for word in sys.argv[1:4]]
    for descriptor in pipes:
        os.set_inheritable(descriptor, False)
    folder, count, *words = sys.argv[4:]
    files, (python, *arguments) = words[: int(count)], words[int(count) :]
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        _signal.signal(number, _signal.SIG_IGN)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # ignored, it would hide how children end
    if SEES_ALL:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        command = [python, os.path.basename(files[0]), *arguments]
        os.mkdir(folder, 0o700)
        run_folder = prepare(folder, files)
        started = time.monotonic()
        child = start(run_folder, output, command)
        tell(report, "start", child, started)
        os.close(output)
        _thread.start_new_thread(end_when_told, (control, child))
        reap(report)
    except OSError as error:
        tell(report, "error", f"{error.strerror}: {error.filename}")
    for path in remove(folder):
        tell(report, "left", path)
    tell(report, "done")
    os._exit(0)  # quicker than to end the interpreter


def tell(report: int, *words: object) -> None:
    """Write one line to the recorder, which may be gone."""
    with contextlib.suppress(OSError):
        os.write(report, ascii(words).encode() + b"\n")


def prepare(folder: str, files: list[str]) -> str:
    """Make the folders of the run, and copy the program, and what it needs, to where it runs."""
    run_folder = os.path.join(folder, "run")
    os.mkdir(run_folder)
    os.mkdir(os.path.join(folder, "tmp"))
    for file in files:
        copy = os.path.join(run_folder, os.path.basename(file))
        with open(file, "rb") as source, open(copy, "wb") as target:
            target.write(source.read())
    return run_folder


def start(run_folder: str, output: int, command: list[str]) -> int:
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
        # A process that is asked for its stack leaves no core file.
        resource.setrlimit(
            resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1])
        )
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.execv(command[0], command)
    except OSError as error:
        os.write(output, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def reap(report: int) -> None:
    """Report the end of each child, until there is none."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return
        cpu = usage.ru_utime + usage.ru_stime  # its own, and its children's
        tell(report, "exit", pid, os.waitstatus_to_exitcode(status), time.monotonic(), cpu)


def end_when_told(control: int, child: int) -> None:
    """Wait for the end of the control pipe, then kill all that is left until `reap` returns."""
    os.read(control, 1)
    hurry = time.monotonic() + TRACKER_GRACE
    while True:
        for pid in descendants(os.getpid()) if SEES_ALL else [-child]:
            # A resource tracker ends by itself, when it has taken the semaphores away.
            if time.monotonic() > hurry or not is_tracker(pid):
                with contextlib.suppress(OSError):
                    os.kill(pid, _signal.SIGKILL)
        time.sleep(0.001)


def descendants(pid: int) -> list[int]:
    """The processes below one, as the kernel lists them at this moment."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as children:
                for child in map(int, children.read().split()):
                    found += [child, *descendants(child)]
    except OSError:
        pass  # it has ended
    return found


def is_tracker(pid: int) -> bool:
    """Whether a process is a resource tracker of multiprocessing."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return RESOURCE_TRACKER in file.read()
    except OSError:
        return False


def remove(folder: str) -> list[str]:
    """Remove a folder with all that is in it; return what could not be removed."""
    left = []
    try:
        os.chmod(folder, 0o700)  # the program may have taken away the right to look into it
        entries = list(os.scandir(folder))
    except OSError:
        entries = []
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            left += remove(entry.path)
        else:
            try:
                os.unlink(entry.path)
            except OSError:
                left.append(entry.path)
    try:
        os.rmdir(folder)
    except OSError:
        left += [] if left or not os.path.lexists(folder) else [folder]
    return left


if __name__ == "__main__":
    main()
