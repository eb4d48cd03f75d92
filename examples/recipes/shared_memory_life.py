"""Show the life of shared memory, from its creation to its end, and what the usual mistakes print.

python shared_memory_life.py

Each scene runs in a process of its own; what it and the resource tracker print is shown below its
name. One scene alone: python shared_memory_life.py --scene "a view is left"
"""

import argparse
import contextlib
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory

SIZE = 2**20


@contextlib.contextmanager
def ctrl_c_held_back():
    """Hold Ctrl-C back while workers start or end; what starts in here has it blocked."""
    pressed, handler = [], signal.getsignal(signal.SIGINT)
    ours = handler is not None and threading.current_thread() is threading.main_thread()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, []) if sys.platform != "win32" else None
    try:
        if ours:  # the block is this thread's; a press that another one takes is noted
            signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
        if sys.platform != "win32":
            resource_tracker.ensure_running()  # up to Python 3.13.0 its start unblocks Ctrl-C
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        yield
    finally:  # everything as it was found, and then the press
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if ours:
            signal.signal(signal.SIGINT, handler)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def leave_ctrl_c_to_parent(function):
    """Run in a worker: Ctrl-C ends what it has started, and the parent ends it."""
    signal.signal(signal.SIGINT, lambda *_: None)  # programs would inherit SIG_IGN
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    return function


class WithoutCtrlC:
    """What a worker runs: a function, once Ctrl-C is left to the parent.

    A fork server that ran before doesn't block Ctrl-C, so that is done when this is unpickled.
    """

    def __init__(self, function):
        self.function = function

    def __reduce__(self):  # what is unpickled is the function itself
        return leave_ctrl_c_to_parent, (self.function,)

    def __call__(self, *args):  # a fork pickles nothing
        leave_ctrl_c_to_parent(self.function)(*args)


class Interrupt(KeyboardInterrupt):
    """A press of Ctrl-C, from when it is raised until it has been dealt with."""

    alive = 0

    def __init__(self):
        type(self).alive += 1

    def __del__(self):
        type(self).alive -= 1


def interrupt_once(*_):
    """Handle Ctrl-C, but not a second one while the first is dealt with."""
    if not Interrupt.alive:
        raise Interrupt


def end_with_parent():
    """Run in a thread of a worker: wait for the end of its parent, then end it too."""
    from multiprocessing.connection import wait

    parent, number = multiprocessing.parent_process(), os.getppid()
    ends = [parent.sentinel]  # a process that is forked later may hold it open,
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ends.append(os.pidfd_open(parent.pid))  # but nobody holds this one
    while not wait(ends, timeout=1) and os.getppid() == number:
        pass
    os._exit(1)


def is_there(name):
    """Say whether there is shared memory of that name."""
    try:
        SharedMemory(name=name).close()
    except FileNotFoundError:
        return "gone"
    return "there"


def read_when_told(memory, orders, answers):
    """Run in a worker, which gets the memory by its name: read it when the name is gone."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    answers.send("attached")
    orders.recv()
    answers.send(bytes(memory.buf[:5]))


def name_and_memory(start_method=None):
    """Create, attach, unlink, read: the name can go as soon as all have attached."""
    context = multiprocessing.get_context(start_method)
    (orders, order), (answers, answer) = context.Pipe(duplex=False), context.Pipe(duplex=False)
    memory = SharedMemory(create=True, size=SIZE)
    try:
        memory.buf[:5] = b"hello"
        with ctrl_c_held_back():
            worker = context.Process(
                target=WithoutCtrlC(read_when_told), args=(memory, orders, answer)
            )
            worker.start()
        answer.close()  # so answers.recv() ends when the worker does
        print(f"the worker has {answers.recv()}; the name is {is_there(memory.name)}")
    finally:
        memory.unlink()
    print(f"after unlink() the name is {is_there(memory.name)}")
    order.send("read")
    print(f"the worker reads {answers.recv()}: the memory goes with the last who has it")
    worker.join()
    memory.close()


def nobody_unlinks():
    """Create, and neither close nor unlink."""
    SharedMemory(create=True, size=SIZE)
    print("created, and the process ends")


def the_owner_is_killed():
    """Create, and be killed: the resource tracker lives on, and takes the name away."""
    SharedMemory(create=True, size=SIZE)
    print("created, and the process is killed", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def a_view_is_left():
    """Close while a part of the memory is in use."""
    memory = SharedMemory(create=True, size=SIZE)
    memory.unlink()
    part = memory.buf[:5]  # an array of NumPy, made of memory.buf, does the same
    try:
        memory.close()
    except BufferError as error:
        print(f"close(): BufferError: {error}")
    part.release()
    memory.close()
    print("close() after the view's release(): done")


def unlinked_twice():
    """Unlink what has been unlinked: each block has one owner."""
    memory = SharedMemory(create=True, size=SIZE)
    memory.close()
    memory.unlink()
    try:
        memory.unlink()
    except FileNotFoundError as error:
        print(f"the second unlink(): FileNotFoundError: {error}")


def a_stranger_attaches(*how):
    """Let a process that isn't started by multiprocessing attach, read and end."""
    memory = SharedMemory(create=True, size=SIZE)
    visit = [sys.executable, __file__, "--visit", memory.name, *how]
    shown = subprocess.run(visit, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(f"{shown.stdout}the stranger has ended; the name is {is_there(memory.name)}")
    memory.close()
    try:
        memory.unlink()
    except FileNotFoundError as error:
        print(f"unlink(): FileNotFoundError: {error}", flush=True)


def a_stranger_does_not_track():
    """The same, but the stranger keeps its resource tracker out of it."""
    a_stranger_attaches("--untracked")


def visit(name, untracked):
    """Be the stranger."""
    if not untracked:
        memory = SharedMemory(name=name)
    elif sys.version_info >= (3, 13):
        memory = SharedMemory(name=name, track=False)
    else:  # older releases have no such argument
        memory = SharedMemory(name=name)
        resource_tracker.unregister(f"/{name}", "shared_memory")
    memory.close()


def more_than_fits():
    """Create more than there is room for: nothing says so, unless one asks for the room."""
    size = 2 * shutil.disk_usage("/dev/shm").total
    memory = SharedMemory(create=True, size=size)
    try:
        print("created twice what fits: no error, but a write beyond it is a SIGBUS")
        with open(f"/dev/shm/{memory.name}", "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)  # reserve the room first
    except OSError as error:
        print(f"posix_fallocate(): OSError: {error}")
    finally:
        memory.close()
        memory.unlink()


PLAYED = [name_and_memory, a_view_is_left]
if sys.platform != "win32":  # there memory goes with its last user; no name, no tracker
    PLAYED += [unlinked_twice, nobody_unlinks, the_owner_is_killed]
    PLAYED += [a_stranger_attaches, a_stranger_does_not_track]
if sys.platform == "linux":
    PLAYED += [more_than_fits]
SCENES = {scene.__name__.replace("_", " "): scene for scene in PLAYED}


def main(start_method=None):
    """Play each scene in a process of its own, and print what came of it.

    Args:
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        dict[str, list[str]]: The lines of each scene.

    Raises:
        ChildProcessError: A scene ended otherwise than it should.
    """
    method = ["--start-method", start_method] if start_method else []
    lines = {}
    for scene in SCENES:
        play = [sys.executable, __file__, "--scene", scene, *method]
        found = subprocess.run(
            play, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )  # it returns when the scene's resource tracker has ended, too
        text = re.sub(r"psm_\w+", "psm_...", found.stdout)  # a name made up by Python
        text = re.sub(r"^.*?: UserWarning: (.*)\n  warnings.warn.*", r"\1", text, flags=re.M)
        lines[scene] = text.splitlines()
        print(f"{scene}:", *lines[scene], sep="\n  ", flush=True)
        if found.returncode != (-9 if scene == "the owner is killed" else 0):
            raise ChildProcessError(f"{scene}: ended, exit code {found.returncode}")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The life of shared memory.")
    parser.add_argument("--scene", choices=SCENES, help="play this one alone, unchanged")
    parser.add_argument("--visit", metavar="NAME", help="attach to shared memory, and end")
    parser.add_argument("--untracked", action="store_true", help="visit without a tracker")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        if args.visit:
            visit(args.visit, args.untracked)
        elif args.scene == "name and memory":
            name_and_memory(args.start_method)
        elif args.scene:
            SCENES[args.scene]()
        else:
            main(args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
