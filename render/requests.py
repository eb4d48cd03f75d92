"""Answers what pages ask for: blocks that markdown-exec executes, and figures within sentences.

A block is a fence of the language `run`, in which each line is a call of a view:

    ```run exec="on"
    show("work_queue")
    ```

A figure in a sentence is an inline request: `#!figure queue_totals.Elapsed`, within backticks.
The views and the names of the runs are there without an import. mkdocs.yml names this module.
"""

import functools
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import markdown_exec

from render import blocks, cast, measured, messages, pythons, results, site
from render.build import build
from render.runs import PageError

VIEWS: dict[str, Callable[..., str]] = {
    view.__name__: view
    for view in (
        blocks.show,
        blocks.console,
        blocks.picture,
        blocks.pair,
        blocks.happened,
        blocks.variant,
        blocks.stuck,
        blocks.caption,
        blocks.start_method_table,
        blocks.fix,
        blocks.changes,
        blocks.source_of,
        cast.drawing,
        measured.fastest_list,
        results.results,
        messages.messages,
        site.machine_table,
        site.runs_table,
        site.faults_list,
        site.symptoms_list,
        site.rules_list,
        site.glossary,
        pythons.pythons_here,
        pythons.where_there,
        pythons.labels_by_python,
        pythons.labels_by_method,
        pythons.lines_by_python,
        pythons.times_by_python,
        pythons.faults_by_python,
    )
}


def answer(request: str, names: Mapping[str, Any]) -> str:
    """What a request gives, as HTML; when it fails, what is wrong, and the build fails at its end."""
    try:
        return str(eval(request, {"__builtins__": {}}, names))
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
    return answer(source, measured.Names())


def program_fence(
    source: str, language: str, class_name: str, options: Any, md: Any, **_: Any
) -> str:
    """Show the program whose path from the page a fence holds; further lines say what is lit."""
    path, *lit = source.splitlines()
    return answer("program(path, *lit)", {"program": blocks.program, "path": path, "lit": lit})


# For markdown-exec it is one more language.
FORMATTERS: dict[str, Any] = markdown_exec.formatters
FORMATTERS["run"] = functools.partial(
    markdown_exec.base_format, language="run", run=run_block, html=True
)
