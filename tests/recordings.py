"""A recording to change, for tests of what is made of recordings."""

from dataclasses import replace

from recorder.recording import Line, Machine, Process, Recording

MACHINE = Machine("A processor", 2, "A system", "CPython 3.11.7", "fork")


def recording(**changes):
    """A run of a program with one worker that came out well, but for the changes."""
    parent = Process(10, 1, "parent", 0.0, 1.0, ((0.5, 0.2), (1.0, 0.3)))
    worker = Process(11, 10, "worker", 0.1, 0.9, ((0.5, 0.4),))
    plain = Recording(
        program="hello.py",
        arguments=(),
        recorded="2026-01-02T03:04:05+00:00",
        machine=MACHINE,
        start_method="fork",
        lines=(Line(0.5, "hello"),),
        dropped=0,
        status=0,
        ended="exit",
        evidence="",
        wall=1.0,
        cpu=0.7,
        peak_memory=2**24,
        left_behind=0,
        leftover=(),
        processes=(parent, worker),
    )
    return replace(plain, **changes)
