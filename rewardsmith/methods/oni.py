"""ONI (arXiv 2410.23022): intrinsic rewards learned online from a language model's labels of captions.

    r = c_ext * r_ext + c_int * r_llm(m) / N_ep(m)^3

m is the caption of a step, and N_ep(m) the number of its occurrences in the episode. New captions go to a labeller, the
newest first. Its labels train one of three reward models (methods/labelling/reward_models.py), which defines r_llm from
then on. Training never waits for labels. docs/methods/oni.md lists the differences from the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.errors import UsageError
from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.programs.composition import Channel
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import events_of
from rewardsmith.tasks.subgoals import preset_subgoals, subgoal_order, terminated
from rewardsmith.tasks.transitions import Describer
from rewardsmith.training.learner import Experience, Learner

if TYPE_CHECKING:  # a method's module must not load torch
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

    from rewardsmith.methods.labelling.labeller import Labeller
    from rewardsmith.methods.labelling.labels import Caption, Label
    from rewardsmith.methods.labelling.reward_models import CaptionRewardModel
    from rewardsmith.methods.labelling.sources import LabelSource


class OniOptions(Options):
    """Options of ONI. Published: weight 0.1, exponent 3, threshold -0.5, batch 100, capacity 10,000."""

    former_names: ClassVar[Mapping[str, str]] = {"judge_seed": "error_seed"}

    reward_model: Literal["retrieval", "classification", "ranking"] = Field(
        default="retrieval", description="how labels become rewards"
    )
    weight: float = Field(default=0.1, ge=0, description="weight of the bonus, c_int")
    exponent: float = Field(default=3.0, ge=0, description="of N_ep(m), the count of a caption in the episode")
    learning_rate: float = Field(default=1e-3, gt=0, description="of the learned reward models")
    threshold: float = Field(default=0.0, description="ranking: r~ at or below it gives reward 0")
    batch: int = Field(default=100, ge=1, description="captions per batch of the labeller")
    capacity: int = Field(default=10_000, ge=1, description="captions that may wait; the oldest are dropped")
    threads: int = Field(default=1, ge=1, le=64, description="batches labelled at the same time")
    per_call: int = Field(default=8, ge=1, description="captions per request to a language model")
    shuffled: bool = Field(default=False, description="control: permute the labels within each batch")
    false_positive: float = Field(default=0.0, ge=0, le=1, description="of the oracle labeller, per caption")
    false_negative: float = Field(default=0.0, ge=0, le=1, description="of the oracle labeller, per caption")
    latency: float = Field(default=0.05, ge=0, description="of the oracle labeller, in seconds per batch")
    error_seed: int = Field(default=0, ge=0, description="seed of the oracle labeller's errors")


CHANNEL = "oni"


class OniLearner(Learner):
    """Processes each rollout: captions its steps, collects labels, computes rewards, and submits unlabelled captions.

    Args:
        setting: The trial.
        labels: Source of the labels; None opens the labeller of the setting.
    """

    def __init__(self, setting: Setting, labels: LabelSource | None = None) -> None:
        from rewardsmith.methods.labelling.labels import LabelFile

        chosen: OniOptions = setting.options
        self._task, self._options = setting.task, chosen
        self._describer = Describer(setting.task, "caption")
        self._subgoals = preset_subgoals(setting.task)
        self._model = _reward_model(chosen, setting.seed)
        self._source = labels or _live_labels(setting)
        self._file = LabelFile(setting.folder)
        self._texts: dict[int, Caption] = {}
        self._labelled: dict[int, float] = {}
        self._rollout = 0
        self._waited: list[float] = []
        self._clear()

    def _clear(self) -> None:
        self._steps = self._covered = self._new = 0

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return r_llm(m) [T, N], and the keys of the captions, which the channel's gate counts per episode."""
        run = seen.rollout
        keys = self._describer.keys(run.before, run.actions, run.after, seen.observations, seen.following)
        unique, first, inverse, times = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        captions = [self._caption(int(key), int(at), seen) for key, at in zip(unique, first, strict=True)]
        self._take()
        texts = [caption.text for caption in captions]
        self._model.observe(texts, times)
        values = self._model.values(unique.tolist(), texts)
        # The labeller takes the last of these captions first, so that late ones of this rollout come before early ones.
        self._source.offer([captions[i] for i in np.argsort(first) if int(unique[i]) not in self._labelled])
        self._rollout += 1
        self._steps += keys.size
        self._covered += int(sum(t for key, t in zip(unique.tolist(), times, strict=True) if key in self._labelled))
        return {CHANNEL: values[inverse].reshape(keys.shape), f"{CHANNEL}:keys": keys}

    def _caption(self, key: int, at: int, seen: Experience) -> Caption:
        """Return the caption of `key`; `at` is the index of its first step among the rollout's T * N steps."""
        from rewardsmith.methods.labelling.labels import Caption

        if key not in self._texts:
            run, (t, n) = seen.rollout, np.unravel_index(at, seen.rollout.actions.shape)
            text = self._describer.words(
                run.before[t, n], run.actions[t, n], run.after[t, n],
                seen.observations[t, n], seen.following[t, n], seen.tables,
            )  # fmt: skip
            passed = terminated(run.after[t, n], self._subgoals, self._task.schema).any() or run.success[t, n]
            self._texts[key] = Caption(key, text, bool(passed))
            self._new += 1
        return self._texts[key]

    def _take(self) -> None:
        """Learn from the labels that have arrived, and append them to the file."""
        labels = self._source.collect()
        version = self._model.learn(labels)
        if not labels:
            return
        self._know(labels)
        self._file.append(labels, self._rollout, version)
        self._waited = (self._waited + [label.arrived - label.asked for label in labels])[-10_000:]

    def _know(self, labels: Sequence[Label]) -> None:
        self._labelled.update((label.captions[0].key, label.value) for label in labels)

    def learn(self, seen: Experience, model: OnPolicyAlgorithm) -> None:
        """Do nothing: `rewards` has taken the labels already."""

    def state(self) -> dict[str, Any]:
        """The reward model, and the number of labels in the file that it has received."""
        return {"labels": self._file.count, "rollout": self._rollout, "model": self._model.state()}

    def load(self, state: Any) -> None:
        """Continue with the labels known at the checkpoint."""
        labels = self._file.resume(state["labels"])
        self._rollout = state["rollout"]
        self._model.load(state["model"])
        self._model.remember(labels)
        self._know(labels)
        self._texts.update((label.captions[0].key, label.captions[0]) for label in labels)
        self._source.know([label.captions[0] for label in labels])

    def telemetry(self) -> dict[str, Any]:
        """Counts of captions and labels, delays of labels, and the accuracy of the reward model on the labels.

        Counts of new captions and of steps start again after each call.
        """
        known = [self._texts[key] for key in self._labelled if key in self._texts]
        told = {
            "reward_model": self._options.reward_model,
            "unique_captions": len(self._texts),
            "new_captions": self._new,
            "annotated": len(known) / len(self._texts) if self._texts else None,
            "annotated_steps": self._covered / self._steps if self._steps else None,
            "waiting": self._source.waiting,
            "stopped": self._source.stopped,
            "labels": self._file.count,
            "helpful": float(np.mean([v > 0.5 for v in self._labelled.values()])) if self._labelled else None,
            "calls": self._source.calls,
            "version": self._model.version,
            "latency_p50_s": float(np.quantile(self._waited, 0.5)) if self._waited else None,
            "latency_p95_s": float(np.quantile(self._waited, 0.95)) if self._waited else None,
            "model_accuracy": self._accuracy(known),
        }
        self._clear()
        return told

    def _accuracy(self, known: list[Caption]) -> float | None:
        """Proportion of labelled captions whose reward agrees with the label; None for ranking."""
        if not known or self._options.reward_model == "ranking":
            return None
        paid = self._model.values([c.key for c in known], [c.text for c in known]) > 0
        return float(np.mean(paid == np.array([self._labelled[c.key] > 0.5 for c in known])))

    def close(self) -> None:
        """Stop the threads that ask the labeller."""
        self._source.close()


def _reward_model(options: OniOptions, seed: int) -> CaptionRewardModel:
    from rewardsmith.methods.labelling.reward_models import Classification, Ranking, Retrieval

    if options.reward_model == "retrieval":
        return Retrieval()
    if options.reward_model == "classification":
        return Classification(seed, options.learning_rate)
    return Ranking(seed, options.learning_rate, options.threshold)


def _live_labels(setting: Setting) -> LabelSource:
    from rewardsmith.agents.models import LABELLER
    from rewardsmith.methods.labelling.labeller import ModelLabeller, ShuffledLabeller, SimulatedLabeller
    from rewardsmith.methods.labelling.sources import Asking, LiveLabels

    options: OniOptions = setting.options
    model = setting.open_model(LABELLER) if setting.open_model is not None else None
    labeller: Labeller
    if model is None or not model.is_language_model:
        rates = (options.false_positive, options.false_negative)
        labeller = SimulatedLabeller(*rates, options.latency, options.error_seed)
    else:
        labeller = ModelLabeller(model, setting.task.interface().goal, options.per_call)
    if options.shuffled:
        labeller = ShuffledLabeller(labeller, setting.seed)
    pairs = options.reward_model == "ranking"
    return LiveLabels(labeller, Asking(options.batch, options.capacity, options.threads, pairs, setting.seed))


class Oni(Method):
    """Needs no designer; the bonus is added to the environment's reward, or to that of any other method."""

    name = "oni"
    summary = "ONI: a bonus learned online from a language model's labels of captions (without a model: an oracle)"
    Options = OniOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the task has no events, or if the oracle labeller lacks a planner."""
        if events_of(task) is None:
            raise UsageError(
                f"ONI labels captions of events, and {task.id} has none.", "Set --task to a MiniGrid task."
            )
        if not modelled and subgoal_order(task) is None:
            raise UsageError(
                f"ONI's oracle labeller needs a planner, and none solves {task.id}.",
                "Set --model to a language model.",
            )

    def bonuses(self, options: OniOptions) -> tuple[Channel, ...]:
        """Return the channel c_int * r_llm(m) / N_ep(m)^exponent."""
        return (Channel(CHANNEL, kind="bonus", weight=options.weight, gate="count", exponent=options.exponent),)

    def learner(self, setting: Setting) -> Learner:
        """Return the learner with captions, labeller and reward model."""
        return OniLearner(setting)

    def oracle_informed(self, options: Any, modelled: bool) -> bool:
        """Whether the oracle labeller replaces a language model."""
        return not modelled

    def oracle_notice(self, options: Any) -> str | None:
        """Return the notice about the oracle labeller."""
        return (
            "The labeller is an oracle, not a language model: it reads the simulator's truth, with the error rates of "
            "--option oni.false_positive and oni.false_negative. Such results are oracle-informed."
        )

    def evidence(self, telemetry: Mapping[str, Any]) -> tuple[str, ...]:
        """Report the proportion of steps whose caption has a label."""
        share = telemetry.get("annotated_steps")
        if share is None:
            return ()
        said = f"{share:.0%} of the steps had a labelled caption; {telemetry['labels']} labels have arrived so far"
        helpful = telemetry.get("helpful")
        return (f"{said}." if helpful is None else f"{said}, {helpful:.0%} of them helpful.",)


METHOD = Oni()
