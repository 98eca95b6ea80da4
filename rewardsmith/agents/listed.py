"""Answers from a fixed list, in order and independent of the prompt: two different jobs get the same programs.

Replay (replay.py) compares prompts; this model does not. The position in the list is kept in a file beside it, which
several processes share. With one worker the answers follow the order of the calls.
"""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

from rewardsmith.agents.models import Answer, ModelFailed, Request
from rewardsmith.files import RECORD_BYTES, read_text


class ListedModel:
    """Answers from a JSON file that maps each role to a list of texts.

    Each answer of the designer is used once. For other roles the last answer is repeated.

    Args:
        path: The JSON file.

    Raises:
        ModelFailed: The file cannot be read, contains no answer for a role, or the designer's answers are used up.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._answers: dict[str, list[str]] = json.loads(read_text(path, RECORD_BYTES))
        except (OSError, ValueError, RecursionError) as error:
            raise ModelFailed(
                f"The file of answers {path} cannot be read: {error}.", "Name a JSON file.", "replay"
            ) from error

    @property
    def name(self) -> str:
        return f"listed:{self.path}"

    @property
    def is_language_model(self) -> bool:
        return False

    def complete(self, request: Request) -> Answer:
        """Return the next answer of the request's role."""
        answers = self._answers.get(request.role, [])
        place = self._next(request.role)
        if request.role != "designer":
            place = min(place, len(answers) - 1)
        if not 0 <= place < len(answers):
            raise ModelFailed(
                f"{self.path} holds {len(answers)} answers of the {request.role}, and the job requests one more.",
                "Add answers to the file, or lower --iterations or --samples.",
                "replay",
            )
        return Answer("completed", answers[place], self.name)

    def _next(self, role: str) -> int:
        counter = self.path.with_suffix(f".{role}")
        with counter.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            place = int(file.read() or 0)
            file.seek(0)
            file.truncate()
            file.write(str(place + 1))
        return place
