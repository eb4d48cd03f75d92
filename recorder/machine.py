"""This machine: what it is, and its own paths, which no recording names."""

import errno
import functools
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from recorder.interpreter import describe
from recorder.recording import Machine, decode

# Folders of the system, which stay as they are, whatever is installed or kept there.
SHARED = {"", "/usr", "/usr/local", "/opt", "/opt/homebrew", "/opt/local"}
ANSWERING = 10.0  # seconds in which an interpreter has to answer


@dataclass(frozen=True)
class Interpreter:
    """A Python of this machine, by what it says of itself.

    Attributes:
        implementation: For example "CPython".
        version: For example "3.14.2".
        free_threaded: Whether it was built without the global interpreter lock.
        start_methods: Those that it has, the default first.
        library: The folder of its standard library.
        packages: The folder of its installed packages.
        prefixes: The folders that it is installed in.
    """

    executable: str
    implementation: str
    version: str
    free_threaded: bool
    start_methods: tuple[str, ...]
    library: str
    packages: str
    prefixes: tuple[str, ...]

    @property
    def name(self) -> str:
        """For example "CPython 3.14.2", or "CPython 3.14.2 free-threaded"."""
        return f"{self.implementation} {self.version}{' free-threaded' * self.free_threaded}"


@functools.cache
def interpreter(python: str = sys.executable) -> Interpreter:
    """What a Python of this machine is; it is asked once.

    Raises:
        OSError: It can't be started, is no Python, or does not answer in time.
    """
    try:
        said = describe() if python == sys.executable else json.loads(ask(python))
        found: Interpreter = decode(Interpreter, said)
    except (ValueError, TypeError):
        raise OSError(errno.ENOEXEC, "is no Python that works", python) from None
    return found


def ask(python: str) -> str:
    """Let a Python describe itself."""
    with subprocess.Popen(
        [python, "-I", os.path.join(os.path.dirname(__file__), "interpreter.py")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    ) as asked:
        try:
            answer, _ = asked.communicate(timeout=ANSWERING)
        except subprocess.TimeoutExpired:
            os.killpg(asked.pid, signal.SIGKILL)  # a shim may have started others
            raise TimeoutError(errno.ETIMEDOUT, "does not answer", python) from None
    return answer


@functools.cache
def this_machine(python: str = sys.executable) -> Machine:
    """This machine, and one of its Pythons: by default the one that runs this."""
    asked = interpreter(python)
    return Machine(processor(), cores(), system(), asked.name, asked.start_methods[0])


def cores() -> int:
    """The number of cores that this process may use (Python 3.13's `os.process_cpu_count`)."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def processor() -> str:
    """The processor's name; `platform.processor` leaves it empty or vague on most systems."""
    cpuinfo = Path("/proc/cpuinfo")
    named = cpuinfo.exists() and re.search(r"model name\s*: (.+)", cpuinfo.read_text())
    return named[1].strip() if named else platform.processor() or platform.machine()


def system() -> str:
    """The operating system's name and version, without the host's name."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:  # not Linux
        return f"{platform.system()} {platform.release()}"


def path_scrubber(
    folders: Mapping[str, str], python: str = sys.executable
) -> Callable[[str], str]:
    """Return a function that replaces the machine's own paths in a line of output.

    A path is replaced only as a whole: where it does not go on to the left or to the right, or
    goes on with a separator.

    Args:
        folders: More paths and their names. A path whose name is empty becomes `<folder>`, and
            what lies below it is named from there, as the program itself would.
        python: The interpreter of the run, by default this one.
    """
    asked = interpreter(python)
    paths = {
        **dict.fromkeys((sys.executable, python, asked.executable), "python"),  # or a shim
        asked.packages: "<python>/site-packages",
        asked.library: "<python>",
        tempfile.gettempdir(): "<tmp>",
        os.path.expanduser("~"): "~",
        **dict.fromkeys(asked.prefixes, "<python>"),
        **folders,
    }
    names: dict[str, str] = {}
    for path, name in paths.items():
        for form in (path, os.path.realpath(path)):
            form = form.rstrip(os.sep)
            if os.path.isabs(path) and form not in SHARED:
                names.setdefault(form, name)
    longest_first = sorted(names, key=len, reverse=True)
    whole = re.compile(
        rf"(?:(?<![\w.~/\\-])|(?<=file://))({'|'.join(map(re.escape, longest_first))})"
        rf"({re.escape(os.sep)}(?=[\w.~-])|(?![\w-]|\.\w))"
    )

    def replace(match: re.Match[str]) -> str:
        name, separator = names[match[1]], match[2]
        return (name + separator) if name else ("" if separator else "<folder>")

    return lambda text: whole.sub(replace, text)


def short_temporary_folder() -> str:
    """A folder for temporary files with a plain name that leaves room: a socket's has 108 bytes."""
    folder = tempfile.gettempdir()
    plain = folder.isascii() and folder.isprintable() and len(folder) <= 40
    return folder if plain or not os.access("/tmp", os.W_OK) else "/tmp"
