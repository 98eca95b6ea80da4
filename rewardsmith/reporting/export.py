"""`export`: writes reward.py, card.md, the policy, recorded transitions and a manifest."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, select

from rewardsmith.errors import UsageError
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.programs.rollout import Rollout, featured, record, score_rollout
from rewardsmith.reporting.card import card_text, environment_text
from rewardsmith.reporting.standalone_reward import standalone_reward
from rewardsmith.spec import JobSpec
from rewardsmith.storage import records
from rewardsmith.storage.artifacts import ArtifactStore
from rewardsmith.storage.database import read
from rewardsmith.storage.records import Candidate, Trial
from rewardsmith.storage.schema import artifacts
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import reference_of, solutions_of
from rewardsmith.tasks.described.data_files import OwnFiles
from rewardsmith.tasks.reference import Reference
from sandbox.client import Isolation

_ENVS = 8
_STORED = {"policy": "policy.safetensors", "trajectories": "trajectories.json"}
REPORT = "report.html"
"""The file with the report of the candidate's job."""

_POLICY = ("policy.zip", "policy.onnx", "vecnormalize.pkl", "policy_env.py")
_TAKEN = {"reward.py", "card.md", "task.yaml", "transitions.npz", "manifest.json", REPORT, *_STORED.values(), *_POLICY}
_VERSIONED = ("rewardsmith", "numpy", "torch", "stable-baselines3", "gymnasium", "minigrid")


@dataclass(frozen=True)
class PolicySection:
    """What an export says of its policy besides the files.

    Attributes:
        text: The card's section, as Markdown.
        facts: The manifest's entry, as JSON values.
    """

    text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def require_folder(candidate: Candidate, out: Path, force: bool) -> None:
    """Raise UsageError if the candidate has no program, or if `out` contains files and `force` is false."""
    if not candidate.source and candidate.kind != "seeded":
        raise UsageError(f"{candidate.id} has no program to export.", "Name a designed candidate, or pass --best.")
    if out.exists() and any(out.iterdir()) and not force:
        raise UsageError(
            f"The folder {out} is not empty.", "Pass another --out FOLDER, or --force to overwrite its files."
        )


def export_candidate(
    database: Engine,
    candidate: Candidate,
    out: Path,
    *,
    files: dict[str, bytes],
    force: bool,
    isolation: Isolation,
    policy: PolicySection = PolicySection(),
) -> list[Path]:
    """Write an exported folder.

    Args:
        database: Where the candidate is stored.
        candidate: The candidate to export.
        out: Folder to write.
        files: Further files by name: of `stored_files`, and those of the policy.
        force: Whether `out` may contain files already.
        isolation: Lowest level of the sandbox that scores the recorded transitions.
        policy: What the card and the manifest say of the policy.

    Returns:
        The files of the folder.

    Raises:
        UsageError: The candidate has no program, or `out` is not empty.
        sandbox.HostError: The program fails in the sandbox.
    """
    require_folder(candidate, out, force)
    with read(database) as connection:
        job = records.get_job(connection, candidate.job_id)
        card = card_text(connection, job, candidate, versions())
    spec = JobSpec.model_validate(job.spec)
    task = get_task(spec.task, spec.description)
    # Channels that exist only during training need the trainer around them.
    reward = TrainingReward.from_stored(candidate.source, candidate.reward).written
    by = f"designed by rewardsmith ({spec.method}, {spec.model})" if spec.searches else f"by the method {spec.method}"
    beside = _own_files(task, spec)
    own = beside.content
    title = f"Reward {candidate.id} for {task.id}, {by}."
    text = standalone_reward(task, reward, spec.training.gamma, title)
    texts = {"reward.py": text, "card.md": card + environment_text(task, list(own), beside.left_out) + policy.text}
    if spec.description is not None:
        texts["task.yaml"] = spec.description.text
    for name, content in {**own, **{name: text.encode() for name, text in texts.items()}}.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    _write_transitions(out / "transitions.npz", Problem(task, reward, spec.training.gamma, isolation))
    for name in (*_STORED.values(), *_POLICY):
        (out / name).unlink(missing_ok=True)
        if name in files:
            (out / name).write_bytes(files[name])
    names = ("reward.py", "transitions.npz", *_STORED.values(), *_POLICY)
    written = [name for name in (*names, *own) if (out / name).exists()]
    manifest = {
        "format": 1,
        "task": task.id,
        "candidate": candidate.id,
        "program_hash": candidate.source_hash,
        "reward_hash": reward.hash,
        "adjustment": candidate.adjustment if candidate.retrained_from is not None else None,
        "policy": dict(policy.facts) or None,
        "sha256": {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in written},
        "versions": versions(),
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return sorted(
        {*(path for path in out.iterdir() if path.is_file() and path.name != REPORT), *(out / name for name in own)}
    )


def _own_files(task: Task, spec: JobSpec) -> OwnFiles:
    """Return the task's own modules, which the exported reward imports, and the data in their packages."""
    if spec.description is None:
        return OwnFiles()
    from rewardsmith.tasks.described.stored import own_files

    found = own_files(spec.description, spec.task)
    if taken := sorted(_TAKEN & set(found.content)):
        raise UsageError(
            f"{task.id} has a source called {taken[0]}, as a file of every exported folder is called.",
            f"Rename {taken[0]} and start a new job, or use the reward in Python with rewardsmith.load(CANDIDATE).",
        )
    return found


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that a result depends on."""
    found = {"python": platform.python_version()}
    for name in _VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def stored_files(database: Engine, candidate: Candidate, store: ArtifactStore) -> dict[str, bytes]:
    """Return the stored files of a candidate by name: its policy, and failed episodes as text.

    They come from the first trial of the final evaluation, or from the search if there was none. Raises StorageError
    if the artifact store lacks a file that the database names.
    """
    with read(database) as connection:
        named = _named_files(connection, candidate)
    found = {name: store.get(path) for name, (path, digest) in named.items() if digest is not None}
    local = {name: Path(path) for name, (path, digest) in named.items() if digest is None}
    return found | {name: path.read_bytes() for name, path in local.items() if path.exists()}


def policy_trial(database: Engine, candidate: Candidate) -> Trial | None:
    """Return the trial whose policy `stored_files` returns, or None."""
    with read(database) as connection:
        for trial in _in_order(connection, candidate):
            kinds = select(artifacts.c.kind).where(artifacts.c.trial_id == trial.id)
            if "policy" in connection.execute(kinds).scalars().all():
                return trial
    return None


def _in_order(connection: Connection, candidate: Candidate) -> list[Trial]:
    trials = [t for t in records.trials_of(connection, candidate_id=candidate.id) if t.state == "done"]
    place = {"confirm": 0, candidate.search_purpose: 1}
    return sorted(trials, key=lambda t: (place.get(t.purpose, 2), t.seed))


def _named_files(connection: Connection, candidate: Candidate) -> dict[str, tuple[str, str | None]]:
    found: dict[str, tuple[str, str | None]] = {}
    for trial in _in_order(connection, candidate):
        query = select(artifacts.c.kind, artifacts.c.path, artifacts.c.sha256).where(artifacts.c.trial_id == trial.id)
        for kind, path, digest in connection.execute(query):
            if kind in _STORED:
                found.setdefault(_STORED[kind], (path, digest))
    return found


def _write_transitions(path: Path, problem: Problem) -> None:
    """Write played episodes with the rewards that training computes for them; `verify` replays these."""
    rollout = record_transitions(problem.task)
    tables = rollout.tables
    steps, envs = rollout.starts.shape
    scores = None
    if problem.reward.functions:
        with problem.host_of(rollout) as host:
            rollout = featured(rollout, problem.task, host.uses)
            scores = score_rollout(host, rollout, problem.task)
    totals = np.empty((steps, envs))
    for n in range(envs):
        # One environment at a time, as the exported wrapper runs them.
        totals[:, n] = _composed_alone(problem, rollout, scores, n)
    arrays: dict[str, Any] = {
        "before": rollout.before,
        "after": rollout.after,
        "actions": rollout.actions,
        "rewards": rollout.rewards,
        "starts": rollout.starts,
        "terminated": rollout.terminated,
        "expected": totals,
    }
    texts = {}
    for name, table in tables.items():
        if isinstance(table, np.ndarray) and table.dtype.kind != "U":
            arrays[f"table_{name}"] = table
        else:
            texts[name] = [str(entry) for entry in table]
    if texts:
        arrays["texts"] = np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8)
    np.savez_compressed(path, **arrays)


def _composed_alone(problem: Problem, rollout: Rollout, scores: Any, n: int) -> np.ndarray:
    from dataclasses import replace

    one = rollout.chosen(slice(None), slice(n, n + 1))
    if scores is None:
        return problem.compose(one, None).total[:, 0]
    phi = None if scores.phi is None else scores.phi[:, n : n + 1]
    phi0 = None if scores.phi0 is None else scores.phi0[:, n : n + 1]
    mine = replace(scores, values=scores.values[:, n : n + 1], phi=phi, phi0=phi0)
    return problem.compose(one, mine).total[:, 0]


def record_transitions(task: Task) -> Rollout:
    """Record eight environments under random actions for two step limits (at most 800 steps).

    If the task has a planner, the first environment begins with a shortest solution. If it has a reference instead,
    the first environment is played by it.
    """
    steps, plans = min(2 * task.max_steps, 800), solutions_of(task, 1)
    reference = None if plans else reference_of(task)
    if reference is None:
        return _random_transitions(task, plans, _ENVS, steps)
    led = _led_transitions(task, reference, steps)
    return Rollout.joined([led, _random_transitions(task, [], _ENVS - 1, steps)])


def _led_transitions(task: Task, reference: Reference, steps: int) -> Rollout:
    """One environment [T, 1], played by the reference from its first start."""
    batch, rows = reference.batch(1), task.schema.rows(1)
    player = reference.player(batch)

    def choose(t: int, starts: np.ndarray) -> np.ndarray:
        del t
        batch.state_rows(rows)
        return player.actions(rows, starts)

    batch.play(reference.layouts(1)[0])
    rollout = record(batch, task, choose, steps)
    batch.close()
    return rollout


def _random_transitions(task: Task, plans: Sequence[tuple[int, Sequence[int]]], envs: int, steps: int) -> Rollout:
    """Random actions in each environment [T, N]; the first of `plans`, if there is one, opens the first environment."""
    batch = task.batch(envs, "train")
    rng = np.random.default_rng(0)

    def choose(t: int, starts: np.ndarray) -> np.ndarray:
        actions = task.actions.sample(rng, envs, allowed=batch.masks)
        if plans and t < len(plans[0][1]):
            actions[0] = plans[0][1][t]
        return actions

    if plans:
        batch.play(plans[0][0])
    else:
        batch.reset(0)
    rollout = record(batch, task, choose, steps)
    batch.close()
    return rollout
