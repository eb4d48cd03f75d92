"""What MkDocs itself does not do: keep the old site until the new one is whole, and sum up.

MkDocs empties the site's folder before it builds. Here it builds beside it, and the two are
swapped when nothing has failed. Zensical ignores hooks; the pages don't need them.
"""

import contextlib
import fcntl
import gc
import logging
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mkdocs.exceptions import Abort
from mkdocs.plugins import event_priority
from mkdocs.utils import CountHandler
from pygments.token import STANDARD_TYPES, Name, Operator, Punctuation, Whitespace

import downloads
from recorder.watch import raise_on_termination
from render.build import build
from render.runs import EXAMPLES, PageError

# These look like the text around them. Without an element for each, a page of programs has a third
# of the elements, and a phone is done with it sooner.
STANDARD_TYPES.update(
    dict.fromkeys((Name, Name.Namespace, Operator, Punctuation, Whitespace), "")
)

logger = logging.getLogger("mkdocs")
state: dict[str, Any] = {}
until_the_end = contextlib.ExitStack()


def on_startup(command: str, **_: Any) -> None:
    """Remember what MkDocs was called for; let a signal end it as Ctrl-C does, `finally` and all."""
    state["command"] = command
    gc.set_threshold(100_000, 50, 50)  # there is hardly any garbage to look for
    until_the_end.enter_context(raise_on_termination())


def on_config(config: Any) -> None:
    """Build beside the site that stands; `mkdocs serve` has a folder of its own."""
    state["started"] = time.perf_counter()
    build.begin()
    try:
        _ = build.runs  # reads runs.toml: what is wrong there is said once, before any page
    except PageError as error:
        raise Abort(str(error)) from None
    if state["command"] != "build":
        # While writing, a wrong page says so, and the others are served: no warning is counted.
        for counter in [one for one in logger.handlers if isinstance(one, CountHandler)]:
            logger.removeHandler(counter)
        return
    site = state["site"] = Path(config.site_dir).resolve()  # it may be a link
    try:
        config.site_dir = str(folder_beside(site) / "site")
    except OSError as error:
        raise Abort(f"can't build in {site.parent}: {error.strerror}") from None


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> None:
    """Know the page that asks for runs: what is wrong is said with its name."""
    build.page = f"docs/{page.file.src_uri}"
    for name in re.findall(r'^ *--8<-- "(.+)"$', markdown, re.MULTILINE):
        if not any((folder / name).is_file() for folder in (EXAMPLES, Path(config.docs_dir))):
            build.fail(PageError(f"there is no program examples/{name}"))


def on_env(env: Any, config: Any, **_: Any) -> None:
    """Stop, before a page is written, when something on the pages is wrong: all of it is said."""
    if build.failures and state["command"] == "build":
        raise Abort("\n\n".join(build.failures))
    # A request less: the rules of mkdocstrings that pages need are in style.css.
    config.extra_css = [one for one in config.extra_css if "_mkdocstrings" not in str(one)]


def on_build_error(error: Exception, **_: Any) -> None:
    """Say in one line that something can't be read or written: a full disk, a page that is no text."""
    if isinstance(error, (OSError, UnicodeError)) and state["command"] == "build":
        raise Abort(
            f"{build.page}: {error}" if isinstance(error, UnicodeError) else str(error)
        )


@event_priority(-100)
def on_post_build(config: Any) -> None:
    """Swap the new site for the old one, and say how long it took."""
    if any(isinstance(one, CountHandler) and one.get_counts() for one in logger.handlers):
        return  # with warnings, strict ends the build right after
    new = Path(config.site_dir)
    style = new / "style.css"  # a quarter of it are comments, which no reader needs to load
    style.write_bytes(re.sub(rb"/\*.*?\*/\s*", b"", style.read_bytes(), flags=re.DOTALL))
    downloads.add_to(new, config.nav, state.get("site"))
    if state["command"] != "build":
        return
    site = state["site"]
    with locked(site.parent):
        if site.exists():
            site.rename(new.with_name("old"))
        new.rename(site)
    took = time.perf_counter() - state["started"]
    logger.getChild("site").info(
        f"The site is in {site.name}/. It took {took:.1f} s, "
        f"of which the programs ran for {build.seconds:.1f} s."
    )


def on_shutdown() -> None:
    """Remove what a build that failed had written, and the old site; no signal interrupts it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    until_the_end.close()


def folder_beside(site: Path) -> Path:
    """A folder of this build's own beside the site; those of builds that are no more are removed."""
    for folder in site.parent.glob(f".{site.name}-*"):
        with contextlib.suppress(OSError), locked(folder, fcntl.LOCK_NB):
            shutil.rmtree(folder)
    site.parent.mkdir(parents=True, exist_ok=True)
    beside = TemporaryDirectory(prefix=f".{site.name}-", dir=site.parent)
    new = Path(until_the_end.enter_context(beside))
    until_the_end.enter_context(locked(new))  # as long as this build lives
    return new


@contextlib.contextmanager
def locked(folder: Path, option: int = 0) -> Iterator[None]:
    """Hold a folder for this process; the system lets go of it when the process ends, however."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | option)
        yield
    finally:
        os.close(descriptor)
