"""CALM: credit assignment with language models (Pignatelli et al. 2024, arXiv 2409.12798).

The model splits the task into subgoals, and says which transition (o, a, o') terminated one of them:

    r' = r + beta * sum over g of 1[subgoal g was terminated at (o, a, o')]

Mode `judge`: the model labels transitions (section 3). Mode `code`, ours: it writes one predicate per subgoal, which
runs in the sandbox, is checked, certified and exported like any program. As published the bonus repeats on every
recurrence and could be farmed, so each subgoal is latched: it pays once per episode.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.errors import UsageError
from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.programs.answer_text import UnreadableAnswer
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract
from rewardsmith.programs.reward import ENV
from rewardsmith.syntax import NotPython, parse_module
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.subgoals import Subgoal, named_subgoal, preset_subgoals, terminated
from rewardsmith.tasks.transitions import Describer, View
from rewardsmith.training.learner import Experience, Learner

if TYPE_CHECKING:
    from rewardsmith.methods.asking.verifier import Judge, Question

MOST_SUBGOALS = 8
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TAKEN = frozenset({"calm", "env", "env_raw", "potential", "reward", "subgoals", "total"})


class CalmOptions(Options):
    """beta: 0.1, 0.5 or 1.0 in the paper. subgoals: discovered by the model, or the planner's. view: what the judge
    reads. The last four are those of the stand-in judge: see StandInJudge."""

    mode: Literal["code", "judge"] = "code"
    subgoals: Literal["discover", "preset"] = "discover"
    beta: float = Field(default=0.5, ge=0)
    latch: bool = True
    view: View = "caption"
    false_positive: float = Field(default=0.0, ge=0, le=1)
    false_negative: float = Field(default=0.0, ge=0, le=1)
    latency: float = Field(default=0.0, ge=0)
    judge_seed: int = Field(default=0, ge=0)


class Calm(Method):
    """Subgoals from a designer or the planner; termination from predicates or a judge."""

    name = "calm"
    summary = "CALM: the model names subgoals and says which steps terminate them"
    Options = CalmOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Subgoals are events; preset ones, and the stand-in judge's, are the planner's."""
        if task.family != "minigrid" and options.mode == "judge":
            raise UsageError(f"CALM's subgoals are events, and {task.id} has none.", "Use a MiniGrid task.")
        if options.subgoals == "preset" or (options.mode == "judge" and not modelled):
            self._preset(task, modelled)

    def contract(self, options: Any) -> Contract | None:
        """code: subgoals and a predicate each; judge: subgoals in words, unless they are preset."""
        if options.mode == "code":
            return Contract("calm", ("subgoals",), check=read_predicates)
        if options.subgoals == "preset":
            return None
        return Contract("calm-judge", ("subgoals",), check=read_sentences)

    def given(self, task: Task, options: Any) -> Mapping[str, Any]:
        """Preset subgoals, for the designer who writes their predicates."""
        if options.subgoals == "discover":
            return {}
        return {"preset": [vars(subgoal) for subgoal in self._preset(task)]}

    def program(self, task: Task, options: Any) -> str:
        """Judge with preset subgoals: they in words, as a designer would have written them."""
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
        """The predicates; a judge's subgoals are not called. Raises UsageError for a file that names none."""
        if options.mode == "judge" or not source:
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
        """In mode judge one channel: the sum over subgoals."""
        return (Channel("calm", kind="bonus", weight=options.beta),) if options.mode == "judge" else ()

    def combined_options(self, values: Mapping[str, Any]) -> Any:
        """Beside another method's program: a judge, and subgoals that need no designer."""
        return CalmOptions.model_validate({"mode": "judge", "subgoals": "preset", **values})

    def oracle_informed(self, options: Any, modelled: bool) -> bool:
        """Preset subgoals are a planner's; without a language model the judge is a stand-in that knows the truth."""
        return options.subgoals == "preset" or (options.mode == "judge" and not modelled)

    def stand_in(self, options: Any) -> str | None:
        """The judge's."""
        if options.mode == "code":
            return None
        return (
            "The judge is a stand-in, not a language model: it reads the simulator's truth, with the errors that "
            "--option calm.false_positive and calm.false_negative ask for. Such results are oracle-informed."
        )

    def learner(self, setting: Setting) -> Learner | None:
        """The judge's verdicts; predicates need none."""
        if setting.options.mode == "code":
            return None
        if setting.options.subgoals == "preset":
            return JudgedSubgoals(setting, {s.name: s.says for s in self._preset(setting.task)})
        return JudgedSubgoals(setting, read_sentences(setting.reward.source))

    def evidence(self, telemetry: Mapping[str, Any]) -> tuple[str, ...]:
        """How much was judged, and how often each subgoal was terminated."""
        often = ", ".join(f"{name} {share:.3g}" for name, share in telemetry["terminated"].items())
        return (
            f"The judge had labelled {telemetry['labelled']:.1%} of the steps it was shown last.",
            f"Subgoals terminated per training episode: {often}.",
        )


class JudgedSubgoals(Learner):
    """Channel `calm`: verdicts are cached by (o, a, o'), collected as they arrive, and latched per episode."""

    def __init__(self, setting: Setting, subgoals: Mapping[str, str]) -> None:
        self._setting, self._subgoals = setting, dict(subgoals)
        self._describer = Describer(setting.task, setting.options.view)
        self._verdicts: dict[int, int] = {}
        self._asked: set[int] = set()
        self._latched = np.zeros((setting.training.num_envs, len(subgoals)), dtype=bool)
        self._judge, self._truth = self._open_judge(setting)
        self.clear()

    def clear(self) -> None:
        """Begin the next stretch of telemetry."""
        self._steps = self._known = self._episodes = 0
        self._paid = np.zeros(len(self._subgoals))

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """sum over g of 1[g terminated], each once per episode; 0 where no verdict has arrived yet."""
        keys = self._ask(seen)
        self._verdicts |= self._judge.collect()
        distinct, places = np.unique(keys, return_inverse=True)
        known = np.array([key in self._verdicts for key in distinct.tolist()])
        verdicts = np.array([self._verdicts.get(key, 0) for key in distinct.tolist()], dtype=np.int64)
        flags = (verdicts[places.reshape(keys.shape)][..., None] >> np.arange(len(self._subgoals)) & 1).astype(bool)
        # Those under way count: a short stretch begins few episodes, and each pays a subgoal at most once.
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
        """Submit what has not been asked yet, in time order; the keys [T, N] of all transitions."""
        rollout = seen.rollout
        keys = self._describer.keys(rollout.before, rollout.actions, rollout.after, seen.observations, seen.following)
        distinct, first = np.unique(keys, return_index=True)
        new = [i for key, i in zip(distinct.tolist(), first.tolist(), strict=True) if key not in self._asked]
        self._asked.update(int(keys.flat[i]) for i in new)
        self._judge.submit([self._question(seen, keys, i) for i in sorted(new)])
        return keys

    def _question(self, seen: Experience, keys: NDArray[np.int64], index: int) -> Question:
        from rewardsmith.methods.asking.verifier import Question, bits

        t, n = divmod(index, keys.shape[1])
        rollout = seen.rollout
        # Rollouts are overwritten while questions wait.
        before, after = rollout.before[t, n].copy(), rollout.after[t, n].copy()
        saw, sees, action = seen.observations[t, n].copy(), seen.following[t, n].copy(), int(rollout.actions[t, n])
        truth = 0
        if self._truth:
            truth = int(bits(terminated(after, self._truth, self._setting.task.schema)))
        tables, words = seen.tables, self._describer.words
        return Question(int(keys[t, n]), lambda: words(before, action, after, saw, sees, tables), truth)

    def _open_judge(self, setting: Setting) -> tuple[Judge, tuple[Subgoal, ...]]:
        """The judge, and the truth that a stand-in reads (none for a language model). Raises UsageError."""
        from rewardsmith.methods.asking.verifier import ModelJudge, StandInJudge, judge_prompt

        chosen = setting.options
        model = setting.open_model("judge") if setting.open_model is not None else None
        if model is None or not model.is_language_model:
            truth = tuple(s for name in self._subgoals if (s := named_subgoal(name, setting.task)) is not None)
            if len(truth) < len(self._subgoals):
                unknown = next(n for n in self._subgoals if named_subgoal(n, setting.task) is None)
                raise UsageError(
                    f"The stand-in judge cannot tell whether {unknown!r} was terminated.",
                    "Name a language model with --model, or use --option subgoals=preset.",
                )
            rates = (chosen.false_positive, chosen.false_negative)
            return StandInJudge(len(truth), *rates, chosen.latency, chosen.judge_seed), truth
        goal, legend = setting.task.interface().goal, self._describer.legend

        def prompt(transition: str) -> str:
            return judge_prompt(goal, legend, self._subgoals, transition)

        return ModelJudge(model, prompt, list(self._subgoals), log=self._log), ()

    def _log(self, entry: dict[str, Any]) -> None:
        self._setting.folder.mkdir(parents=True, exist_ok=True)
        with (self._setting.folder / "verdicts.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def state(self) -> Any:
        """Verdicts; what is under way is asked again when it is seen again."""
        size = len(self._verdicts)
        keys = np.fromiter(self._verdicts.keys(), np.int64, size)
        verdicts = np.fromiter(self._verdicts.values(), np.int64, size)
        return {"keys": keys, "verdicts": verdicts, "asked": self._judge.asked}

    def load(self, state: Any) -> None:
        """Take them back."""
        self._verdicts = dict(zip(state["keys"].tolist(), state["verdicts"].tolist(), strict=True))
        self._asked = set(self._verdicts)
        self._judge.asked = state["asked"]

    def telemetry(self) -> dict[str, Any]:
        """What was judged and paid since the last call."""
        often = (self._paid / max(self._episodes, 1)).tolist()
        told = {
            "descriptions": len(self._asked),
            "verdicts": len(self._verdicts),
            "positive": sum(v != 0 for v in self._verdicts.values()),
            "labelled": self._known / max(self._steps, 1),
            "terminated": dict(zip(self._subgoals, often, strict=True)),
        }
        self.clear()
        return told | self._judge.telemetry()

    def close(self) -> None:
        """End the judge's threads."""
        self._judge.close()


# ---- what a designer wrote: read, never run


def read_predicates(source: str) -> dict[str, str]:
    """{subgoal in words: name of its predicate} of `def subgoals(): return {"words": predicate}`.

    Raises UnreadableAnswer, worded for the model.
    """
    tree = _tree(source)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    found = {}
    for words, value in _returned(tree):
        if not isinstance(value, ast.Name) or value.id not in defined:
            raise UnreadableAnswer(f"subgoals(): {words!r} must name a function that the program defines.")
        found[words] = _usable(value.id)
    if len(set(found.values())) < len(found):
        raise UnreadableAnswer("subgoals(): each subgoal needs a predicate of its own.")
    return found


def read_sentences(source: str) -> dict[str, str]:
    """{name: sentence} of `def subgoals(): return {"name": "sentence"}`. Raises UnreadableAnswer."""
    found = {}
    for name, value in _returned(_tree(source)):
        if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
            raise UnreadableAnswer(f"subgoals(): {name!r} must be described by one string.")
        found[_usable(name)] = value.value
    return found


def _tree(source: str) -> ast.Module:
    try:
        return parse_module(source)
    except NotPython as error:
        raise UnreadableAnswer(f"The program cannot be parsed: {error}.") from None


def _returned(tree: ast.Module) -> list[tuple[str, ast.expr]]:
    function = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "subgoals"), None)
    last = function.body[-1] if function is not None else None
    value = last.value if isinstance(last, ast.Return) else None
    if not isinstance(value, ast.Dict):
        raise UnreadableAnswer("subgoals() must return a dict literal and do nothing else.")
    pairs = []
    for key, entry in zip(value.keys, value.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise UnreadableAnswer("subgoals(): every key must be a string.")
        pairs.append((key.value, entry))
    if not 1 <= len(pairs) <= MOST_SUBGOALS:
        raise UnreadableAnswer(f"subgoals() names {len(pairs)} subgoals; give 1 to {MOST_SUBGOALS}.")
    return pairs


def _usable(name: str) -> str:
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise UnreadableAnswer(f"{name!r} is no usable name: match [a-z][a-z0-9_]{{0,31}}, none of {sorted(_TAKEN)}.")
    return name


METHOD = Calm()
