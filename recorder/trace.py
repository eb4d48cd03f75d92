"""Reads what the processes of a traced run noted of themselves, with `recorder.tracing`."""

import os
from pathlib import Path
from typing import IO

from recorder.recording import Call, TracedProcess
from recorder.tracing.sitecustomize import CALL, HALF, KINDS, PART, PROCESS, RECORD

FOLDER = Path(__file__).parent / "tracing"  # where PYTHONPATH leads in a traced run
FILE = "calls"  # in the folder of the run
FIRST = HALF - 1  # of a process's calls are kept whatever follows them


def environment(folder: str) -> dict[str, str]:
    """What the environment of a run needs so that its processes note their calls."""
    return {"PYTHONPATH": str(FOLDER), "RECORDED_CALLS": f"{folder}/{FILE}"}


def open_notes(folder: str) -> IO[bytes]:
    """Make the folder of the run, and in it the file for the notes; it is read when it is removed."""
    os.mkdir(folder, 0o700)
    return open(f"{folder}/{FILE}", "ab+")


def read_calls(file: IO[bytes], started: float) -> tuple[TracedProcess, ...]:
    """What each process noted, in the order in which they began to.

    Args:
        file: What `open_notes` gave.
        started: When the run started, by the system's monotonic clock.
    """
    file.seek(0)
    notes = file.read()
    parts = (notes[at : at + PART] for at in range(0, len(notes) // PART * PART, PART))
    return tuple(read_part(part, started) for part in parts)


def read_part(part: bytes, started: float) -> TracedProcess:
    """What one process noted."""
    pid, length, name = PROCESS.unpack_from(part)
    found = (CALL.unpack_from(part, at) for at in range(RECORD, PART, RECORD))
    records = sorted(record for record in found if record[0])
    threads: dict[int, int] = {}

    def moment(nanoseconds: int) -> float:
        return round(nanoseconds / 1e9 - started, 7)

    calls = tuple(
        Call(
            what=KINDS[kind],
            began=moment(began),
            ended=moment(ended) if ended else None,
            failed=bool(failed),
            thread=threads.setdefault(thread, len(threads)),
            feeder=bool(feeder),
            channel=channel,
            size=size,
        )
        for _, began, thread, channel, kind, feeder, ended, size, failed in records
    )
    left_out = records[-1][0] - len(records) if records else 0
    return TracedProcess(pid, name[:length].decode(errors="replace"), calls, left_out)
