"""A recording in lines for a terminal, and its picture for a file of its own."""

import shutil
import textwrap

from recorder.recording import Recording
from render import chart
from render.story import Story, how_it_ended
from render.timeline import timeline

BOLD, DIM, RED, GREEN = "1", "2", "31", "32"  # of ECMA-48, which a terminal understands


def picture(recording: Recording) -> str:
    """The timeline of a run as a file of SVG."""
    return chart.standalone(timeline(recording))


def describe(recording: Recording, colour: bool = False) -> str:
    """What happened, who waited for whom, each process, and each pipe.

    Args:
        recording: The run.
        colour: Whether the terminal shows colours.
    """

    def painted(words: str, code: str) -> str:
        return f"\x1b[{code}m{words}\x1b[0m" if colour and words else words

    story = Story(recording)
    end = {
        "exit": f"exit status {recording.status}",
        "hang": f"hung ({recording.evidence}), ended by the recorder",
        "timeout": "not done at the timeout, ended by the recorder",
    }[recording.ended]
    used = f"{recording.cpu:.2f} s of CPU time, {recording.peak_memory / 2**20:.0f} MiB"
    left = f"{recording.left_behind} processes left behind"
    lines = [painted(f"$ {recording.command}", BOLD), recording.output]
    end = painted(end, GREEN if recording.status == 0 else RED)
    lines.append(f"{end} after {recording.wall:.2f} s; {used}, {left}")
    if recording.hung and (told := " ".join(story.sentences()).replace("`", "")):
        width = min(shutil.get_terminal_size().columns, 100)
        wrapped = textwrap.wrap(f"Who waits for whom: {told}", width, break_on_hyphens=False)
        lines += ["", *wrapped, ""]
    for process in recording.processes:
        life = f"{process.started:.2f} s to {process.ended:.2f} s"
        cpu = f"{process.samples[-1][1]:.2f} s CPU"
        how = how_it_ended(process, recording)
        code = {"exit 0": GREEN, "": DIM, "ended by the recorder": DIM}.get(how, RED)
        told = f", {painted(how, code)}" if how else ""
        lines.append(f"{process.role} {process.pid}: {life}, {cpu}{told}")
        lines.extend(painted(f"    {line}", DIM) for line in process.stack)
    for pipe in recording.pipes:
        most = max(held for _, held in pipe.samples)
        ends = [
            f"{verb} by {story.list(pids, 0)}"
            for verb, pids in (("could be read", pipe.readers), ("written", pipe.writers))
            if pids
        ]
        held = f"socket: {most:,}"
        if pipe.capacity:
            held = f"pipe: up to {most:,} of {pipe.capacity:,}"
        lines.append(f"{held} bytes{', '.join(['', *ends])}")
    lines.extend(f"could not be removed: {path}" for path in recording.leftover)
    return "\n".join(lines)
