"""What a run runs on: the machine and the Python."""

import functools
import multiprocessing
import os
import platform
import subprocess
import sys
from pathlib import Path

from recorder.recording import Machine


@functools.cache
def this_machine() -> Machine:
    """The machine and the Python that run this."""
    return Machine(
        processor=processor() or platform.machine(),
        cores=cores(),
        system=system(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        start_method=multiprocessing.get_context().get_start_method(),
    )


def cores() -> int:
    """The number of cores that this process may use (Python 3.13's `os.process_cpu_count`)."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The processor's name; `platform.processor` leaves it empty or vague on most systems."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        command = ("sysctl", "-n", "machdep.cpu.brand_string")
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return platform.processor()


def system() -> str:
    """The operating system's name and version, without the host's name."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:  # not Linux
        return f"{platform.system()} {platform.release()}"
