"""Finds the Pythons of this machine: those that the environment names in PYTHONS, or else all that are installed."""

import functools
import glob
import operator
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from packaging.version import Version

from recorder.machine import Interpreter, interpreter

OLDEST = Version("3.11")


@functools.cache
def find() -> tuple[Interpreter, ...]:
    """CPython 3.11 and newer: the one that runs this, then the others, the newest first.

    Those that PYTHONS names are taken as they are. Of the installed ones the newest of each feature
    release is taken. One that does not work is passed over.
    """
    named = os.environ.get("PYTHONS")
    paths = installed() if named is None else filter(None, named.split(os.pathsep))
    apart = feature_release if named is None else operator.attrgetter("name")
    own = interpreter()
    found = {apart(own): own}
    with ThreadPoolExecutor(8) as pool:
        for one in sorted(filter(None, pool.map(ask, paths)), key=version, reverse=True):
            if one.implementation == "CPython" and version(one) >= OLDEST:
                found.setdefault(apart(one), one)
    return tuple(found.values())


def feature_release(one: Interpreter) -> str:
    """For example "3.14", or "3.14t" of a free-threaded one."""
    return f"{version(one).major}.{version(one).minor}{'t' * one.free_threaded}"


def version(one: Interpreter) -> Version:
    """The version of an interpreter, to compare."""
    return Version(one.version.rstrip("+"))


def ask(path: str) -> Interpreter | None:
    """What an interpreter is; None: it does not work."""
    try:
        return interpreter(path)
    except OSError:
        return None


def installed() -> list[str]:
    """The interpreters of pyenv, of uv and on the path, each once; no shims, which are slow to ask."""
    home = os.path.expanduser("~")
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(home, ".pyenv")
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR") or os.path.join(data, "uv", "python")
    shims = os.path.join(pyenv, "shims")
    folders = [
        *(folder for folder in os.get_exec_path() if os.path.abspath(folder) != shims),
        *glob.glob(os.path.join(glob.escape(pyenv), "versions", "*", "bin")),
        *glob.glob(os.path.join(glob.escape(uv), "cpython-*", "bin")),
    ]
    found = {os.path.realpath(sys.executable): sys.executable}
    for path in (path for folder in folders for path in interpreters_in(folder)):
        found.setdefault(os.path.realpath(path), path)
    return list(found.values())[1:]


def interpreters_in(folder: str) -> Iterator[str]:
    """The interpreters of a folder that may be new enough, by their names."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in sorted(names):
        minor = re.fullmatch(r"python3\.(\d+)t?", name)
        if minor and int(minor[1]) >= OLDEST.minor:
            yield os.path.abspath(os.path.join(folder, name))
