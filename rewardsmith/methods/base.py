"""Method: one paper, as the rest of rewardsmith sees it. docs/methods/adding.md shows how one is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

from rewardsmith.methods.hooks import RareHooks
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract
from rewardsmith.programs.reward import ENV, TrainingReward
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.base import Task

if TYPE_CHECKING:  # torch is loaded by trials only
    from rewardsmith.agents.models import LanguageModel
    from rewardsmith.training.learner import Learner


class Options(BaseModel):
    """What a user may set of a method with `--option NAME=VALUE`; subclasses add fields, each with a default.

    former_names: former name of an option -> its name. former_values: (option, former value) -> its value. Both are
    still accepted: jobs of an earlier version hold them, and users who type them are told the new ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    former_names: ClassVar[Mapping[str, str]] = {}
    former_values: ClassVar[Mapping[tuple[str, str], str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _take_former(cls, values: Any) -> Any:
        """`values` under today's names. Where both names of an option are given, the former one is unknown."""
        if not isinstance(values, Mapping):
            return values
        named = {}
        for name, value in values.items():
            now = cls.former_names.get(name, name)
            named[name if now in values else now] = value
        return {n: cls.former_values.get((n, v), v) if isinstance(v, str) else v for n, v in named.items()}

    @classmethod
    def formerly(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values` under the former names, as an earlier version was asked for the same."""
        names = {now: former for former, now in cls.former_names.items()}
        texts = {(name, now): former for (name, former), now in cls.former_values.items()}
        told = {n: texts.get((n, v), v) if isinstance(v, str) else v for n, v in values.items()}
        return {names.get(name, name): value for name, value in told.items()}

    @classmethod
    def former(cls, values: Mapping[str, Any]) -> list[str]:
        """What replaces the former names and values in `values`, such as "mode=judge is now mode=verifier"."""
        told = [f"{name} is now {cls.former_names[name]}" for name in values if name in cls.former_names]
        for name, value in values.items():
            if isinstance(value, str) and (now := cls.former_values.get((name, value))) is not None:
                told.append(f"{name}={value} is now {name}={now}")
        return told


_Options = Options  # a method's class has an attribute of that name


@dataclass(frozen=True)
class Setting:
    """The trial that a learner is made for.

    reward: what is trained, channels of other methods included. folder: the trial's own, for what a method stores.
    open_model: the model that plays a role (agents.models.LABELLER, say), within the job's budget; None outside a job.
    """

    task: Task
    training: TrainingSpec
    reward: TrainingReward
    seed: int
    steps: int  # of the full trial
    folder: Path
    options: Any  # an instance of the method's Options
    open_model: Callable[[str], LanguageModel] | None = None


class Method(RareHooks):
    """One way to turn what models write, or what is learned in training, into a training reward.

    A subclass overrides what differs. Most need three: `Options`, and either `bonuses` and `learner`, for what is
    learned in training, or `contract` and `channels`, for programs that a designer writes. The rest is in RareHooks.
    An instance is stateless: whatever lives in a trial belongs to its Learner.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type[_Options]] = _Options

    # ---- what is learned in training

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Channels of kind "bonus", which `learner` pays; these combine with any other method's (`--with`)."""
        return ()

    def learner(self, setting: Setting) -> Learner | None:
        """What the method does in one trial, or None."""
        return None

    # ---- programs that a designer writes

    def contract(self, options: Any) -> Contract | None:
        """What a designer is asked to write; None if nobody is asked for a program."""
        return None

    def functions(self, source: str, options: Any) -> tuple[str, ...]:
        """The functions of a program that are called on each transition: those of the contract, unless said
        otherwise."""
        contract = self.contract(options)
        return contract.functions if contract is not None and source else ()

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """The channels that a program's functions become, the environment's own reward among them if it is paid."""
        return (ENV,)

    # ---- what follows from these

    @property
    def combines(self) -> bool:
        """Whether `--with` adds this method to another one."""
        return bool(self.bonuses(self.combined_options({})))

    def combined_options(self, values: Mapping[str, Any]) -> Any:
        """Options when combined with another method; raises pydantic.ValidationError."""
        return self.Options.model_validate(dict(values))

    def reward(self, source: str, options: Any = None) -> TrainingReward:
        """The training reward of a program's source, the method's bonuses included."""
        chosen = self.Options() if options is None else options
        channels = (*self.channels(source, chosen), *self.bonuses(chosen))
        return TrainingReward(source, self.functions(source, chosen), channels)
