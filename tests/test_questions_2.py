"""What only programs of the questions do: limits of a container, which are files."""

import importlib

import pytest

limits = importlib.import_module("examples.questions.cpu_limits")


def container(folder, groups, files):
    """Make the files of control groups; return the arguments that let the program read them."""
    mine = folder / "cgroup"
    mine.write_text("".join(f"{line}\n" for line in groups))
    root = folder / "root"
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return root, mine


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        (["0::/"], {"cpu.max": "50000 100000"}, 0.5),  # Docker, version 2
        (["0::/"], {"cpu.max": "max 100000"}, None),
        (["0::/"], {}, None),
        (  # the limit of a group around it counts as well
            ["0::/pod/mine"],
            {"pod/cpu.max": "150000 100000", "pod/mine/cpu.max": "400000 100000"},
            1.5,
        ),
        (  # version 1; Docker names a folder that is not there inside
            ["4:memory:/docker/1", "3:cpu,cpuacct:/docker/1"],
            {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"},
            2,
        ),
        (
            ["1:cpu:/"],
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            None,
        ),
        (  # the quota of another controller's group is none of its own
            ["2:cpuset:/other"],
            {"cpu/other/cpu.cfs_quota_us": "1000", "cpu/other/cpu.cfs_period_us": "100000"},
            None,
        ),
    ],
)
def test_the_quota_of_a_container(tmp_path, groups, files, cores):
    assert limits.quota(*container(tmp_path, groups, files)) == cores


def test_there_is_no_quota_where_there_are_no_control_groups(tmp_path):
    assert limits.quota(tmp_path, tmp_path / "no such file") is None


@pytest.mark.parametrize(("quota", "cores"), [(None, 4), (0.5, 1), (1.5, 2), (64, 4)])
def test_usable_cores_are_those_that_can_be_busy(monkeypatch, quota, cores):
    monkeypatch.setattr(limits.os, "process_cpu_count", lambda: 4, raising=False)
    monkeypatch.setattr(limits, "quota", lambda: quota)
    assert limits.usable_cores() == cores
