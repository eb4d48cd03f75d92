"""What MkDocs itself does not do: keep the old site until the new one is whole, and sum up.

MkDocs empties the site's folder before it builds. Here it builds beside it, and the two are
swapped when nothing has failed. Zensical ignores hooks; the pages don't need them.
"""

import logging
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from mkdocs.exceptions import Abort
from mkdocs.plugins import event_priority
from mkdocs.utils import CountHandler
from pygments.token import STANDARD_TYPES, Name, Operator, Punctuation, Whitespace

# `mkdocs` alone does not look here for recorder.
sys.path.insert(0, str(Path(__file__).parent))

import downloads
from recorder import pages

# These look like the text around them. Without an element for each, a page of programs has a third
# of the elements, and a phone is done with it sooner.
STANDARD_TYPES.update(
    dict.fromkeys((Name, Name.Namespace, Operator, Punctuation, Whitespace), "")
)

state: dict[str, Any] = {}


def on_startup(command: str, **_: Any) -> None:
    """Remember what MkDocs was called for."""
    state["command"] = command


def on_config(config: Any) -> None:
    """Build beside the site that stands; `mkdocs serve` has a folder of its own."""
    state["started"] = time.perf_counter()
    pages.new_build()
    downloads.before()
    if state["command"] == "build":
        state["site"] = Path(config.site_dir)
        # A folder of this process's own: two builds at once don't meet.
        config.site_dir = str(state["site"].with_name(f".{state['site'].name}-{os.getpid()}"))
        state["new"] = Path(config.site_dir)


def on_env(env: Any, **_: Any) -> None:
    """Stop, before a page is written, when a run did not come out as its page says."""
    if pages.failures and state["command"] == "build":
        raise Abort("\n\n".join(pages.failures.values()))


def on_post_page(output: str, **_: Any) -> str:
    """Take the style sheet of mkdocstrings off the pages that have nothing of it."""
    if 'class="doc ' in output:
        return output
    return re.sub(r"<link [^>]*_mkdocstrings.css[^>]*>", "", output)


@event_priority(-100)
def on_post_build(config: Any) -> None:
    """Swap the new site for the old one, and say how long it took."""
    handlers = logging.getLogger("mkdocs").handlers
    if any(isinstance(each, CountHandler) and each.get_counts() for each in handlers):
        return  # with warnings, strict ends the build right after
    downloads.after(Path(config.site_dir))
    if state["command"] != "build":
        return
    new, site = state["new"], state["site"]
    old = new.with_name(f"{new.name}-old")
    if site.exists():
        site.rename(old)
    new.rename(site)
    shutil.rmtree(old, ignore_errors=True)
    took = time.perf_counter() - state["started"]
    logging.getLogger("mkdocs.site").info(
        f"The site is in {site.name}/. It took {took:.1f} s, "
        f"of which the programs ran for {pages.progress.seconds:.1f} s."
    )


def on_shutdown() -> None:
    """Remove what a build that failed had written."""
    if "new" in state:
        shutil.rmtree(state["new"], ignore_errors=True)
