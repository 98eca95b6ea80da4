"""CALM: credit assignment with language models (Pignatelli et al. 2024, arXiv 2409.12798).

A language model splits the task into subgoals and decides which transitions (o, a, o') terminate one of them:

    r' = r + beta * sum over g of 1[subgoal g was terminated at (o, a, o')]

In mode `verifier` the model labels transitions (section 3 of the paper). In mode `code`, which the paper does not have,
it writes one predicate per subgoal; predicates run in the sandbox and are checked, certified and exported like any
program. As published the bonus repeats on every recurrence and could be exploited, so each subgoal is latched: it pays
once per episode.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from rewardsmith.errors import UsageError
from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.methods.verifying.subgoal_program import read_predicates, read_sentences
from rewardsmith.programs.answer_text import UnreadableAnswer
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract
from rewardsmith.programs.reward import ENV
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import events_of
from rewardsmith.tasks.subgoals import Subgoal, preset_subgoals
from rewardsmith.tasks.transitions import View
from rewardsmith.training.learner import Learner


class CalmOptions(Options):
    """Options of CALM. The last four are errors and delay of the oracle verifier (asking/noisy_truth.py)."""

    former_names: ClassVar[Mapping[str, str]] = {"judge_seed": "error_seed"}
    former_values: ClassVar[Mapping[tuple[str, str], str]] = {("mode", "judge"): "verifier"}

    mode: Literal["code", "verifier"] = Field(default="code", description="one predicate per subgoal, or a verifier")
    subgoals: Literal["discover", "preset"] = Field(default="discover", description="by the model, or by the planner")
    beta: float = Field(default=0.5, ge=0, description="weight of a subgoal; 0.1, 0.5 and 1.0 in the paper")
    latch: bool = Field(
        default=True, description="reward each subgoal once per episode; false: every time, as published"
    )
    view: View = Field(default="caption", description="the description of a transition that the verifier reads")
    false_positive: float = Field(default=0.0, ge=0, le=1, description="of the oracle verifier, per description")
    false_negative: float = Field(default=0.0, ge=0, le=1, description="of the oracle verifier, per description")
    latency: float = Field(default=0.0, ge=0, description="of the oracle verifier, in seconds")
    error_seed: int = Field(default=0, ge=0, description="seed of the oracle verifier's errors")


_IMPOSSIBLE_LATCHED = frozenset({"saturated", "oscillation", "constant"})  # each subgoal is rewarded once per episode
_IMPOSSIBLE_JUDGED = frozenset({"interface misuse", "crash"})  # the designer writes no code


class Calm(Method):
    """Subgoals come from a designer or from the planner; predicates or a verifier detect their termination."""

    name = "calm"
    summary = "CALM: a model names subgoals and detects the steps that terminate them"
    Options = CalmOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the task has no events, or no planner although preset subgoals or the oracle need one."""
        if events_of(task) is None and options.mode == "verifier":
            raise UsageError(f"CALM's subgoals are events, and {task.id} has none.", "Set --task to a MiniGrid task.")
        if options.subgoals == "preset" or (options.mode == "verifier" and not modelled):
            self._preset(task, modelled)

    def contract(self, options: Any) -> Contract | None:
        """Mode `code`: subgoals with predicates. Mode `verifier`: subgoals in words, or None if they are preset."""
        if options.mode == "code":
            latched = _IMPOSSIBLE_LATCHED if options.latch else frozenset()
            return Contract("calm", ("subgoals",), check=read_predicates, impossible=latched)
        if options.subgoals == "preset":
            return None
        # Prompts contain the name of the contract, and cassettes are matched by prompts: so the former name stays.
        impossible = _IMPOSSIBLE_JUDGED | (_IMPOSSIBLE_LATCHED if options.latch else frozenset())
        return Contract("calm-judge", ("subgoals",), check=read_sentences, impossible=impossible)

    def given(self, task: Task, options: Any) -> Mapping[str, Any]:
        """Return preset subgoals for the prompt of the designer, who writes their predicates."""
        if options.subgoals == "discover":
            return {}
        return {"preset": [vars(subgoal) for subgoal in self._preset(task)]}

    def program(self, task: Task, options: Any) -> str:
        """Return `subgoals()` with the descriptions of preset subgoals, as a designer would write it."""
        said = {subgoal.name: subgoal.says for subgoal in self._preset(task)}
        return f"def subgoals():\n    return {json.dumps(said)}\n"

    def _preset(self, task: Task, modelled: bool = True) -> tuple[Subgoal, ...]:
        found = preset_subgoals(task)
        if not found:
            remedy = "Let the model discover subgoals: --option calm.subgoals=discover."
            remedy = remedy if modelled else "Set --model to a language model, and --option calm.subgoals=discover."
            raise UsageError(f"No planner provides subgoals of {task.id}.", remedy)
        return found

    def functions(self, source: str, options: Any) -> tuple[str, ...]:
        """Return the names of the predicates; () in mode `verifier`. Raises UsageError if the program defines none."""
        if options.mode == "verifier" or not source:
            return ()
        try:
            return tuple(read_predicates(source).values())
        except UnreadableAnswer as error:
            remedy = 'Define `def subgoals(): return {"description": predicate}` and the predicates in the file.'
            raise UsageError(f"The program's subgoals cannot be read: {error}", remedy) from error

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """Return the channel `env`, and in mode `code` a channel beta * 1[g] for each predicate g."""
        gate = "latch" if options.latch else "none"
        predicates = self.functions(source, options)
        return (ENV, *(Channel(name, weight=options.beta, gate=gate) for name in predicates))

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return, in mode `verifier`, one channel: the sum over subgoals."""
        return (Channel("calm", kind="bonus", weight=options.beta),) if options.mode == "verifier" else ()

    def combined_options(self, values: Mapping[str, Any]) -> Any:
        """With `--with calm`, a verifier and preset subgoals, since no designer names any."""
        return CalmOptions.model_validate({"mode": "verifier", "subgoals": "preset", **values})

    def oracle_informed(self, options: Any, modelled: bool) -> bool:
        """Whether subgoals come from the planner, or the oracle verifier replaces a language model."""
        return options.subgoals == "preset" or (options.mode == "verifier" and not modelled)

    def oracle_notice(self, options: Any) -> str | None:
        """Return the notice about the oracle verifier; None in mode `code`."""
        if options.mode == "code":
            return None
        return (
            "The verifier is an oracle, not a language model: it reads the simulator's truth, with the error rates of "
            "--option calm.false_positive and calm.false_negative. Such results are oracle-informed."
        )

    def learner(self, setting: Setting) -> Learner | None:
        """Return the learner of mode `verifier`; predicates need none."""
        if setting.options.mode == "code":
            return None
        from rewardsmith.methods.verifying.learner import VerifiedSubgoals

        if setting.options.subgoals == "preset":
            return VerifiedSubgoals(setting, {s.name: s.says for s in self._preset(setting.task)})
        return VerifiedSubgoals(setting, read_sentences(setting.reward.source))

    def evidence(self, telemetry: Mapping[str, Any]) -> tuple[str, ...]:
        """Report the proportion of labelled steps, and how often each subgoal was terminated."""
        often = ", ".join(f"{name} {share:.3g}" for name, share in telemetry["terminated"].items())
        return (
            f"{telemetry['labelled']:.1%} of the latest training steps had a verdict of the verifier.",
            f"Subgoals terminated per training episode: {often}.",
        )


METHOD = Calm()
