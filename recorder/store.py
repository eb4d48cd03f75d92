"""Keeps recordings, and finds one again only while nothing it depends on has changed."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recorder.machine import this_machine
from recorder.recording import Recording
from recorder.watch import BOUND, watch

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
STORE = ROOT / ".recordings"
DRAWING = [  # what a picture depends on, beside its recording
    *(ROOT / "recorder" / name for name in ("channels.py", "picture.py", "vega.py")),
    ROOT / "requirements.txt",
]


@dataclass(frozen=True)
class Request:
    """One run that somebody asks for.

    Attributes:
        program: The program, as a path below `examples/`.
        arguments: Its command-line arguments.
        hangs: Whether it is expected to hang.
        bound: Seconds after which the run is ended.
    """

    program: str
    arguments: tuple[str, ...] = ()
    hangs: bool = False
    bound: float = BOUND

    @property
    def command(self) -> str:
        """The command as a reader types it."""
        return " ".join(("python", Path(self.program).name, *self.arguments))

    def file(self) -> Path:
        """Where its recording is kept: the name says all that the recording depends on.

        Raises:
            FileNotFoundError: There is no such program.
        """
        text = (EXAMPLES / self.program).read_text(encoding="utf-8")
        depends_on = (
            dataclasses.astuple(self),
            text,
            packages(text),
            dataclasses.astuple(this_machine()),
            recorder_text(),
        )
        key = hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()
        return STORE / f"{Path(self.program).stem}-{key[:32]}.json"


@functools.cache
def packages(text: str) -> str:
    """The locked packages, for a program that imports more than the standard library."""
    imported = re.findall(r"^\s*(?:import|from) (\w+)", text, re.MULTILINE)
    if set(imported) <= sys.stdlib_module_names:
        return ""
    return (ROOT / "requirements.txt").read_text(encoding="utf-8")


@functools.cache
def recorder_text() -> str:
    """The source of what makes a recording: when it changes, old recordings are not used."""
    modules = ("machine.py", "recording.py", "watch.py")
    return "".join((ROOT / "recorder" / name).read_text(encoding="utf-8") for name in modules)


def read(file: Path) -> str | None:
    """The text that was kept in a file of the store; None when there is none or it is damaged."""
    try:
        checksum, _, text = file.read_text(encoding="utf-8").partition("\n")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return text if checksum == hashlib.sha256(text.encode()).hexdigest() else None


def keep(file: Path, text: str) -> None:
    """Keep a text in a file of the store.

    It is written beside it and then moved: another build sees the old text or the new, whole.
    """
    STORE.mkdir(exist_ok=True)
    handle, name = tempfile.mkstemp(dir=STORE, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as part:
        part.write(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
    os.replace(name, file)


def load(file: Path) -> Recording | None:
    """The recording that is kept in a file of the store, or None."""
    text = read(file)
    return Recording.from_json(text) if text else None


def record(
    request: Request, progress: Callable[[float], None] = lambda seconds: None
) -> Recording:
    """Run the request's program now, and keep the recording.

    Raises:
        FileNotFoundError: There is no such program.
    """
    file = request.file()
    recording = watch(
        EXAMPLES / request.program,
        request.arguments,
        name=request.program,
        bound=request.bound,
        hangs=request.hangs,
        progress=progress,
    )
    keep(file, recording.to_json())
    return recording


def drawn(draw: Callable[[Recording], str], recording: Recording) -> str:
    """What a function of `recorder.picture` draws of a recording: kept from before, or drawn now."""
    sources = "".join(file.read_text(encoding="utf-8") for file in DRAWING)
    depends_on = f"{draw.__name__}\n{sources}\n{recording.to_json()}"
    key = hashlib.sha256(depends_on.encode()).hexdigest()
    file = STORE / f"{Path(recording.program).stem}-{key[:32]}.svg"
    picture = read(file)
    if picture is None:
        picture = draw(recording)
        keep(file, picture)
    return picture


def kept() -> Iterator[tuple[Path, Recording | None, float]]:
    """Each file of the store, its recording (None when damaged), and its age in seconds."""
    for file in sorted(STORE.glob("*.json")):
        yield file, load(file), time.time() - file.stat().st_mtime


def forget(program: str = "") -> int:
    """Forget the recordings of a program, or all of them; return how many."""
    files = list(STORE.glob(f"{Path(program).stem}-*" if program else "*"))
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # another build may forget it too
            file.unlink()
    return len(files)
