"""Answers that were recorded in a whole job, served for the same calls of another job: `recorded:DIR`.

DIR holds one file per answer, `ROLE-iITERATION-sSAMPLE-aATTEMPT.md`, and `about.json`, which says who wrote them.
Unlike replay (replay.py) it compares no prompts, so the answers still serve when a prompt's wording has changed. They
are found by their call, so a job that is interrupted, or whose calls run at once, gets the same answers.
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from rewardsmith.agents.models import Answer, AnswersUsedUp, ModelFailed, ReplayKey, Request, Usage
from rewardsmith.files import read_text

PREFIX = "recorded:"
ABOUT = "about.json"
_NAME = re.compile(r"(designer|critic|analyzer)-i([0-9]{1,4})-s([0-9]{1,4})-a([0-9]{1,4})\.md")


class About(BaseModel):
    """Who wrote the answers of a recording, and for which job.

    Attributes:
        task: The task of the recorded job.
        method: Its method.
        date: The day of the answers, as YYYY-MM-DD.
        model: Name of the language model, as its provider returned it; None if it is unknown.
        planner: Whether the prompts showed the planner's order of subgoals.
        note: Further remarks.
    """

    model_config = ConfigDict(extra="forbid")
    task: str
    method: str
    date: str
    model: str | None = None
    planner: bool = False
    note: str = ""

    @property
    def words(self) -> str:
        """Who answered, in a sentence."""
        who = f"the language model {self.model}" if self.model else "a language model (name of the model unknown)"
        shown = "showed" if self.planner else "did not show"
        text = f"Recorded answers: {who} gave them on {self.date} to prompts that {shown} the planner's subgoals."
        return f"{text} {self.note}".rstrip()


class RecordedModel:
    """Answers from the files of a recording.

    Args:
        folder: The folder of the recording.

    Raises:
        ModelFailed: The folder is missing, or its `about.json` is invalid.
    """

    is_language_model = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about = read_about(folder)
        self._files = {_key(path.name): path for path in sorted(folder.iterdir()) if _NAME.fullmatch(path.name)}

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.folder}"

    def complete(self, request: Request) -> Answer:
        """Return the recorded answer of a call. Raises AnswersUsedUp if the recording has none."""
        path = self._files.get(request.key)
        if path is None:
            count = sum(key.role == request.role for key in self._files)
            raise AnswersUsedUp(
                f"The {count} recorded answers of the {request.role} are used up: there is none for {request.key}.",
                "Set --model to a language model to go on, or lower --iterations and --samples.",
            )
        try:
            text = read_text(path)
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(path, str(error)) from error
        return Answer("completed", text, self.about.model or "unknown", Usage(0, 0), 0.0)


def read_about(folder: Path) -> About:
    """Return what a recording says about itself. Raises ModelFailed."""
    path = folder / ABOUT
    try:
        return About.model_validate_json(read_text(path))
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error
    except ValidationError as error:
        raise _unreadable(path, error.errors()[0]["msg"]) from error


def _key(name: str) -> ReplayKey:
    found = _NAME.fullmatch(name)
    assert found is not None
    role, *numbers = found.groups()
    return ReplayKey(role, *map(int, numbers))  # type: ignore[arg-type]


def _unreadable(path: Path, why: str) -> ModelFailed:
    return ModelFailed(
        f"The recording {path} cannot be read: {why}.",
        "Name the folder of a recording, such as --model recorded:examples/recorded/DoorKey-8x8.",
        "replay",
    )
