"""What the tests of the site share: copies of the project with their sites, each built once."""

import gc
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from render.runs import ROOT, STORE
from tests.harness import IN_CI, wait_until

# What was compiled is kept, whatever the caller has set: it spares each worker a second. So does it to
# collect no garbage while the tests are collected.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
gc.disable()

# The order of the tests: first what needs the site, which one worker of xdist then builds; what takes
# no time comes last, so that none idles in the end. In between they are mixed: some wait, some compute.
SITE = ["test_downloads", "test_search", "test_site", "test_browser"]
QUICK = ["test_messages", "test_timeline", "test_cast", "test_plots", "test_story"]
AXE = 1 / 3  # the share of the others that come before it: by then there is a site


def kind_of(nodeid):
    """A test's module, or "axe"."""
    file, _, name = nodeid.partition("::")
    return "axe" if name.startswith("test_axe_") else Path(file).stem


def place_of(kind, share):
    """Where a test stands in the order, before which this share of its kind comes."""
    if kind in SITE:
        return 0, SITE.index(kind)
    return 1 + (kind in QUICK), AXE if kind == "axe" else share


def pytest_collection_modifyitems(items):
    """Bring the tests into their order."""
    kinds = {item: kind_of(item.nodeid) for item in items}
    number, before, places = Counter(kinds.values()), Counter(), {}
    for item, kind in kinds.items():
        places[item] = place_of(kind, before[kind] / number[kind])
        before[kind] += 1
    items.sort(key=places.get)
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out the tests one by one; outside of CI all of the site to one worker, and axe to one.

    So no more than two of them start a browser, and wait until the site is built.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            kind = kind_of(nodeid)
            whole = {"axe": "axe"} | dict.fromkeys(SITE, "site")
            return nodeid if IN_CI else whole.get(kind, nodeid)

    return Scheduling(config, log)


def copy_of_the_project(folder, *without):
    """A copy of what there is, without some of it, and without what builds and tools have made."""
    made = (".git", ".venv*", "node_modules", "site", ".site-*", ".*cache*", "__pyc*")
    ignored = shutil.ignore_patterns(*made, STORE.name, *without)
    return Path(shutil.copytree(ROOT, folder / "project", ignore=ignored, symlinks=True))


def whole_project(folder):
    """A copy of all pages and programs. It keeps its recordings where the project has its own."""
    project = copy_of_the_project(folder)
    STORE.mkdir(exist_ok=True)
    (project / STORE.name).symlink_to(STORE)
    return project


SMALL_PAGE = """\
---
description: Counting with a {name}, on a page of a few lines.
---

# A {name}

```run exec="on"
show("{name}_totals")
source_of("{name}_totals.py", "main")
```

It took `#!figure {name}_totals.cpu`, and greets: `#!figure hello.Greeting`. See [the other one]({other}.md#behind).

## Behind
"""
SMALL_RUNS = """\
[queue_totals]
program = "queue_totals.py"
arguments = "--count 1000"
total = 5_000

[pipe_totals]
program = "pipe_totals.py"
arguments = "--count 1000"
total = 5_000

[hello]
program = "hello.py"
"""


def small_project(folder):
    """A copy of the project with three pages and three programs, which is built in no time."""
    project = copy_of_the_project(folder, "docs", "examples", "tests")
    docs, examples = project / "docs", project / "examples"
    docs.mkdir()
    shared = examples / "recipes/who_waits.py"  # the recorder draws from it
    shared.parent.mkdir(parents=True)
    shutil.copy(ROOT / "examples/recipes/who_waits.py", shared)
    (docs / "programs").symlink_to("../examples")
    for name in ("style.css", "terms.txt"):
        shutil.copy(ROOT / "docs" / name, docs)
    for name, other in (("queue", "pipe"), ("pipe", "queue")):
        shutil.copy(ROOT / f"examples/{name}_totals.py", examples)
        (docs / f"{name}.md").write_text(SMALL_PAGE.format(name=name, other=other))
    (docs / "index.md").write_text("# Home\n")
    (examples / "hello.py").write_text("print('Greeting: hello')\n")
    (examples / "runs.toml").write_text(SMALL_RUNS)
    settings = (project / "mkdocs.yml").read_text(encoding="utf-8")
    nav = "nav: [index.md, queue.md, pipe.md]\n\n"
    settings = re.sub(r"^nav:\n.*?\n\n", nav, settings, flags=re.MULTILINE | re.DOTALL)
    (project / "mkdocs.yml").write_text(settings, encoding="utf-8")
    return project


def mkdocs(project, *arguments, **popen):
    """Start MkDocs on a copy of the project, for a quick build."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"QUICK": "1", "NO_MKDOCS_2_WARNING": "1"} | popen.pop("env", {})
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = [sys.executable, "-m", "mkdocs", *arguments]
    return subprocess.Popen(command, cwd=project, env=environment, **output | popen)


def build(project, **popen):
    """Start a quick build of a copy of the project."""
    return mkdocs(project, "build", **popen)


def built_once(copy, tmp_path_factory, worker_id):
    """A copy of the project with its site, and what its build printed.

    The workers of xdist share it: the first one builds, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / copy.__name__
    printed = shared / "printed"
    try:
        shared.mkdir()
    except FileExistsError:
        wait_until(printed.exists, "another worker has built the site", timeout=600)
    else:
        building = build(copy(shared))
        output, _ = building.communicate()
        (shared / "part").write_text(f"{building.returncode}\n{output}", encoding="utf-8")
        (shared / "part").rename(printed)
    status, _, output = printed.read_text(encoding="utf-8").partition("\n")
    assert status == "0", output
    return shared / "project", output


@pytest.fixture(scope="session")
def project(tmp_path_factory, worker_id):
    """A copy of the project with its site: not to be changed."""
    return built_once(whole_project, tmp_path_factory, worker_id)[0]


@pytest.fixture(scope="session")
def small(tmp_path_factory, worker_id):
    """A project with a small site, and what its build printed: not to be changed."""
    return built_once(small_project, tmp_path_factory, worker_id)


@pytest.fixture
def copy(small, tmp_path):
    """A project with a small site, built, to change."""
    return Path(shutil.copytree(small[0], tmp_path / "project", symlinks=True))
