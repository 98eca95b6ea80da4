"""Answers written down and given again: a cassette is a text file with one JSON object per call.

Replay makes a job repeatable. It gives an answer only to the very prompt that brought it, so a job that has
drifted from its recording stops at the first call that differs, instead of going on with answers to other
questions.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from rewardsmith.agents.models import (
    Answer,
    Fault,
    LanguageModel,
    ModelAround,
    ModelFailed,
    ReplayKey,
    Request,
    prompt_hash,
)
from rewardsmith.files import RECORD_BYTES, read_bytes, read_text


class Failure(BaseModel):
    """A call that ended in ModelFailed: it decided what the job did next, so it is replayed too."""

    cause: str
    remedy: str
    fault: Fault
    attempts: int = 0


class Recorded(BaseModel):
    """One line of a cassette. The texts are there to show what differs; the hash alone decides."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    key: ReplayKey
    prompt_sha256: str
    is_language_model: bool
    answer: Answer | None = None
    failure: Failure | None = None
    system: str | None = None
    prompt: str | None = None


class Header(BaseModel):
    """The first line of a job's cassette: what the job was asked for, so that it can be run again by name."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    job: dict[str, Any]
    seed_reward: str | None = None


def start_recording(path: Path, job: dict[str, Any], seed_reward: str | None) -> None:
    """Begin a job's cassette. Raises ModelFailed when the file has content: recordings are not mixed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and read_bytes(path, RECORD_BYTES):
            raise ModelFailed(f"The recording {path} exists already.", "Name another file, or remove it.", "replay")
        path.write_text(Header(job=job, seed_reward=seed_reward).model_dump_json() + "\n", encoding="utf-8")
    except OSError as error:
        raise ModelFailed(
            f"The recording {path} cannot be written: {error}.", "Name another file.", "replay"
        ) from error


def read_header(path: Path) -> Header | None:
    """What the recorded job was asked for, or None for a cassette without it. Raises ModelFailed."""
    first = next(iter(_lines(path)), "")
    try:
        return Header.model_validate_json(first)
    except ValidationError:
        return None


class RecordingModel(ModelAround):
    """`inner`, with every call appended to the cassette at `path` once it has ended."""

    def __init__(self, inner: LanguageModel, path: Path) -> None:
        super().__init__(inner)
        self.path = path
        self._lock = threading.Lock()

    def complete(self, request: Request) -> Answer:
        """The inner model's answer, recorded; raises what it raises."""
        try:
            answer = self.inner.complete(request)
        except ModelFailed as failed:
            if failed.fault != "person":  # nothing has happened yet: the person is still writing
                failure = Failure(
                    cause=failed.cause, remedy=failed.remedy, fault=failed.fault, attempts=failed.attempts
                )
                self._append(request, None, failure)
            raise
        self._append(request, answer, None)
        return answer

    def _append(self, request: Request, answer: Answer | None, failure: Failure | None) -> None:
        line = Recorded(
            key=request.key,
            prompt_sha256=prompt_hash(request.system, request.prompt),
            is_language_model=self.is_language_model,
            answer=answer,
            failure=failure,
            system=request.system,
            prompt=request.prompt,
        ).model_dump_json(exclude_none=True)
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # One unbuffered write in append mode: several workers may share a cassette.
            with self.path.open("ab", buffering=0) as file:
                file.write(_missing_newline(self.path) + line.encode() + b"\n")


def _missing_newline(path: Path) -> bytes:
    """A newline, if a recorder was killed within its last line: the next one must not be joined to it."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return b""
        file.seek(-1, os.SEEK_END)
        return b"" if file.read(1) == b"\n" else b"\n"


class ReplayModel:
    """The cassette at `path`, as a model. A call recorded twice with the same prompt gives what it brought last.

    Answers carry the recorded price and tokens, so that a budget ends the job where it ended it then.
    `is_language_model` is true only if a language model wrote every answer. Raises ModelFailed when the file
    cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # One call may have been made with a long prompt, and then with a shorter one.
        self._calls: dict[ReplayKey, dict[str, Recorded]] = {}
        for recorded in read_cassette(path):
            self._calls.setdefault(recorded.key, {})[recorded.prompt_sha256] = recorded

    @property
    def name(self) -> str:
        return f"replay:{self.path}"

    @property
    def is_language_model(self) -> bool:
        calls = [call for prompts in self._calls.values() for call in prompts.values()]
        return bool(calls) and all(call.is_language_model for call in calls)

    def complete(self, request: Request) -> Answer:
        """What was recorded for this call; raises ModelFailed if it is not there or its prompt differs."""
        prompts = self._calls.get(request.key)
        if prompts is None:
            raise ModelFailed(
                f"{self.path} holds no answer for this call: {request.key}.",
                "Record the job again, or replay it with the settings it was recorded with.",
                "replay",
            )
        recorded = prompts.get(prompt_hash(request.system, request.prompt))
        if recorded is None:
            recorded = list(prompts.values())[-1]
            raise ModelFailed(
                f"{self.path} answers another prompt at this call: {request.key}. " + _difference(recorded, request),
                "Undo what changed the prompt (task, method, seeds, templates), or record the job again.",
                "replay",
            )
        if recorded.failure is not None:
            failure = recorded.failure
            raise ModelFailed(failure.cause, failure.remedy, failure.fault, failure.attempts)
        assert recorded.answer is not None  # read_cassette has checked it
        return recorded.answer


def read_cassette(path: Path) -> list[Recorded]:
    """Every call of the cassette, in the order recorded; raises ModelFailed naming the line that is wrong."""
    calls: list[Recorded] = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip() or (number == 1 and line.startswith('{"version":1,"job":')):
            continue
        try:
            call = Recorded.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            raise ModelFailed(
                f"Line {number} of {path} is no recorded call: {first['msg']}.",
                "Delete the line, if its recorder was interrupted there, or record the job again.",
                "replay",
            ) from error
        if (call.answer is None) == (call.failure is None):
            raise ModelFailed(
                f"Line {number} of {path} needs either an answer or a failure.",
                "Mend or delete the line.",
                "replay",
            )
        calls.append(call)
    return calls


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path, RECORD_BYTES).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFailed(
            f"The recording {path} cannot be read: {error}.", "Name a file that a recording wrote.", "replay"
        ) from error


def _difference(recorded: Recorded, request: Request) -> str:
    """Where the prompts part, shown if the cassette holds the texts, else the two hashes."""
    pairs = (("system text", recorded.system, request.system), ("prompt", recorded.prompt, request.prompt))
    for what, then, now in pairs:
        if then is None or then == now:
            continue
        old, new = then.split("\n"), now.split("\n")
        pairwise = enumerate(zip(old, new, strict=False))
        line = next((i for i, (a, b) in pairwise if a != b), min(len(old), len(new)))
        return f"Line {line + 1} of the {what} was {_shown(old, line)} and is {_shown(new, line)}."
    hashes = recorded.prompt_sha256[:12], prompt_hash(request.system, request.prompt)[:12]
    return f"Its hash was {hashes[0]} and is {hashes[1]}."


def _shown(lines: list[str], line: int) -> str:
    if line >= len(lines):
        return "absent"
    text = lines[line]
    return f'"{text}"' if len(text) <= 80 else f'"{text[:80]}..."'
