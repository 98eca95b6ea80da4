"""Answers from a fixed list, given in order whatever is asked: the same designer for two jobs that differ elsewhere.

Prompts are not compared (replay.py does that). Which answer comes next is kept in a file beside the list, so that
several processes share it; with one worker the order is that of the calls.
"""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

from rewardsmith.agents.models import Answer, ModelFailed, Request
from rewardsmith.files import RECORD_BYTES, read_text


class ListedModel:
    """The answers in `path`: a JSON object from role to a list of texts.

    The designer's are given once each; the last one of another role is given again and again. Raises ModelFailed where
    the file cannot be read, holds nothing for a role, or the designer's answers are used up.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._answers: dict[str, list[str]] = json.loads(read_text(path, RECORD_BYTES))
        except (OSError, ValueError, RecursionError) as error:
            raise ModelFailed(f"The answers {path} cannot be read: {error}.", "Name a JSON file.", "replay") from error

    @property
    def name(self) -> str:
        return f"listed:{self.path}"

    @property
    def is_language_model(self) -> bool:
        return False

    def complete(self, request: Request) -> Answer:
        """The role's next answer."""
        answers = self._answers.get(request.role, [])
        place = self._next(request.role)
        if request.role != "designer":
            place = min(place, len(answers) - 1)
        if not 0 <= place < len(answers):
            raise ModelFailed(
                f"{self.path} holds {len(answers)} answers of the {request.role}, and one more is asked for.",
                "Add answers, or ask for fewer iterations, samples or repairs.",
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
