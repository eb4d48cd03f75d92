"""Send the frames of a camera to two processes, without a copy; needs shared_ring.py beside it.

python one_to_many.py --frames 300

The camera fills slots in shared memory. The viewer and the archive each read every frame where it
lies, and the camera waits for the slower one. Where a consumer ends, the camera goes on with the
other one; here the parent then ends them all, with one line.
"""

import argparse
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
import zlib
from multiprocessing import resource_tracker

try:
    from shared_ring import Ring
except ImportError:
    sys.exit("one_to_many.py needs shared_ring.py in the same folder")

WIDTH, HEIGHT, COLOURS = 1920, 1080, 3


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


def read_camera(number, view):
    """Fill a view with a frame, as `camera.readinto(view)` or `sock.recv_into(view)` would."""
    shades = bytes((number + row) % 256 for row in range(HEIGHT))
    for row, shade in enumerate(shades):
        at = row * WIDTH * COLOURS
        view[at : at + WIDTH * COLOURS] = bytes([shade]) * (WIDTH * COLOURS)


def look(view, before):
    """Return the brightest of the middles of all rows, of this frame and those before."""
    middle = (HEIGHT // 2 * WIDTH + WIDTH // 2) * COLOURS
    return max(before, view[middle])


def archive(view, before):
    """Return the checksum of this frame and those before."""
    return zlib.crc32(view, before)


def film(ring, frames):
    """Run in a process: fill one slot after another."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    with contextlib.suppress(BrokenPipeError), ring.producer() as producer:  # nobody is left
        for number in range(frames):
            with producer.slot() as view:
                read_camera(number, view)


def watch(ring, number, handle, answer):
    """Run in a process: handle every frame, and answer with how many there were, and the result."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    count, result = 0, 0
    with contextlib.suppress(EOFError), ring.consumer(number) as frames:
        for frame in frames:
            with frame as view:
                count, result = count + 1, handle(view, result)
        answer.send((count, result))  # not when the camera has ended early


def main(frames=300, slots=8, start_method=None):
    """Film, and print what the two consumers made of it.

    Args:
        frames (int): How many frames the camera gives.
        slots (int): How many of them the camera may be ahead of the slowest consumer.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        dict[str, tuple[int, int]]: For each consumer how many frames it saw, and its result.

    Raises:
        ChildProcessError: A process ended too early. None is left running.
    """
    context = multiprocessing.get_context(start_method)
    ring = Ring(slots, WIDTH * HEIGHT * COLOURS, consumers=2, context=context)
    answers = {name: context.Pipe(duplex=False) for name in ("viewer", "archive")}
    parts = {"camera": (film, (ring, frames))}
    for number, (name, handle) in enumerate(zip(answers, (look, archive), strict=True)):
        parts[name] = (watch, (ring, number, handle, answers[name][1]))
    began, workers = time.perf_counter(), []
    try:
        with ctrl_c_held_back():
            for name, (target, args) in parts.items():
                worker = context.Process(target=WithoutCtrlC(target), args=args, name=name)
                worker.start()
                workers.append(worker)
        ring.close()  # a part of it is none of ours
        running = {worker.sentinel: worker for worker in workers}
        while running:
            for sentinel in multiprocessing.connection.wait(running):
                worker = running.pop(sentinel)
                worker.join()
                if worker.exitcode:
                    raise ChildProcessError(
                        f"{worker.name} ended, exit code {worker.exitcode}"
                    )
        results = {name: answer[0].recv() for name, answer in answers.items()}
    finally:
        with ctrl_c_held_back():
            for worker in workers:
                worker.kill()
                worker.join()
    took = time.perf_counter() - began
    print(f"viewer: {results['viewer'][0]} frames, the brightest {results['viewer'][1]}")
    print(f"archive: {results['archive'][0]} frames, checksum {results['archive'][1]:08x}")
    print(f"Frames a second: {frames / took:.0f}")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The frames of a camera to two processes.")
    parser.add_argument("--frames", type=int, default=300, help="how many the camera gives")
    parser.add_argument("--slots", type=int, default=8, help="frames that it may be ahead")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    for name, most in (("frames", 10**9), ("slots", 255)):
        value = getattr(args, name)
        if not 1 <= value <= most:
            parser.error(f"argument --{name}: {value} is not from 1 to {most}")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.frames, args.slots, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
