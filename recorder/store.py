"""Keeps recordings, and finds one again only while nothing it depends on has changed."""

import ast
import contextlib
import dataclasses
import functools
import hashlib
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recorder.machine import this_machine
from recorder.recording import Recording, command_of
from recorder.watch import TIMEOUT, watch

DEFAULT = Path(".recordings")
# Names with which a program can import what no import statement names.
IMPORTERS = {"import_module", "__import__", "run_module", "run_path", "exec", "eval"}


@dataclass(frozen=True)
class RunSpec:
    """One run that somebody asks for.

    Attributes:
        program: The program's file.
        beside: Files that are copied into its folder with it.
        name: What to call it; by default the file's name.
        arguments: Its command-line arguments.
        start_method: The start method that it uses; by default this Python's.
        hangs: Whether it is expected to hang.
        timeout: Seconds after which the run is ended.
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
        program = b"".join(file.read_bytes() for file in (self.program, *self.beside))
        lock = b""
        if self.lock and imports_packages(program):
            lock = self.lock.read_bytes()
        depends_on = (
            self.name or self.program.name,
            self.arguments,
            self.start_method,
            self.hangs,
            self.timeout,
            hashlib.sha256(program).hexdigest(),
            hashlib.sha256(lock).hexdigest(),
            dataclasses.astuple(this_machine()),
            sys.executable,
            recorder_text(),
        )
        key = hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()
        return self.store / f"{self.program.stem}-{key[:32]}.json"


@functools.cache
def imports_packages(program: bytes) -> bool:
    """Whether a program imports more than the standard library, or may do so."""
    try:
        nodes = list(ast.walk(ast.parse(program)))
    except (SyntaxError, ValueError):
        return True
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            names = ["?"] if name in IMPORTERS else []
        if any(name.partition(".")[0] not in sys.stdlib_module_names for name in names):
            return True
    return False


@functools.cache
def recorder_text() -> str:
    """The source of what makes a recording: when it changes, old recordings are not used."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    return "".join(
        module.read_text(encoding="utf-8")
        for module in modules
        if module.stem not in ("store", "__main__")
    )


def read(file: Path) -> str | None:
    """The text that was kept in a file of the store; None when there is none or it is damaged."""
    try:
        if not file.is_file():  # a pipe would never be read to its end
            return None
        checksum, _, text = file.read_text(encoding="utf-8").partition("\n")
    except (OSError, ValueError):
        return None
    return text if checksum == hashlib.sha256(text.encode()).hexdigest() else None


def write(file: Path, text: str) -> None:
    """Keep a text in a file of the store.

    It is written beside it and then moved: another build sees the old text or the new, whole.

    Raises:
        OSError: It could not be kept. Nothing of it is left.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as target:
            target.write(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
        os.replace(part, file)
    except BaseException:
        os.unlink(part)
        raise


def load(file: Path) -> Recording | None:
    """The recording that is kept in a file of the store, or None."""
    text = read(file)
    try:
        return None if text is None else Recording.from_json(text)
    except ValueError:
        return None


def record(
    spec: RunSpec, progress: Callable[[float], None] = lambda seconds: None
) -> Recording:
    """Run the program now, and keep the recording if that is possible.

    Raises:
        OSError: The program can't be read or started.
    """
    file = spec.file()
    recording = watch(
        spec.program,
        spec.arguments,
        beside=spec.beside,
        name=spec.name,
        timeout=spec.timeout,
        hangs=spec.hangs,
        start_method=spec.start_method,
        progress=progress,
    )
    try:
        write(file, recording.to_json())
    except OSError as error:
        warn(f"recordings can't be kept in {spec.store}: {error.strerror}")
    return recording


@functools.cache
def warn(message: str) -> None:
    """Say something once."""
    logging.getLogger(__name__).warning(message)


def list_recordings(folder: Path) -> Iterator[tuple[Path, Recording | None, float]]:
    """Each file of the store, its recording (None when damaged), and its age in seconds.

    Raises:
        OSError: There is a store, and it can't be read.
    """
    for file in files_of(folder):
        if file.suffix == ".json":
            with contextlib.suppress(FileNotFoundError):  # another build may delete it
                yield file, load(file), time.time() - file.lstat().st_mtime


def delete(folder: Path, program: str = "") -> tuple[int, list[Path]]:
    """Delete the recordings of a program, or all of them.

    Returns:
        How many were deleted, and the files that could not be.

    Raises:
        OSError: There is a store, and it can't be read.
    """
    count, failed = 0, []
    for file in files_of(folder):
        if not program or file.stem.rpartition("-")[0] == Path(program).stem:
            try:
                file.unlink()
                count += file.suffix == ".json"
            except FileNotFoundError:
                pass  # another build has deleted it
            except OSError:
                failed.append(file)
    return count, failed


def files_of(folder: Path) -> list[Path]:
    """The files of a store, which need not be there."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
