"""Work items that train: the trial in its own process, and the rows that it writes."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from rewardsmith.agents.models import LanguageModel
from rewardsmith.engine.context import Context
from rewardsmith.engine.jobs.task_files import read_key
from rewardsmith.engine.models.relayed import open_relayed
from rewardsmith.engine.search.retraining import proposal, weighed
from rewardsmith.engine.search.shares import share_of
from rewardsmith.engine.search.snapshot import AGAIN, Snapshot
from rewardsmith.engine.served import checked_snapshot
from rewardsmith.errors import TaskError, UsageError
from rewardsmith.methods.base import Setting
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.reporting.proportion import anytime_interval, wilson
from rewardsmith.scores import ScoreScale
from rewardsmith.seeds import search_seed
from rewardsmith.spec import JobSpec, TrainingSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.events import add_event
from rewardsmith.storage.queue import Item
from rewardsmith.storage.records import Candidate
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.telemetry import KEPT_BY_CURVES, EpisodeScores, Telemetry, at_point
from rewardsmith.training.learner import Learner
from rewardsmith.verification.diagnosis import diagnose

T = TypeVar("T")
Propose = Callable[[Mapping[str, str], Telemetry], dict[str, Any] | None]

_FILES = {
    "checkpoint": "checkpoint.safetensors", "policy": "policy.safetensors", "trajectories": "trajectories.json",
    "episodes": "episodes.json.gz",
}  # fmt: skip

_CHANGED = ("training", "weights")  # settings that the payload of a trial's item may change

_ROW_EVERY = 0.5  # seconds between progress writes


def purpose_of(item: Item) -> str:
    """Return the purpose of an item's trial: "search", "retrain" (in the search, with other settings) or "confirm"."""
    if item.key.kind == "confirm":
        return "confirm"
    return "retrain" if item.key.sample == AGAIN else "search"


def training_of(item: Item, spec: JobSpec, *, baseline: bool = False) -> TrainingSpec:
    """Return the training settings of an item's trial: the job's, with the changes in its payload.

    Those of a baseline also have the changes of `baseline_training`.
    """
    changes = {**item.payload.get("training", {}), **((spec.baseline_training or {}) if baseline else {})}
    return TrainingSpec.model_validate({**spec.training.model_dump(), **changes})


def reward_of(item: Item, candidate: Candidate, spec: JobSpec) -> TrainingReward:
    """Return the reward of an item's trial: the candidate's, with the weights changed by the item's payload."""
    if candidate.kind == "baseline":
        return recipe_of(spec).sparse
    return weighed(TrainingReward.from_stored(candidate.source, candidate.reward), item.payload.get("weights", {}))


def train_item(context: Context, item: Item) -> None:
    """Run an item's trial in this process and write its result.

    A fault of the program is a result. A fault of the task's environment ends the job.

    Raises LostItem if the item was cancelled, or leased by another process, in the meantime.
    """
    from rewardsmith.training.trial import TrialPlan, run_trial
    from sandbox.client import HostError

    with read(context.database) as connection:
        snapshot = checked_snapshot(context, connection, item.key.job_id)
    candidate = next(c for c in snapshot.candidates if c.id == item.key.candidate)
    spec = snapshot.spec
    reward = reward_of(item, candidate, spec)
    training = training_of(item, spec, baseline=candidate.kind == "baseline")
    purpose = purpose_of(item)
    folder = context.trial_folder(candidate.id, purpose, item.key.seed)
    task = get_task(spec.task, spec.description)
    rows = _Rows(context, item, candidate.id, purpose, spec.score)
    try:
        if candidate.kind != "baseline":
            task = recipe_of(spec).observed(task, candidate.source)
        plan = TrialPlan(
            task=task,
            reward=reward,
            training=training,
            seed=item.key.seed,
            steps=spec.steps,
            fraction=share_of(item.key, spec),
            folder=folder,
            pool="claim" if purpose == "confirm" else "select",
            isolation=context.settings.isolation,
            learners={} if candidate.kind == "baseline" else _learners(context, spec, item, task, reward, folder),
            played=rows.played | _played_in_check(snapshot, candidate.id, purpose),
            **_donor(context, snapshot, item),
            scale=spec.score,
        )
        report = run_trial(plan, rows.on_point, rows.on_rollout)
    except TaskError as error:
        rows.write_task_fault(error)
        return
    except (HostError, UsageError) as error:
        # A UsageError here is a program that the method cannot use, such as subgoals that no verifier knows.
        rows.write_fault(" ".join(str(error).splitlines()))
        return
    rows.write_report(asdict(report), folder, lambda labels, told: proposal(labels, told, training, reward))


def _played_in_check(snapshot: Snapshot, candidate: str, purpose: str) -> dict[str, int]:
    """Return the steps played in a candidate's check, which are counted with its trials in the search."""
    kind = {"search": "check", "retrain": "recheck"}.get(purpose)
    steps = [
        (i.result or {}).get("played", 0) for i in snapshot.items if (i.key.kind, i.key.candidate) == (kind, candidate)
    ]
    return {"check": sum(steps)} if steps else {}


def _donor(context: Context, snapshot: Snapshot, item: Item) -> dict[str, Any]:
    """Return the arguments of a TrialPlan that name the trial it begins from, if its item names a candidate."""
    donor = next((c for c in snapshot.candidates if c.id == item.payload.get("donor")), None)
    if donor is None:
        return {}
    # The baseline is trained in the search on one seed only.
    seed = search_seed(snapshot.spec.seed, 0) if donor.kind == "baseline" else item.key.seed
    return {"donor": context.trial_folder(donor.id, donor.search_purpose, seed), "donor_name": donor.id}


def _learners(
    context: Context, spec: JobSpec, item: Item, task: Task, reward: TrainingReward, folder: Path
) -> dict[str, Learner]:
    """Return the learners of the job's methods for this trial, by method."""
    training = training_of(item, spec)

    def open_model(role: str) -> LanguageModel:
        return open_relayed(context, spec, item, role)

    def setting(options: Any) -> Setting:
        return Setting(task, training, reward, item.key.seed, spec.steps, folder, options, open_model)

    return recipe_of(spec).learners(setting)


def preload(task: str | None) -> None:
    """Load the libraries, kernels and layouts of a task in a process that will fork its trials.

    A task that cannot be loaded is skipped here; its trials report the error.

    Args:
        task: The task's task_files.task_key; None loads only what all tasks share.
    """
    import numpy as np

    import sandbox.client  # noqa: F401
    from rewardsmith.config import settings
    from rewardsmith.methods import all_methods
    from rewardsmith.storage.database import load_driver
    from rewardsmith.training.trial import rehearse

    load_driver(settings().url)
    all_methods()
    if task is None:
        return
    # An error must not end this process, because it would end all its trials.
    with contextlib.suppress(Exception):
        known = get_task(*read_key(task))
        batch = known.batch(2, "train")
        batch.reset(0)
        batch.step(known.actions.rows(2))
        batch.state_rows(np.zeros((2, known.schema.width), dtype=known.schema.dtype))
        batch.observe(np.zeros((2, batch.observation_size), dtype=np.float32))
        batch.close()
        rehearse(known)


class _Rows:
    """Writes the rows of one trial while it runs."""

    def __init__(
        self, context: Context, item: Item, candidate_id: str, purpose: str, scale: ScoreScale | None = None
    ) -> None:
        """scale: of the task's scores, if it has a score instead of a success."""
        self._context, self._item, self._scale = context, item, scale
        self._candidate, self._purpose = candidate_id, purpose
        self._written = 0.0
        self._trial = self._write(lambda connection: self._put(connection, state="running", failure=None))
        with read(context.database) as connection:
            before = records.trials_of(connection, candidate_id=candidate_id)
        earlier = next(t for t in before if t.id == self._trial)
        self._seconds = earlier.seconds or 0.0
        # A trial repeats the steps since its last checkpoint. Its recorded steps must not fall meanwhile.
        self._told = earlier.steps or 0
        self.played: dict[str, int] = dict(Telemetry.from_json(earlier.telemetry).played)
        """Steps played without training, by purpose, up to the last rung's end."""

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction that also verifies the lease. Raises LostItem."""

        def fenced(connection: Connection) -> T:
            queue.hold(connection, self._item)
            return work(connection)

        return self._context.write(fenced)

    def _put(self, connection: Any, **values: Any) -> int:
        key, settings = self._item.key, {k: self._item.payload[k] for k in _CHANGED if k in self._item.payload}
        values["settings"] = settings or None
        return records.put_trial(connection, key.job_id, self._candidate, self._purpose, key.seed, **values)

    def on_point(self, point: Any) -> None:
        """Write one point of the learning curve."""
        telemetry = Telemetry.from_json(point.telemetry)
        if self._scale is not None and point.evaluation:
            telemetry = telemetry.updated(score=EpisodeScores.measured(asdict(point.evaluation)))
        if point.evaluation and point.evaluation.sequential:
            telemetry = telemetry.updated(sequential=True)
        values = {
            "trial_id": self._trial,
            "steps": point.steps,
            "success": point.evaluation.success if point.evaluation and self._scale is None else None,
            "episodes": point.evaluation.episodes if point.evaluation else 0,
            "shaped_return": telemetry.shaped_return if telemetry.episodes else None,
            "env_return": telemetry.env_return if telemetry.episodes else None,
            "components": telemetry.as_json(KEPT_BY_CURVES),
        }
        self._write(lambda connection: records.put_point(connection, **values))

    def on_rollout(self, steps: int) -> None:
        """Write the trial's progress, at most twice a second. Raises LostItem if the item was cancelled."""
        if time.monotonic() - self._written < _ROW_EVERY:
            return
        self._written = time.monotonic()
        most = max(steps, self._told)
        self._write(lambda connection: self._put(connection, state="running", steps=most))

    def write_fault(self, reason: str) -> None:
        """Write that the program failed in training, with the reason; this is the trial's result."""

        def rows(connection: Connection) -> None:
            self._put(connection, state="failed", failure=reason)
            queue.withdraw_questions(connection, self._item)
            queue.finish(connection, self._item, "done", {"fault": reason})

        self._write(rows)

    def write_task_fault(self, error: TaskError) -> None:
        """Write that the task's environment failed, which ends the job (engine.search.rounds)."""

        def rows(connection: Connection) -> None:
            self._put(connection, state="failed", failure=error.cause)
            queue.withdraw_questions(connection, self._item)
            queue.fail_for_task(connection, self._item, error)

        self._write(rows)

    def write_report(self, report: dict[str, Any], folder: Path, propose: Propose) -> None:
        """Write the result of a rung to the trial and the work item, in one transaction.

        Args:
            report: The report of `run_trial`, as plain data.
            folder: The trial's folder.
            propose: Maps the labels of a diagnosis and the telemetry to the settings of a retraining, or None.
        """
        stochastic, greedy = report["stochastic"], report["greedy"]
        telemetry = Telemetry.from_json(report["telemetry"])
        telemetry = telemetry.updated(failed_episodes=tuple(report["failed_episodes"]))
        if report["starts"] != "layouts":
            telemetry = telemetry.updated(starts=report["starts"])
        if self._scale is not None:
            telemetry = telemetry.updated(score=EpisodeScores.measured(stochastic, greedy))
        if stochastic["sequential"]:
            telemetry = telemetry.updated(sequential=True)
        success = stochastic["successes"] / stochastic["episodes"]
        columns: dict[str, Any] = {} if self._scale is not None else _success_columns(stochastic, greedy)
        # Before the transaction, which must not wait for a store. Files that no row names are garbage collected.
        files = self._store(report, folder)

        def rows(connection: Connection) -> None:
            self._put(
                connection,
                # At the end of an earlier rung no process works on it; it runs again if its candidate is promoted.
                state="done" if report["complete"] else "stopped",
                steps=report["steps"],
                **columns,
                episodes=stochastic["episodes"],
                unseen=report["unseen"],
                telemetry=telemetry.as_json(),
                sandbox_level=report["sandbox_level"],
                steps_per_second=report["steps_per_second"],
                seconds=self._seconds + report["seconds"],
            )
            for kind, path, digest in files:
                named = {"job_id": self._item.key.job_id, "trial_id": self._trial, "kind": kind}
                records.put_artifact(connection, **named, path=path, sha256=digest)
            curve = records.curve_of(connection, self._trial)
            result = {"steps": report["steps"], "episodes": stochastic["episodes"]}
            if self._scale is not None and telemetry.score is not None:
                result |= _scores(telemetry.score, curve)
            else:
                result |= _measures(success, curve, telemetry)
                if telemetry.sequential:
                    result |= {name: columns[name] for name in ("success_low", "success_high")}
            if telemetry.reused:
                result["saved"] = telemetry.reused["saved"]
                self._tell_reuse(connection, telemetry.reused)
            result["proposal"] = propose(diagnose(success, curve, telemetry, scale=self._scale), telemetry)
            queue.withdraw_questions(connection, self._item)
            queue.finish(connection, self._item, "done", result)

        self._write(rows)
        for kind, _, digest in files:
            if digest is not None:
                (folder / _FILES[kind]).unlink(missing_ok=True)

    def _tell_reuse(self, connection: Connection, reused: Mapping[str, Any]) -> None:
        """Write an event at the trial's first rung: what it began from, or why it started empty."""
        if self._item.key.rung > 0:
            return
        said = f"{self._candidate} started with an empty replay buffer: {reused['note']}"
        if reused["donor"]:
            said = f"{self._candidate} began from {reused['transitions']:,} transitions of {reused['donor']}"
        add_event(connection, "reuse", job_id=self._item.key.job_id, item_id=self._item.id, text=said)

    def _store(self, report: dict[str, Any], folder: Path) -> list[tuple[str, str, str | None]]:
        """Put finished files into the store: (kind, key, SHA-256). A checkpoint stays here: (kind, path, None)."""
        kinds, store = [], self._context.store
        if report["recorded"]:
            (folder / _FILES["episodes"]).write_bytes(report["recorded"])
            kinds.append("episodes")
        if not report["complete"]:
            checkpoint = ("checkpoint", str(folder / _FILES["checkpoint"]), None)
            return [checkpoint, *((kind, *store.put(folder / _FILES[kind])) for kind in kinds)]
        kinds.append("policy")
        if report["failed_episodes"]:
            (folder / _FILES["trajectories"]).write_text(json.dumps(report["failed_episodes"]), encoding="utf-8")
            kinds.append("trajectories")
        return [(kind, *store.put(folder / _FILES[kind])) for kind in kinds]


def _success_columns(stochastic: Mapping[str, Any], greedy: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the columns of a trial that hold success rates; they stay empty where nothing is a success."""
    interval = anytime_interval if stochastic["sequential"] else wilson
    low, high = interval(stochastic["successes"], stochastic["episodes"])
    return {
        "success": stochastic["successes"] / stochastic["episodes"],
        "success_low": low,
        "success_high": high,
        "greedy_success": greedy["successes"] / greedy["episodes"] if greedy else None,
    }


def _scores(final: EpisodeScores, curve: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the scores by which candidates are ranked, with the interval of the final one."""
    points = [told.mean for p in curve if (told := at_point(p).score) is not None]
    return {
        "score": final.mean,
        "score_low": final.low,
        "score_high": final.high,
        "late": _mean(points[2 * len(points) // 3 :], final.mean),
        "area": _mean(points, final.mean),
    }


def _measures(success: float, curve: Sequence[Mapping[str, Any]], telemetry: Telemetry) -> dict[str, float]:
    """Return the measures by which candidates are ranked (engine.search.snapshot, `Measure`)."""
    points = [p["success"] for p in curve if p["success"] is not None]
    return {
        "success": success,
        "late": _mean(points[2 * len(points) // 3 :], success),
        "area": _mean(points, success),
        "train_success": telemetry.success_rate,
    }


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
