"""Which environments work: describe, random play, check and two rollouts of training, for every registered id.

.venv/bin/python -m benchmarks.environments --family classic-control

Takes between 1 and 60 seconds an id. Resumable: appends to results/environments.jsonl, and rewrites
docs/environments.md and the table in docs/tasks.md. Each id runs in a process of its own with a time limit.

An id counts as made if Gymnasium makes it. Then the id is described, played at random for some steps, a reward of zero
is checked, and a policy is trained for two rollouts (4 environments x 64 steps). MiniGrid's ids play 64 layouts here.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rewardsmith.errors import RewardsmithError
from rewardsmith.tasks.described import families
from rewardsmith.tasks.described.task import DescribedTask

ROOT = Path(__file__).parents[1]
ROWS = Path(__file__).with_name("results") / "environments.jsonl"
COUNTS = ROWS.with_name("environments_ids.json")
"""How many ids each family registers: not every family can be imported in one virtual environment."""
PAGE, TASKS = ROOT / "docs" / "environments.md", ROOT / "docs" / "tasks.md"
_NAMED = 12  # ids that a line names
MARKS = ("<!-- environments -->", "<!-- /environments -->")

PARTS = ("describe", "random play", "check", "training")
REWARD = "def reward(prev, action, state, memory):\n    return 0.0\n"
CONTEXT = multiprocessing.get_context("fork")
ENVS, ROLLOUT = 4, 64
LAYOUTS = {"train": 64, "select": 32, "claim": 32}
"""Layouts of a MiniGrid task: with the usual 2,048, most of the time would go into making them."""
PLAYED, SECONDS = 200, 10.0  # of random play
SHORT = 16
"""Steps of an episode in training: an evaluation plays at least 10 episodes, whatever their length."""
LIMIT = 600.0

FAMILIES: dict[str, str] = {
    "classic-control": "gymnasium.envs.classic_control",
    "toy-text": "gymnasium.envs.toy_text",
    "box2d": "gymnasium.envs.box2d",
    "mujoco": "gymnasium.envs.mujoco",
    "jax": "gymnasium.envs.phys2d gymnasium.envs.tabular",
    "minigrid": "minigrid",
    "babyai": "minigrid",
    "robotics": "gymnasium_robotics",
    "metaworld": "metaworld",
    "crafter": "crafter",
    "minihack": "minihack nle",
    "highway": "highway_env",
}
"""What the entry points of a family's ids begin with."""


def ids_of(family: str) -> list[str]:
    """The registered ids of a family, the newest of each name first; those of several agents are left out."""
    import gymnasium as gym

    own = [name for name in families.listed_ids() if name.lower().startswith(f"{family}/")]
    if own:
        return own
    packages = FAMILIES[family].split()
    for package in packages:
        if package.partition(".")[0] != "gymnasium":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                gym.register_envs(__import__(package))
    found = [name for name, spec in gym.registry.items() if str(spec.entry_point).startswith(tuple(packages))]
    if family in ("minigrid", "babyai"):
        found = [name for name in found if name.startswith("BabyAI") == (family == "babyai")]
    return [name for name in found if "multi-agent" not in name]


def look(name: str, family: str, tell: Callable[[str, Any], None]) -> None:
    """Try one id, and tell of each part: True, or why not."""
    made = _attempt(lambda: _make(name))
    tell("made", made)
    if made is not True:
        return
    described: list[Any] = []

    def describe() -> None:
        described.append(_task(name, family))
        assert described[0].interface().text

    tell("describe", _attempt(describe))
    if not described:
        return
    for part, work in (("random play", _play), ("check", _check), ("training", _train)):
        tell(part, _attempt(lambda work=work: work(described[0])))


def _make(name: str) -> None:
    import gymnasium as gym

    from rewardsmith.tasks.described.environments import make_environment, register

    if (own := families.family_description(name)) is not None and own.environment != name:
        make_environment(own, None).close()
        return
    register(name)
    gym.make(name).close()


def _task(name: str, family: str) -> Any:
    from rewardsmith.tasks import get_task, minigrid

    return minigrid.get_task(name, LAYOUTS) if family in ("minigrid", "babyai") else get_task(name)


def _play(task: Any) -> None:
    import numpy as np

    batch, rng, until = task.batch(1, "train"), np.random.default_rng(0), time.monotonic() + SECONDS
    batch.reset(0)
    for _ in range(PLAYED):
        batch.step(task.actions.sample(rng, 1, allowed=batch.masks))
        if batch.terminated[0] or batch.truncated[0]:
            batch.restart(np.ones(1, dtype=bool))
        if time.monotonic() > until:
            break
    batch.close()


def _check(task: Any) -> None:
    import rewardsmith

    found = rewardsmith.check(task, REWARD, layouts=1, limit=2_000, allow_weak_sandbox=True)
    assert found.verdicts


def _train(task: Any) -> None:
    from rewardsmith.methods import get_method
    from rewardsmith.spec import TrainingSpec
    from rewardsmith.training.trial import TrialPlan, run_trial
    from sandbox.client import Isolation

    training = TrainingSpec(
        num_envs=ENVS, rollout_steps=ROLLOUT, batch_size=64, epochs=1, eval_episodes=10, final_episodes=10
    )
    reward = get_method("free").reward(REWARD)
    if isinstance(task, DescribedTask):
        # A condition may have to be held for longer.
        most = task.max_steps if "held(" in (task.described.condition or "") else min(task.max_steps, SHORT)
        task = DescribedTask(task.described.model_copy(update={"max_steps": most}), Path.cwd(), examined=True)
    with tempfile.TemporaryDirectory() as folder:
        steps = 2 * ENVS * ROLLOUT
        plan = TrialPlan(task, reward, training, 1, steps, 1.0, Path(folder), isolation=Isolation.NONE, curve_points=1)
        assert run_trial(plan, lambda point: None, lambda steps: None).steps == steps


def _attempt(work: Callable[[], Any]) -> Any:
    try:
        work()
    except RewardsmithError as error:
        return _short(error.cause)
    except BaseException as error:
        return _short(f"{type(error).__name__}: {error}")
    return True


def _short(text: str) -> str:
    return " ".join(text.split())[:300]


def run(name: str, family: str) -> dict[str, Any]:
    """Try one id in a process of its own. Returns its row."""
    began = time.monotonic()
    row: dict[str, Any] = {"family": family, "id": name}
    here, there = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(target=_child, args=(name, family, there))
    child.start()
    there.close()
    end = f"not within {LIMIT:g} seconds"
    try:
        while here.poll(max(0.0, began + LIMIT - time.monotonic())):
            row.update([here.recv()])
    except EOFError:
        child.join(10.0)
        end = f"the process ended with code {child.exitcode}"
    child.kill()
    child.join()
    missing = [part for part in ("made", *PARTS) if part not in row]
    if missing and all(row[part] is True for part in ("made", "describe") if part in row):
        row[missing[0]] = end
    row["seconds"] = round(time.monotonic() - began, 1)
    return row


def _child(name: str, family: str, out: Connection) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # warnings of the libraries
    look(name, family, lambda part, told: out.send((part, told)))
    os._exit(0)


def _import_all(chosen: Sequence[str]) -> None:
    """What every id needs, so that its process begins with all of it. One thread: torch must not fork with more."""
    import torch

    torch.set_num_threads(1)
    import minigrid  # noqa: F401

    import rewardsmith.offline.check_reward
    import rewardsmith.training.trial  # noqa: F401

    if "crafter" in chosen:
        with suppress(RewardsmithError):  # compiles the noise that worlds are made of
            _task("Crafter/collect_wood", "crafter").make_env().reset(seed=0)


def rows() -> list[dict[str, Any]]:
    """The newest row of each id."""
    lines = ROWS.read_text().splitlines() if ROWS.exists() else []
    return [*{row["id"]: row for row in map(json.loads, lines)}.values()]


def works(row: dict[str, Any]) -> bool:
    """Whether every part of an id is a yes."""
    return all(row.get(part) is True for part in PARTS)


def write_pages() -> None:
    """Rewrite docs/environments.md, and the table in docs/tasks.md."""
    found = rows()
    PAGE.write_text("\n".join([*_head(), *_summary(found), *_refused(found), *_every(found)]) + "\n")
    text = TASKS.read_text()
    if MARKS[0] in text:
        before, after = text.split(MARKS[0])[0], text.split(MARKS[1])[1]
        TASKS.write_text(before + "\n".join([MARKS[0], *_summary(found), MARKS[1]]) + after)


def _head() -> Iterator[str]:
    yield from (
        "# Environments that were tried",
        "",
        "`python -m benchmarks.environments` writes this page. For each single-agent id that a package registers, it",
        "",
        "1. makes the environment,",
        "2. describes it as a task,",
        "3. plays it at random,",
        "4. checks a reward of zero,",
        f"5. trains a policy for two rollouts of {ENVS} environments x {ROLLOUT} steps, in episodes of at most",
        f"   {SHORT} steps.",
        "",
        "An id works if each part does. The command is resumable: ids that were not tried yet have no row.",
        "",
    )


def _summary(found: list[dict[str, Any]]) -> Iterator[str]:
    registered = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    yield "| family | ids | tried | made by Gymnasium | describe | random play | check | training | all |"
    yield "|" + "---|" * 9
    counted = [(family, [row for row in found if row["family"] == family]) for family in FAMILIES]
    for family, mine in [*((f, m) for f, m in counted if m), ("all", found)]:
        made = [row for row in mine if row["made"] is True]
        parts = [sum(row.get(part) is True for row in made) for part in PARTS]
        whole = sum(map(works, made))
        share = f"{100 * whole / len(made):.1f} %" if made else "-"
        count = sum(registered.values()) if family == "all" else registered.get(family, len(mine))
        yield f"| {family} | {count} | {len(mine)} | {len(made)} | {' | '.join(map(str, parts))} | {whole} ({share}) |"


def _refused(found: list[dict[str, Any]]) -> Iterator[str]:
    yield from ("", "## What does not work", "")
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for row in found:
        part = next((p for p in ("made", *PARTS) if row.get(p, True) is not True), None)
        if part is not None:
            reason = str(row[part]).replace(row["id"], "ID").replace("|", "\\|")
            reasons.setdefault((row["family"], part, reason), []).append(row["id"])
    yield from ("| family | fails at | reason | ids |", "|---|---|---|---|")
    for (family, part, reason), ids in reasons.items():
        shown = "make" if part == "made" else part
        more = f", and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
        yield f"| {family} | {shown} | {reason} | {', '.join(ids[:_NAMED])}{more} |"


def _every(found: list[dict[str, Any]]) -> Iterator[str]:
    yield from ("", "## What works", "")
    for family in FAMILIES:
        if names := sorted(row["id"] for row in found if row["family"] == family and works(row)):
            listed = textwrap.wrap(" ".join(names), 110, break_long_words=False, break_on_hyphens=False)
            yield from (f"### {family}", "", "```text", *listed, "```", "")


def main() -> None:
    """Parse the command line and try the ids that have no row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=FAMILIES, action="append", help="default: all")
    parser.add_argument("--again", action="store_true", help="try again what did not work")
    parser.add_argument("--only", help="only ids that contain this text")
    options = parser.parse_args()
    ROWS.parent.mkdir(exist_ok=True)
    _import_all(options.family or list(FAMILIES))
    known = {row["id"] for row in rows() if works(row) or not options.again}
    for family in options.family or FAMILIES:
        try:
            names = ids_of(family)
        except ImportError as error:
            print(f"{family}: {error}", file=sys.stderr)
            continue
        counts = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
        COUNTS.write_text(json.dumps({**counts, family: len(names)}) + "\n")
        for name in names:
            if name in known or (options.only and options.only not in name):
                continue
            row = run(name, family)
            with ROWS.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
    write_pages()


if __name__ == "__main__":
    main()
