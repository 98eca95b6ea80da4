"""One tiny call of a model, which shows whether it answers and which parameters its deployment takes."""

from __future__ import annotations

from dataclasses import dataclass

from rewardsmith.agents.models import Answer, Patience, ReplayKey, Request
from rewardsmith.agents.refused_parameters import refused_by
from rewardsmith.agents.registry import Reach, is_ours, open_model

_ASKED = 'Answer with this JSON object and nothing else: {"ready": true}'
_ANSWER_TOKENS = 256
_PATIENCE = Patience(timeout_s=60.0, deadline_s=90.0, attempts=1)
_SENT = ("max_tokens", "temperature", "response_format")


@dataclass(frozen=True)
class Probe:
    """The result of a tiny call.

    Attributes:
        answer: The answer.
        accepted: Parameters that the deployment took.
        changed: Parameters that it refused, with the name that it took instead or None.
    """

    answer: Answer
    accepted: tuple[str, ...]
    changed: dict[str, str | None]

    @property
    def words(self) -> str:
        """Which parameters were taken, renamed and left out, as text."""
        parts = [f"accepted: {', '.join(self.accepted) or 'none was sent'}"]
        parts += [f"{old} is called {new}" for old, new in self.changed.items() if new is not None]
        omitted = [old for old, new in self.changed.items() if new is None]
        parts += [f"refused and left out: {', '.join(omitted)}"] if omitted else []
        return "; ".join(parts)


def probe(name: str, api_base: str | None = None, parameters: str | None = None) -> Probe:
    """Ask a model for one word.

    Args:
        name: The model's name, see `registry.open_model`.
        api_base: Address of a self-hosted server.
        parameters: See LiteLLMModel.

    Raises:
        ModelFailed: The model gave no answer.
    """
    model = open_model(name, Reach(api_base, _PATIENCE, parameters=parameters))
    request = Request("critic", _ASKED, "", ReplayKey("critic", 0, 0), _ANSWER_TOKENS, json=True)
    answer = model.complete(request)
    changed = refused_by(name, api_base)
    sent = () if is_ours(name) else _SENT
    return Probe(answer, tuple(each for each in sent if each not in changed), changed)
