"""What the models of settings share: strict validation, and the mark of a setting that is an option."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True)
class Flag:
    """Marks a setting that is an option of `rewardsmith run`. scripts/make_options.py reads it.

    Attributes:
        name: Name of the option; by default that of the setting.
        written: Syntax of the value, for the help text.
        file: Whether the value is the path of a file.
        envvar: Environment variable with the default of the option.
    """

    name: str | None = None
    written: str = ""
    file: bool = False
    envvar: str | None = None


class Strict(BaseModel):
    """Settings that cannot be changed, without unknown keys and without infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
