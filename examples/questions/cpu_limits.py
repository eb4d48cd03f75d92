"""Print how many cores this process may use, by each way to ask, and the limits of its container.

python cpu_limits.py
"""

import math
import os
import shutil
from pathlib import Path


def limit_in(folder):
    """Return how many cores' worth of time a control group may use, or None: it says no limit."""
    try:
        if (folder / "cpu.max").exists():  # version 2: "50000 100000", or "max 100000"
            quota, period = (folder / "cpu.max").read_text().split()
        else:  # version 1
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError):
        return None


def quota(root=Path("/sys/fs/cgroup"), mine=Path("/proc/self/cgroup")):
    """Return the lowest limit of this process's control groups and of those around them.

    Args:
        root (Path): The folder of all control groups.
        mine (Path): The file that names those of this process.

    Returns:
        float | None: In cores; None if there is no limit, or if this is not Linux.
    """
    limits = []
    for line in mine.read_text().splitlines() if mine.exists() else ():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "cpu") or "cpu" in controllers.split(","):
            top = root / "cpu" if controllers else root
            folder = top / path.lstrip("/")
            limits += [
                limit_in(one) for one in (folder, *folder.parents) if one.is_relative_to(top)
            ]
    return min((limit for limit in limits if limit), default=None)


def usable_cores():
    """Return how many workers can be busy at once."""
    if hasattr(os, "process_cpu_count"):  # 3.13; it knows PYTHON_CPU_COUNT, too
        cores = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):  # Linux
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count()
    return max(1, min(cores or 1, math.ceil(quota() or 1_000_000)))


def main():
    """Print what each way says."""
    print(f"os.cpu_count(): {os.cpu_count()}")
    if hasattr(os, "sched_getaffinity"):
        print(f"len(os.sched_getaffinity(0)): {len(os.sched_getaffinity(0))}")
    if hasattr(os, "process_cpu_count"):
        print(f"os.process_cpu_count(): {os.process_cpu_count()}")
    else:
        print("os.process_cpu_count(): not in this Python; 3.13 and newer have it")
    print(f"Quota: {quota() or 'none'}")
    print(f"Usable: {usable_cores()}")
    if os.path.isdir("/dev/shm"):
        size = shutil.disk_usage("/dev/shm")
        print(f"/dev/shm: {size.total / 2**20:,.0f} MiB, free: {size.free / 2**20:,.0f} MiB")


if __name__ == "__main__":
    main()
