"""CALM's learner: asks the verifier about each rollout's transitions, and rewards the terminated subgoals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.agents.models import VERIFIER
from rewardsmith.errors import UsageError
from rewardsmith.methods.asking.noisy_truth import NoisyTruth
from rewardsmith.methods.base import Setting
from rewardsmith.methods.verifying.verifier import (
    ModelVerifier,
    SimulatedVerifier,
    TransitionQuestion,
    Verifier,
    bits,
    verifier_prompt,
)
from rewardsmith.tasks.subgoals import Subgoal, named_subgoal, terminated
from rewardsmith.tasks.transitions import Describer
from rewardsmith.training.learner import Experience, Learner


class VerifiedSubgoals(Learner):
    """Computes the channel `calm`. Verdicts are cached by (o, a, o'); each subgoal is latched per episode.

    Args:
        setting: The trial.
        subgoals: Sentences by name of the subgoal.

    Raises:
        UsageError: There is no language model, and the oracle verifier does not know a subgoal.
    """

    def __init__(self, setting: Setting, subgoals: Mapping[str, str]) -> None:
        self._setting, self._subgoals = setting, dict(subgoals)
        self._describer = Describer(setting.task, setting.options.view)
        self._verdicts: dict[int, int] = {}
        self._asked: set[int] = set()
        self._latched = np.zeros((setting.training.num_envs, len(subgoals)), dtype=bool)
        self._verifier, self._truth = self._open_verifier(setting)
        self.clear()

    def clear(self) -> None:
        """Reset the counters of the telemetry."""
        self._steps = self._known = self._episodes = 0
        self._paid = np.zeros(len(self._subgoals))

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return sum over g of 1[g terminated], [T, N], each g once per episode; 0 without a verdict."""
        keys = self._ask(seen)
        self._verdicts |= self._verifier.collect()
        distinct, places = np.unique(keys, return_inverse=True)
        known = np.array([key in self._verdicts for key in distinct.tolist()])
        verdicts = np.array([self._verdicts.get(key, 0) for key in distinct.tolist()], dtype=np.int64)
        flags = (verdicts[places.reshape(keys.shape)][..., None] >> np.arange(len(self._subgoals)) & 1).astype(bool)
        # Running episodes count as well: few episodes begin in a short stretch, and each rewards a subgoal at most
        # once.
        self._episodes += 0 if self._steps else int((~seen.rollout.starts[0]).sum())
        self._steps += keys.size
        self._known += int(known[places].sum())
        paid = self._latch(flags, seen.rollout.starts) if self._setting.options.latch else flags
        self._episodes += int(seen.rollout.starts.sum())
        self._paid += paid.sum((0, 1))
        return {"calm": paid.sum(-1, dtype=np.float64)}

    def _latch(self, flags: NDArray[np.bool_], starts: NDArray[np.bool_]) -> NDArray[np.bool_]:
        paid = np.empty_like(flags)
        for t in range(len(flags)):
            self._latched[starts[t]] = False
            paid[t] = flags[t] & ~self._latched
            self._latched |= flags[t]
        return paid

    def _ask(self, seen: Experience) -> NDArray[np.int64]:
        """Submit new transitions in time order; return the keys [T, N] of all transitions."""
        rollout = seen.rollout
        keys = self._describer.keys(rollout.before, rollout.actions, rollout.after, seen.observations, seen.following)
        distinct, first = np.unique(keys, return_index=True)
        new = [i for key, i in zip(distinct.tolist(), first.tolist(), strict=True) if key not in self._asked]
        self._asked.update(int(keys.flat[i]) for i in new)
        self._verifier.submit([self._question(seen, keys, i) for i in sorted(new)])
        return keys

    def _question(self, seen: Experience, keys: NDArray[np.int64], index: int) -> TransitionQuestion:
        t, n = divmod(index, keys.shape[1])
        rollout = seen.rollout
        # Copies, because rollouts are overwritten while questions wait.
        before, after = rollout.before[t, n].copy(), rollout.after[t, n].copy()
        saw, sees, action = seen.observations[t, n].copy(), seen.following[t, n].copy(), rollout.actions[t, n].copy()
        truth = 0
        if self._truth:
            truth = int(bits(terminated(after, self._truth, self._setting.task.schema)))
        tables, words = seen.tables, self._describer.words
        return TransitionQuestion(int(keys[t, n]), lambda: words(before, action, after, saw, sees, tables), truth)

    def _open_verifier(self, setting: Setting) -> tuple[Verifier, tuple[Subgoal, ...]]:
        """Return the verifier, and the truth that the oracle reads (() for a language model). Raises UsageError."""
        chosen = setting.options
        model = setting.open_model(VERIFIER) if setting.open_model is not None else None
        if model is None or not model.is_language_model:
            truth = tuple(s for name in self._subgoals if (s := named_subgoal(name, setting.task)) is not None)
            if len(truth) < len(self._subgoals):
                unknown = next(n for n in self._subgoals if named_subgoal(n, setting.task) is None)
                raise UsageError(
                    f"The oracle verifier does not know the subgoal {unknown!r}.",
                    "Set --model to a language model, or --option calm.subgoals=preset.",
                )
            rates = (chosen.false_positive, chosen.false_negative)
            return SimulatedVerifier(NoisyTruth(len(truth), *rates, chosen.error_seed), chosen.latency), truth
        goal, legend = setting.task.interface().goal, self._describer.legend

        def prompt(transition: str) -> str:
            return verifier_prompt(goal, legend, self._subgoals, transition)

        return ModelVerifier(model, prompt, list(self._subgoals), log=self._log), ()

    def _log(self, entry: dict[str, Any]) -> None:
        self._setting.folder.mkdir(parents=True, exist_ok=True)
        with (self._setting.folder / "verdicts.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def state(self) -> Any:
        """Verdicts for a checkpoint. Questions in progress are asked again when their transition recurs."""
        size = len(self._verdicts)
        keys = np.fromiter(self._verdicts.keys(), np.int64, size)
        verdicts = np.fromiter(self._verdicts.values(), np.int64, size)
        return {"keys": keys, "verdicts": verdicts, "asked": self._verifier.asked}

    def load(self, state: Any) -> None:
        """Restore the verdicts from a checkpoint."""
        self._verdicts = dict(zip(state["keys"].tolist(), state["verdicts"].tolist(), strict=True))
        self._asked = set(self._verdicts)
        self._verifier.resume(state["asked"])

    def telemetry(self) -> dict[str, Any]:
        """Counts of verdicts so far, and the labelled proportion and terminated subgoals since the last call."""
        often = (self._paid / max(self._episodes, 1)).tolist()
        told = {
            "descriptions": len(self._asked),
            "verdicts": len(self._verdicts),
            "positive": sum(v != 0 for v in self._verdicts.values()),
            "labelled": self._known / max(self._steps, 1),
            "terminated": dict(zip(self._subgoals, often, strict=True)),
        }
        self.clear()
        return told | self._verifier.telemetry()

    def close(self) -> None:
        """Stop the threads of the verifier."""
        self._verifier.close()
