"""What a run runs on: the machine and the Python."""

import functools
import multiprocessing
import os
import platform
import re
import sys
from pathlib import Path

from recorder.recording import Machine


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
