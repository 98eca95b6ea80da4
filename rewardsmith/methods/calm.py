"""CALM: credit assignment with language models (Pignatelli et al. 2024, arXiv 2409.12798).

The model splits the task into subgoals, and says which transition (o, a, o') terminated one of them:

    r' = r + beta * sum over g of 1[subgoal g was terminated at (o, a, o')]

Mode `verifier`: the model labels transitions (section 3). Mode `code`, ours: it writes one predicate per subgoal, which
runs in the sandbox, is checked, certified and exported like any program. As published the bonus repeats on every
recurrence and could be farmed, so each subgoal is latched: it pays once per episode.
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
    """beta: 0.1, 0.5 or 1.0 in the paper. subgoals: discovered by the model, or the planner's. view: what the verifier
    reads. The last four are those of the simulated verifier: see asking.noisy_truth."""

    former_names: ClassVar[Mapping[str, str]] = {"judge_seed": "error_seed"}
    former_values: ClassVar[Mapping[tuple[str, str], str]] = {("mode", "judge"): "verifier"}

    mode: Literal["code", "verifier"] = "code"
    subgoals: Literal["discover", "preset"] = "discover"
    beta: float = Field(default=0.5, ge=0)
    latch: bool = True
    view: View = "caption"
    false_positive: float = Field(default=0.0, ge=0, le=1)
    false_negative: float = Field(default=0.0, ge=0, le=1)
    latency: float = Field(default=0.0, ge=0)
    error_seed: int = Field(default=0, ge=0)


class Calm(Method):
    """Subgoals from a designer or the planner; termination from predicates or a verifier."""

    name = "calm"
    summary = "CALM: the model names subgoals and says which steps terminate them"
    Options = CalmOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Subgoals are events; preset ones, and the simulated verifier's, are the planner's."""
        if events_of(task) is None and options.mode == "verifier":
            raise UsageError(f"CALM's subgoals are events, and {task.id} has none.", "Use a MiniGrid task.")
        if options.subgoals == "preset" or (options.mode == "verifier" and not modelled):
            self._preset(task, modelled)

    def contract(self, options: Any) -> Contract | None:
        """code: subgoals and a predicate each; verifier: subgoals in words, unless they are preset."""
        if options.mode == "code":
            return Contract("calm", ("subgoals",), check=read_predicates)
        if options.subgoals == "preset":
            return None
        # Prompts carry the contract's name, and recordings are found by their prompts: it stays as it was first called.
        return Contract("calm-judge", ("subgoals",), check=read_sentences)

    def given(self, task: Task, options: Any) -> Mapping[str, Any]:
        """Preset subgoals, for the designer who writes their predicates."""
        if options.subgoals == "discover":
            return {}
        return {"preset": [vars(subgoal) for subgoal in self._preset(task)]}

    def program(self, task: Task, options: Any) -> str:
        """Verifier with preset subgoals: they in words, as a designer would have written them."""
        said = {subgoal.name: subgoal.says for subgoal in self._preset(task)}
        return f"def subgoals():\n    return {json.dumps(said)}\n"

    def _preset(self, task: Task, modelled: bool = True) -> tuple[Subgoal, ...]:
        found = preset_subgoals(task)
        if not found:
            remedy = "Let the model discover them: --option subgoals=discover."
            remedy = remedy if modelled else "Name a language model with --model, and let it discover them."
            raise UsageError(f"No planner knows subgoals of {task.id}.", remedy)
        return found

    def functions(self, source: str, options: Any) -> tuple[str, ...]:
        """The predicates; a verifier's subgoals are not called. Raises UsageError for a file that names none."""
        if options.mode == "verifier" or not source:
            return ()
        try:
            return tuple(read_predicates(source).values())
        except UnreadableAnswer as error:
            remedy = 'Write `def subgoals(): return {"words": predicate}` and the predicates.'
            raise UsageError(f"The program's subgoals cannot be read: {error}", remedy) from error

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """r, and in mode code beta * 1[g] for each predicate."""
        gate = "latch" if options.latch else "none"
        predicates = self.functions(source, options)
        return (ENV, *(Channel(name, weight=options.beta, gate=gate) for name in predicates))

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """In mode verifier one channel: the sum over subgoals."""
        return (Channel("calm", kind="bonus", weight=options.beta),) if options.mode == "verifier" else ()

    def combined_options(self, values: Mapping[str, Any]) -> Any:
        """Beside another method's program: a verifier, and subgoals that need no designer."""
        return CalmOptions.model_validate({"mode": "verifier", "subgoals": "preset", **values})

    def oracle_informed(self, options: Any, modelled: bool) -> bool:
        """Preset subgoals are a planner's; without a language model the verifier is simulated from the truth."""
        return options.subgoals == "preset" or (options.mode == "verifier" and not modelled)

    def stand_in(self, options: Any) -> str | None:
        """The verifier's."""
        if options.mode == "code":
            return None
        return (
            "The verifier is a stand-in, not a language model: it reads the simulator's truth, with the errors that "
            "--option calm.false_positive and calm.false_negative ask for. Such results are oracle-informed."
        )

    def learner(self, setting: Setting) -> Learner | None:
        """The verifier's verdicts; predicates need none."""
        if setting.options.mode == "code":
            return None
        from rewardsmith.methods.verifying.learner import VerifiedSubgoals

        if setting.options.subgoals == "preset":
            return VerifiedSubgoals(setting, {s.name: s.says for s in self._preset(setting.task)})
        return VerifiedSubgoals(setting, read_sentences(setting.reward.source))

    def evidence(self, telemetry: Mapping[str, Any]) -> tuple[str, ...]:
        """How much was verified, and how often each subgoal was terminated."""
        often = ", ".join(f"{name} {share:.3g}" for name, share in telemetry["terminated"].items())
        # The analyzer's prompt carries these sentences, and recordings are found by their prompts: "judge" stays.
        return (
            f"The judge had labelled {telemetry['labelled']:.1%} of the steps it was shown last.",
            f"Subgoals terminated per training episode: {often}.",
        )


METHOD = Calm()
