"""This machine: what it is, and its own paths, which no recording names."""

import functools
import multiprocessing
import os
import platform
import re
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from recorder.recording import Machine

# Folders of the system: a Python that is installed there owns its library only.
SHARED = {"/", "/usr", "/usr/local", "/opt", "/opt/homebrew", "/opt/local"}


@functools.cache
def this_machine() -> Machine:
    """The machine and the Python that run this."""
    return Machine(
        processor=processor(),
        cores=cores(),
        system=system(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        start_method=multiprocessing.get_context().get_start_method(),
    )


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


def path_scrubber(folders: Mapping[str, str], python: str = "") -> Callable[[str], str]:
    """Return a function that replaces the machine's own paths in a line of output.

    A path is replaced only as a whole: where it does not go on to the left or to the right, or
    goes on with a separator.

    Args:
        folders: More paths and their names. A path whose name is empty becomes `<folder>`, and
            what lies below it is named from there, as the program itself would.
        python: The interpreter of the run, by default this one.
    """
    library = sysconfig.get_path("stdlib")
    prefixes = {sys.prefix, sys.base_prefix} - SHARED
    paths = {
        sys.executable: "python",
        python: "python",
        sysconfig.get_path("purelib"): "<python>/site-packages",
        library: "<python>",
        tempfile.gettempdir(): "<tmp>",
        os.path.expanduser("~"): "~",
        **dict.fromkeys(prefixes, "<python>"),
        **folders,
    }
    names: dict[str, str] = {}
    for path, name in paths.items():
        for form in (path, os.path.realpath(path) if path else ""):
            form = form.rstrip(os.sep)  # "/" and no path at all become nothing, and stay
            if os.path.isabs(form):
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
    """A folder for temporary files that leaves room: a local socket's path is 108 bytes."""
    folder = tempfile.gettempdir()
    return "/tmp" if len(os.fsencode(folder)) > 40 and os.access("/tmp", os.W_OK) else folder
