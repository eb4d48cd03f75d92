"""Figures from recordings, marked as such in a sentence."""

import html

from recorder.recording import Recording
from render.runs import PageError


def figure(text: str) -> str:
    """A figure from a recording."""
    safe = html.escape(text)
    return f'<data class="figure" value="{safe}">{safe}</data>'


def seconds(value: float) -> str:
    """A time, for example 5.63 s."""
    return figure(f"{value:.2f} s")


def times(value: float, digits: int = 2) -> str:
    """A ratio, for example 1.98 times; from 100 on without decimals."""
    return figure(f"{value:,.{digits if value < 100 else 0}f} times")


def mebibytes(value: float) -> str:
    """A number of bytes, in MiB."""
    return figure(f"{value / 2**20:.0f} MiB")


def behind(recording: Recording, label: str) -> str:
    """What a run printed behind a label, on the first line that begins with it."""
    for line in recording.lines:
        if line.text.startswith(f"{label}: "):
            return line.text.removeprefix(f"{label}: ")
    raise PageError(f"{recording.command} printed no line that starts with {label}: ")
