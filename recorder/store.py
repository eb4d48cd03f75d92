"""Keeps recordings, and finds one again only while nothing it depends on has changed."""

import ast
import functools
import hashlib
import logging
import os
import re
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from examples.recipes import who_waits
from recorder.machine import this_machine
from recorder.recording import Recording, command_of
from recorder.watch import TIMEOUT, watch

DEFAULT = Path(".recordings")
# Names with which a program can import what no import statement names.
IMPORTERS = {"import_module", "__import__", "run_module", "run_path", "exec", "eval"}


@dataclass(frozen=True)
class RunSpec:
    """One run that somebody asks for: what `watch` takes, and what its recording depends on.

    Attributes:
        python: The interpreter that runs it.
        lock: A file that names the installed packages, which matters to a program that imports
            any of them.
        store: The folder where recordings are kept.
    """

    program: Path
    beside: tuple[Path, ...] = ()
    name: str = ""
    arguments: tuple[str, ...] = ()
    start_method: str = ""
    hangs: bool = False
    timeout: float = TIMEOUT
    python: str = sys.executable
    traced: bool = False
    timed: bool = False
    lock: Path | None = None
    store: Path = DEFAULT

    @property
    def command(self) -> str:
        """The command as a reader types it."""
        return command_of(self.name or self.program.name, self.arguments)

    def file(self) -> Path:
        """Where its recording is kept: the name says all that the recording depends on.

        Raises:
            OSError: The program or the lock can't be read.
        """
        texts = [file.read_bytes() for file in (self.program, *self.beside)]
        if self.lock and imports_packages(b"".join(texts)):
            texts.append(self.lock.read_bytes())
        asked = (self.name, self.command, self.start_method, self.hangs, self.timeout)
        digests = [hashlib.sha256(text).digest() for text in (*texts, recorder_text())]
        ran_by = (this_machine(self.python), self.python, self.traced, self.timed)
        key = hashlib.sha256(repr((asked, digests, ran_by)).encode()).hexdigest()
        return self.store / f"{self.program.stem}-{key[:32]}.json"


@functools.cache
def imports_packages(program: bytes) -> bool:
    """Whether a program imports more than the standard library, or may do so."""
    names: set[str] = set()
    try:
        for node in ast.walk(ast.parse(program)):
            match node:
                case ast.Import():
                    names |= {alias.name for alias in node.names}
                case ast.ImportFrom():
                    names.add(node.module or "")
                case ast.Name(name) | ast.Attribute(attr=name) if name in IMPORTERS:
                    return True
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return not {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


@functools.cache
def recorder_text() -> bytes:
    """The source of what makes a recording: when it changes, old recordings are not used."""
    modules = [*sorted(Path(__file__).parent.rglob("*.py")), Path(who_waits.__file__)]
    return b"".join(module.read_bytes() for module in modules)


def checksum(text: str) -> str:
    """What stands before a recording's text in its file."""
    return hashlib.sha256(text.encode()).hexdigest()


def write(file: Path, text: str) -> None:
    """Keep a text: beside its place first, so that another build sees the old one or the new.

    Raises:
        OSError: It could not be kept. Nothing of it is left.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{secrets.token_hex(4)}.part")
    try:
        part.write_text(f"{checksum(text)}\n{text}", encoding="utf-8", newline="\n")
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def load(file: Path) -> Recording | None:
    """The recording that is kept in a file of the store; None where there is no good one."""
    try:
        if file.is_file():  # a pipe would never be read to its end
            said, _, text = file.read_text(encoding="utf-8").partition("\n")
            return Recording.from_json(text) if said == checksum(text) else None
    except (OSError, ValueError):
        pass
    return None


def record(
    spec: RunSpec, progress: Callable[[float], None] = lambda seconds: None
) -> Recording:
    """Run the program now, and keep the recording if that is possible.

    Raises:
        OSError: The program can't be read or started.
    """
    file = spec.file()
    asked = dict(vars(spec), progress=progress)
    del asked["lock"], asked["store"]
    recording = watch(**asked)
    try:
        write(file, recording.to_json())
    except OSError as error:
        warn(f"recordings can't be kept in {spec.store}: {error.strerror}")
    return recording


@functools.cache
def warn(message: str) -> None:
    """Say something once."""
    logging.getLogger(__name__).warning(message)


def files_of(folder: Path, program: str = "") -> list[Path]:
    """The files of a store, which need not be there: all recordings, or those of one program.

    Raises:
        OSError: There is a store, and it can't be read.
    """
    files = sorted(folder.iterdir()) if folder.exists() else []
    stem = re.escape(Path(program).stem) if program else ".*"
    named = re.compile(f"(?s:{stem})-[0-9a-f]{{32}}\\.(json|[0-9a-f]{{8}}\\.part)")
    return [one for one in files if named.fullmatch(one.name)]
