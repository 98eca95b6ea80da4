"""Wrong arguments of every kind are reported in two lines, never as a defect and never after an endless wait."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from running import in_process

HUGE = "9" * 400
REWARD = "def reward(prev, action, state, memory):\n    return 1.0\n"
TASK = {
    "id": "CartPole-v1", "goal": "g", "state": [{"name": n} for n in ("x", "s", "a", "t")], "actions": ["l", "r"],
    "max_steps": 50,
}  # fmt: skip
SUCCESS = {
    "or.yaml": " or ".join(["x > 2"] * 3000),
    "plus.yaml": "+".join(["x"] * 3000) + " > 2",
    "not.yaml": "not " * 3000 + "(x > 2)",
    "minus.yaml": "-" * 5000 + "x > 2",
    "paren.yaml": "(" * 3000 + "x > 2" + ")" * 3000,
}


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("hostile")
    for name, success in SUCCESS.items():
        (place / name).write_text(json.dumps({**TASK, "success": success}))
    texts = {
        "date.yaml": "task: 2020-99-99\n", "deep.yaml": "[" * 3000, "spec.yaml": "task: CartPole-v1\n", "ok.py": REWARD,
        "deep.json": "[" * 100_000, "mixed.json": '[{"layout": 0, "prefix": [0], "cycle": [], "task": 3}, '
        '{"layout": 0, "prefix": [0], "cycle": [], "task": "a"}]', "binary": "\0\1\2", "empty": "",
    }  # fmt: skip
    for name, text in texts.items():
        (place / name).write_text(text)
    (place / "directory").mkdir()
    os.mkfifo(place / "fifo")
    os.mkfifo(place / "fifo.yaml")
    return place


MINIGRID = ("--task", "MiniGrid-Empty-5x5-v0")
WRONG = [
    *(("tasks", "describe", name) for name in SUCCESS if name != "or.yaml"),
    *(("tasks", "describe", name) for name in ("date.yaml", "deep.yaml", "fifo.yaml")),
    *(("run", "--dry-run", "--spec", name) for name in ("date.yaml", "deep.yaml", "fifo", "directory", "binary")),
    *(("run", "--dry-run", "--task", "CartPole-v1", *more) for more in (
        ("--seed", HUGE), ("--seed", str(2**31)), ("--steps", HUGE), ("--max-steps", HUGE), ("--weight", "env=nan"),
        ("--set", f"steps={9 * HUGE}{9 * HUGE}"), ("--set", "training.hidden=[0]"), ("--set", "budget.seconds=.nan"),
        ("--set", "training.entropy=.inf"), ("--seed-reward", "fifo"), ("--target", "nan"),
    )),
    *(("run", "--dry-run", "--replay", name) for name in ("fifo", "directory", "deep.json", "empty", "binary")),
    *(("submit", "spec.yaml", *more) for more in (
        ("--owner", "x" * 81), ("--priority", HUGE), ("--priority", str(2**31)), ("--slots", HUGE),
        ("--set", f"seed={HUGE}"),
    )),
    *(("check", "ok.py", *MINIGRID, *more) for more in (
        ("--limit", HUGE), ("--exploits", "mixed.json"), ("--exploits", "deep.json"), ("--exploits", "fifo"),
        ("--gamma", "nan"),
    )),
    *(("check", name, "--task", "CartPole-v1") for name in ("fifo", "directory", "binary", "empty")),
    *(("verify", name) for name in ("fifo", "directory", "binary", "nothing")),
]  # fmt: skip


@pytest.mark.parametrize("arguments", WRONG, ids=lambda a: " ".join(a)[:60])
def test_a_wrong_argument_is_cause_and_remedy_with_exit_code_2(hostile_folder, arguments):
    ran = in_process(hostile_folder, *arguments)
    error = ran.stderr[ran.stderr.find("error: ") :].splitlines()
    assert len(error) == 2 and "bug in rewardsmith" not in ran.stderr, ran.stderr[-500:]
    assert ran.returncode in (1, 2) and (ran.returncode == 2 or "recording" in error[0] or "listed" in error[0])


def test_a_success_condition_of_3000_terms_is_accepted(hostile_folder):
    ran = in_process(hostile_folder, "tasks", "describe", "or.yaml")
    assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def exported_reward(small_job) -> Path:
    assert small_job.run("export", "latest", "--best", "--out", "good", "--force").returncode == 0
    return small_job.folder / "good"


MALFORMED = {
    "manifest.json": (
        "[" * 100_000,
        "null",
        "[1]",
        '"x"',
        '{"sha256": [1]}',
        '{"sha256": null}',
        '{"sha256": {"a": 1}}',
    ),
    "reward.py": ("", "x"),
    "transitions.npz": ("", "PK", "expected", "starts", "directory", "fifo"),
}


@pytest.mark.parametrize(("name", "content"), [(n, c) for n, all_ in MALFORMED.items() for c in all_])
def test_a_malformed_export_is_a_cause_and_a_remedy(exported_reward, tmp_path, small_job, name, content):
    changed = tmp_path / "changed"
    shutil.copytree(exported_reward, changed)
    path = changed / name
    if content in ("expected", "starts"):
        with np.load(path) as stored:
            arrays = {key: stored[key] for key in stored.files}
        np.savez(path, **{**arrays, content: arrays[content].astype(str)})
    elif content == "directory":
        path.unlink()
        path.mkdir()
    elif content == "fifo":
        path.unlink()
        os.mkfifo(path)
    else:
        path.write_text(content)
    ran = in_process(small_job.folder, "verify", str(changed))
    assert ran.returncode in (1, 2) and "bug in rewardsmith" not in ran.stderr
    assert len(ran.stderr.splitlines()) == 2, ran.stderr
