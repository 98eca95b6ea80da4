"""An installation without the extra `train`: `check` works, and commands that need more name the extra."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rewardsmith.errors import TRAIN_PACKAGES, MissingExtra, missing_extra, names_missing_extra

ROOT = Path(__file__).parents[2]
REWARD = "def reward(prev, action, state, memory):\n    return 1.0 if state.solved else 0.0\n"
REFUSING = """
import importlib.abc, importlib.machinery, importlib.util, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in %r:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in %r else real(name, *more)
sys.meta_path.insert(0, Missing())
from rewardsmith.cli.main import main
sys.argv = ["rewardsmith", *sys.argv[1:]]
main()
""" % (TRAIN_PACKAGES, TRAIN_PACKAGES)  # noqa: UP031  (the program has braces)


def without_train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process in which the packages of the extra cannot be imported."""
    (folder / "reward.py").write_text(REWARD, encoding="utf-8")
    env = {**os.environ, "REWARDSMITH_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", REFUSING, *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)


def test_check_needs_no_package_of_the_extra(tmp_path):
    ran = without_train(tmp_path, "check", "reward.py", "--task", "MiniGrid-Empty-5x5-v0", "--layouts", "1")
    assert ran.returncode == 0, ran.stderr
    assert "certificate" in ran.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--task", "MiniGrid-Empty-5x5-v0"),
        pytest.param(("train", "--reward", "reward.py", "--task", "MiniGrid-Empty-5x5-v0"), marks=pytest.mark.slow),
        pytest.param(("worker",), marks=pytest.mark.slow),
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_that_train_name_the_extra_in_two_lines(tmp_path, arguments):
    ran = without_train(tmp_path, *arguments)
    assert ran.returncode == 2
    cause, remedy = ran.stderr.strip().splitlines()[-2:]
    assert cause.startswith("error: A") and "torch" in cause and "not installed" in cause
    assert "pip install 'rewardsmith[train]'" in remedy


def test_a_failed_import_of_the_extra_is_told_from_others(monkeypatch):
    monkeypatch.setattr("rewardsmith.errors.find_spec", lambda name: None)
    found = missing_extra(ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"))
    assert found is not None and found.cause == "This command needs torch, which is not installed."
    assert missing_extra(ModuleNotFoundError("No module named 'mine'", name="mine")) is None

    @names_missing_extra
    def plot():
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")

    with pytest.raises(MissingExtra, match=r"plot\(\) needs matplotlib"):
        plot()


def test_the_extra_has_the_heavy_packages_and_nothing_else_needs_them():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {text.split(">")[0].replace("-", "_") for text in project["optional-dependencies"]["train"]}
    assert names == set(TRAIN_PACKAGES)
    assert not names & {text.split(">")[0].replace("-", "_") for text in project["dependencies"]}


@pytest.mark.slow
def test_a_real_light_installation_checks_doorkey(tmp_path):
    """Builds and installs the wheel with its dependencies alone, and checks a reward with it."""
    from benchmarks.install_size import LIMIT_MB, collect

    wheels = tmp_path / "wheels"
    wheels.mkdir()
    files = collect(wheels)
    assert sum(size for _, size in files) <= LIMIT_MB * 1e6
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(wheels), "rewardsmith"]
    subprocess.run([str(python), *install], check=True)
    (tmp_path / "reward.py").write_text(REWARD, encoding="utf-8")
    command = [str(tmp_path / "env" / "bin" / "rewardsmith"), "check", "reward.py"]
    more = ["--task", "MiniGrid-DoorKey-8x8-v0", "--layouts", "3"]
    ran = subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    loaded = "import sys; print([n for n in %r if n in sys.modules])" % (TRAIN_PACKAGES,)  # noqa: UP031
    assert subprocess.run([str(python), "-c", loaded], capture_output=True, text=True).stdout.strip() == "[]"
