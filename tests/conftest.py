"""What the tests of the site share: one copy of the project with its site, built quickly."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from render.runs import ROOT
from tests.harness import wait_until


def copy_of_the_project(folder):
    """A copy with the recordings that there are, but for the counts: the other tests run them."""
    names = (".git", ".venv*", "node_modules", "site", ".site-*", ".*cache*", "__pyc*")
    ignored = shutil.ignore_patterns(*names, "*_total*.json")
    return Path(shutil.copytree(ROOT, folder / "project", ignore=ignored, symlinks=True))


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


@pytest.fixture(scope="session")
def built(tmp_path_factory, worker_id):
    """A copy of the project with its site, and what its build printed.

    The workers of xdist share it: the first one builds, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "built"
    printed = shared / "printed"
    try:
        shared.mkdir()
    except FileExistsError:
        wait_until(printed.exists, "another worker has built the site", timeout=600)
    else:
        building = build(copy_of_the_project(shared))
        output, _ = building.communicate()
        (shared / "part").write_text(f"{building.returncode}\n{output}", encoding="utf-8")
        (shared / "part").rename(printed)
    status, _, output = printed.read_text(encoding="utf-8").partition("\n")
    assert status == "0", output
    return shared / "project", output


@pytest.fixture(scope="session")
def project(built):
    """A copy of the project with its site: not to be changed."""
    return built[0]
