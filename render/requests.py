"""Answers what pages ask for: blocks that markdown-exec executes, and figures within sentences.

A block is a fence of the language `run`, in which each line is a call of a view:

    ```run exec="on"
    show("work_queue")
    ```

A figure in a sentence is an inline request: `#!figure queue_totals.Elapsed`, within backticks.
The functions of some modules are the views; they and the names of the runs are there without an
import. mkdocs.yml names this module.
"""

import functools
import inspect
from collections.abc import Mapping
from html import escape
from typing import Any

import markdown_exec

from render import blocks, cast, measured, messages, pythons, results, site
from render.build import build
from render.runs import PageError

MODULES = (blocks, cast, measured, messages, pythons, results, site)
VIEWS = {
    name: function
    for module in MODULES
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__
}


class Names(dict[str, Any]):
    """What an inline request may name: the views, and every run."""

    def __missing__(self, name: str) -> measured.Figures:
        if build.run(name).traced:
            raise PageError(f"the run {name} is traced: no figure comes from it")
        return measured.Figures(blocks.recording_of(name))


def answer(request: str, names: Mapping[str, Any]) -> str:
    """What a request gives, as HTML; when it fails, what is wrong, and the build fails at its end."""
    try:
        if given := str(eval(request, {"__builtins__": {}}, names)):
            return given
        message = build.fail(PageError(f"{request} gives nothing"))
    except PageError as error:
        message = build.fail(error)
    except Exception as error:  # a mistake on the page, of whatever kind: it is said
        message = build.fail(PageError(f"{request}: {type(error).__name__}: {error}"))
    return f'<span class="failure">{escape(message)}</span>'


def run_block(code: str, **_: Any) -> str:
    """Execute a block: what its lines give, one after the other."""
    return "".join(answer(line, VIEWS) for line in code.splitlines() if line.strip())


def figure_request(source: str, language: str, class_name: str, md: Any) -> str:
    """Answer an inline request."""
    return answer(source, Names(VIEWS))


def program_fence(
    source: str, language: str, class_name: str, options: Any, md: Any, **_: Any
) -> str:
    """Show the program whose path from the page a fence holds; further lines say what is lit."""
    return answer("program(*lines)", {"program": blocks.program, "lines": source.splitlines()})


# For markdown-exec it is one more language.
FORMATTERS: dict[str, Any] = markdown_exec.formatters
FORMATTERS["run"] = functools.partial(
    markdown_exec.base_format, language="run", run=run_block, html=True
)
