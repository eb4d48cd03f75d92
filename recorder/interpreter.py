"""What a Python is, by what it says of itself.

Another Python runs this file to answer: it imports little, and nothing that needs a new version.
"""

import json
import multiprocessing
import platform
import sys
import sysconfig
from typing import Any


def describe() -> "dict[str, Any]":
    """What `recorder.machine.Interpreter` holds of this Python."""
    return {
        "executable": sys.executable,  # not a shim, that finds it in its environment only
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "free_threaded": "t" in getattr(sys, "abiflags", ""),
        "start_methods": multiprocessing.get_all_start_methods(),  # the default comes first
        "library": sysconfig.get_path("stdlib"),
        "packages": sysconfig.get_path("purelib"),
        "prefixes": [sys.prefix, sys.base_prefix],
    }


if __name__ == "__main__":
    print(json.dumps(describe()))
