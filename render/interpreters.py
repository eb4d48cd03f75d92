"""Finds the Pythons of this machine: those that the environment names in PYTHONS, or else all that are installed."""

import functools
import glob
import operator
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from packaging.version import Version

from recorder.machine import Interpreter, interpreter

OLDEST = Version("3.11")
# A build for writing: a hundredth of the work, on its own Python only. mkdocs.yml reads it by the same rule.
QUICK = bool(yaml.safe_load(os.environ.get("QUICK", "")))


@functools.cache
def find() -> tuple[Interpreter, ...]:
    """CPython 3.11 and newer: the one that runs this, then the others, the newest first.

    Those that PYTHONS names are taken as they are. Of the installed ones the newest of each feature
    release is taken. One that does not work is passed over.
    """
    named = "" if QUICK else os.environ.get("PYTHONS")
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
    """The interpreters on the path, of pyenv and of uv, each once; no shims, which are slow to ask."""
    pyenv = os.environ.get("PYENV_ROOT", "~/.pyenv")
    data = os.environ.get("XDG_DATA_HOME", "~/.local/share")
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR", f"{data}/uv/python")
    folders = [folder for folder in os.get_exec_path() if Path(folder).name != "shims"]
    found = {os.path.realpath(sys.executable): sys.executable}
    for folder in (*folders, f"{pyenv}/versions/*/bin", f"{uv}/cpython-*/bin"):
        for path in sorted(glob.glob(f"{os.path.expanduser(folder)}/python3.*")):
            minor = re.fullmatch(r"python3\.(\d+)t?", os.path.basename(path))
            if minor and int(minor[1]) >= OLDEST.minor:
                found.setdefault(os.path.realpath(path), os.path.abspath(path))
    return list(found.values())[1:]
