"""Opens a model by its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rewardsmith.agents.models import LanguageModel, ModelFailed, Patience


@dataclass(frozen=True)
class Reach:
    """How to reach a model.

    Attributes:
        api_base: Address of a self-hosted server.
        patience: Timeouts and retries.
        directory: Folder of the files that `manual` exchanges; None for `.rewardsmith/manual`.
        stream: Whether to receive the answer in pieces.
        parameters: See LiteLLMModel.
    """

    api_base: str | None = None
    patience: Patience | None = None
    directory: Path | None = None
    stream: bool = False
    parameters: str | None = None


def is_ours(name: str) -> bool:
    """Whether `name` is a built-in adapter rather than an id of litellm."""
    return name in ("synth", "manual", "none") or name.startswith(("replay:", "listed:", "recorded:", "command:"))


def needs_files(name: str) -> bool:
    """Whether a built-in adapter reads or writes files of the machine it runs on, or starts a program there."""
    return is_ours(name) and name not in ("synth", "none")


def open_model(name: str, reach: Reach | None = None) -> LanguageModel:
    """Open the model called `name`.

    No request is sent, and litellm is not imported, before the first call.

    Args:
        name: "synth", "replay:FILE", "listed:FILE", "recorded:DIR", "command:PROGRAM", "manual", or a litellm id such
            as "ollama/llama3".
        reach: Address, timeouts and parameters.

    Raises:
        ModelFailed: The name is empty, or the file of a replay or a list is missing or unreadable.
    """
    reach = reach or Reach()
    if name == "synth":
        from rewardsmith.agents.synth import SynthModel

        return SynthModel()
    if name == "manual":
        from rewardsmith.agents.manual import ManualModel

        return ManualModel(reach.directory or Path(".rewardsmith/manual"))
    if name.startswith("replay:"):
        from rewardsmith.agents.replay import ReplayModel

        return ReplayModel(Path(name.removeprefix("replay:")))
    if name.startswith("listed:"):
        from rewardsmith.agents.listed import ListedModel

        return ListedModel(Path(name.removeprefix("listed:")))
    if name.startswith("recorded:"):
        from rewardsmith.agents.recorded import RecordedModel

        return RecordedModel(Path(name.removeprefix("recorded:")))
    if name.startswith("command:"):
        from rewardsmith.agents.command import CommandModel

        return CommandModel(name.removeprefix("command:"), reach.patience)
    if not name.strip():
        raise ModelFailed(
            "The model's name is empty.",
            'Set --model to a name, such as "synth" or "openai/gpt-4o".',
            "unknown_model",
        )
    from rewardsmith.agents.litellm_model import LiteLLMModel

    patience = reach.patience or Patience()
    return LiteLLMModel(
        name, api_base=reach.api_base, patience=patience, stream=reach.stream, parameters=reach.parameters
    )
