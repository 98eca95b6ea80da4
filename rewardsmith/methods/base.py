"""The interface of a method, which usually implements one paper. docs/methods/adding.md shows an example."""

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
    """Options of a method, set with `--option NAME=VALUE`. Subclasses add fields, each with a default.

    Former names and values are still accepted: jobs of an earlier version contain them, and a notice names the new
    ones.

    Attributes:
        former_names: Former name of an option -> present name.
        former_values: (option, former value) -> present value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    former_names: ClassVar[Mapping[str, str]] = {}
    former_values: ClassVar[Mapping[tuple[str, str], str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _take_former(cls, values: Any) -> Any:
        """Rename options. If both names of an option are given, the earlier one is rejected as unknown."""
        if not isinstance(values, Mapping):
            return values
        named = {}
        for name, value in values.items():
            now = cls.former_names.get(name, name)
            named[name if now in values else now] = value
        return {n: cls.former_values.get((n, v), v) if isinstance(v, str) else v for n, v in named.items()}

    @classmethod
    def formerly(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return `values` under the earlier names, as an earlier version stored the same request."""
        names = {now: former for former, now in cls.former_names.items()}
        texts = {(name, now): former for (name, former), now in cls.former_values.items()}
        told = {n: texts.get((n, v), v) if isinstance(v, str) else v for n, v in values.items()}
        return {names.get(name, name): value for name, value in told.items()}

    @classmethod
    def former(cls, values: Mapping[str, Any]) -> list[str]:
        """Return the replacements of earlier names and values in `values`, such as "mode=judge is now
        mode=verifier"."""
        told = [f"{name} is now {cls.former_names[name]}" for name in values if name in cls.former_names]
        for name, value in values.items():
            if isinstance(value, str) and (now := cls.former_values.get((name, value))) is not None:
                told.append(f"{name}={value} is now {name}={now}")
        return told


_Options = Options  # a method's class has an attribute of that name


@dataclass(frozen=True)
class Setting:
    """The trial that a learner is made for.

    Attributes:
        task: The task to train on.
        training: PPO's settings.
        reward: The training reward, channels of other methods included.
        seed: Seed of the trial.
        steps: Environment steps of the full trial.
        folder: Folder of the trial, for files of the method.
        options: An instance of the method's `Options`.
        open_model: Opens the model of a role (for example agents.models.LABELLER) within the job's budget; None outside
            a job.
    """

    task: Task
    training: TrainingSpec
    reward: TrainingReward
    seed: int
    steps: int
    folder: Path
    options: Any
    open_model: Callable[[str], LanguageModel] | None = None


class Method(RareHooks):
    """Turns programs of a designer, or signals learned in training, into a training reward.

    Most methods override three attributes: `Options`, and either `bonuses` and `learner` (signals learned in training)
    or `contract` and `channels` (programs that a designer writes). RareHooks holds the others. A method is stateless:
    the state of a trial belongs to its Learner.

    Attributes:
        name: The name for `--method` and `--with`.
        summary: One line for `rewardsmith methods`.
        page: The page of docs/methods that describes it; "" for the one of its name.
        Options: The class of the method's options.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    page: ClassVar[str] = ""
    Options: ClassVar[type[_Options]] = _Options

    # ---- signals learned in training

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channels of kind "bonus" that `learner` fills. They combine with any other method (`--with`)."""
        return ()

    def learner(self, setting: Setting) -> Learner | None:
        """Return the learner of one trial, or None if the method learns nothing in training."""
        return None

    # ---- programs that a designer writes

    def contract(self, options: Any) -> Contract | None:
        """Return the functions that a designer writes; None if the method needs no designer."""
        return None

    def functions(self, source: str, options: Any) -> tuple[str, ...]:
        """Return the functions of a program that are called on each transition; by default those of the contract."""
        contract = self.contract(options)
        return contract.functions if contract is not None and source else ()

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """Return the channels of a program's functions, and the channel of the environment's reward if it is added."""
        return (ENV,)

    # ---- derived

    @property
    def combines(self) -> bool:
        """Whether `--with` can add this method to another one."""
        return bool(self.bonuses(self.combined_options({})))

    @property
    def learns_from_rollouts(self) -> bool:
        """Whether the method learns in training, from the rollouts of one of its `algorithms`."""
        return type(self).learner is not Method.learner

    def combined_options(self, values: Mapping[str, Any]) -> Any:
        """Return the options for use with `--with`. Raises pydantic.ValidationError."""
        return self.Options.model_validate(dict(values))

    def reward(self, source: str, options: Any = None) -> TrainingReward:
        """Return the training reward of a program, the method's bonuses included.

        Args:
            source: The program; "" for a method without programs.
            options: An instance of `Options`; None for the defaults.
        """
        chosen = self.Options() if options is None else options
        channels = (*self.channels(source, chosen), *self.bonuses(chosen))
        return TrainingReward(source, self.functions(source, chosen), channels)
