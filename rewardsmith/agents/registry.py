"""Opening a model by its name, and what a name alone says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rewardsmith.agents.models import LanguageModel, ModelFailed, Patience


@dataclass(frozen=True)
class Reach:
    """How a model is reached. api_base: address of a self-hosted server. directory: where `manual` exchanges
    files, `.rewardsmith/manual` by default. stream: receive the answer piece by piece. parameters: see LiteLLMModel."""

    api_base: str | None = None
    patience: Patience | None = None
    directory: Path | None = None
    stream: bool = False
    parameters: str | None = None


def is_ours(name: str) -> bool:
    """Whether a model's name means an adapter of ours, not an id of litellm's."""
    return name in ("synth", "manual", "none") or name.startswith(("replay:", "listed:"))


def needs_files(name: str) -> bool:
    """Whether a model of ours answers from, or through, files of the machine it runs on."""
    return is_ours(name) and name not in ("synth", "none")


def open_model(name: str, reach: Reach | None = None) -> LanguageModel:
    """The model called `name`: "synth", "replay:FILE", "listed:FILE", "manual", or a litellm id ("ollama/llama3").

    Nothing is sent, and litellm is not imported, until the first request. Raises ModelFailed for a replay file
    or a list that is missing or unreadable, and for an empty name.
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
    if not name.strip():
        raise ModelFailed(
            "The model's name is empty.",
            'Name one, such as "synth" or "openai/gpt-4o".',
            "unknown_model",
        )
    from rewardsmith.agents.litellm_model import LiteLLMModel

    patience = reach.patience or Patience()
    return LiteLLMModel(
        name, api_base=reach.api_base, patience=patience, stream=reach.stream, parameters=reach.parameters
    )
