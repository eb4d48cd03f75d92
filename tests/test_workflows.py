"""What the workflows may do: no more than they need, and all that a pull request must pass."""

import re

import pytest
import yaml

from render.interpreters import OLDEST
from render.runs import ROOT

FOLDER = ROOT / ".github/workflows"
TEXTS = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.yml")}
JOBS = {name: yaml.safe_load(text)["jobs"] for name, text in TEXTS.items()}
STEPS = [step for jobs in JOBS.values() for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("step", [step for step in STEPS if "uses" in step], ids=str)
def test_an_action_is_named_by_its_commit_and_keeps_no_credentials(step):
    assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"])
    if "/checkout@" in step["uses"]:
        assert step["with"]["persist-credentials"] is False


def test_who_may_write_runs_no_program():
    for name, jobs in JOBS.items():
        rights = yaml.safe_load(TEXTS[name])["permissions"]
        for job in jobs.values():
            if "write" in {*rights.values(), *job.get("permissions", {}).values()}:
                assert not [step for step in job["steps"] if "run" in step]
    assert JOBS["publish.yml"]["deploy"]["permissions"]["pages"] == "write"


def test_a_pull_request_is_linted_built_and_tested_on_every_python():
    commands = [step["run"] for step in STEPS if "run" in step]
    assert {"make lint", "make test", "make site"} <= set(commands)
    jobs = JOBS["test.yml"]
    versions = jobs["test"]["strategy"]["matrix"]["python"]
    assert versions == jobs["programs"]["strategy"]["matrix"]["python"]
    assert versions == [f"3.{minor}" for minor in range(OLDEST.minor, OLDEST.minor + 5)]
    assert all(f" {version}\n" in TEXTS["publish.yml"] for version in versions)


def test_nothing_is_installed_whose_hash_is_not_locked():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for text in (*TEXTS.values(), makefile.replace("$(INSTALL)", "")):
        for line in re.findall(r".*pip install.*", text):
            assert "--require-hashes" in line
    for lock in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert "==" in text
        for package in re.split(r"\n(?=\w)", text)[1:]:
            assert "--hash=sha256:" in package, package
