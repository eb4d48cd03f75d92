"""Takes the machine's own paths out of what a program printed."""

import os
import re
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping

# Folders of the system: a Python that is installed there owns its library only.
SHARED = {"/", "/usr", "/usr/local", "/opt", "/opt/homebrew", "/opt/local"}


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
    """A folder for temporary files whose name leaves room: a local socket's path is 108 bytes."""
    folder = tempfile.gettempdir()
    return "/tmp" if len(os.fsencode(folder)) > 40 and os.access("/tmp", os.W_OK) else folder
