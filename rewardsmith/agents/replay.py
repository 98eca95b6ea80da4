"""Recording and replay of answers: a cassette is a text file with one JSON object per call.

Replay makes a job repeatable. It returns a recorded answer only for the identical prompt. A job that differs from its
recording therefore stops at the first different call, instead of continuing with answers to other prompts.
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
    """A call that ended in ModelFailed. It determined how the job continued, so it is replayed as well."""

    cause: str
    remedy: str
    fault: Fault
    attempts: int = 0


class Recorded(BaseModel):
    """One line of a cassette. Only the hash is compared; the texts serve to show a difference."""

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
    """The first line of a job's cassette: the specification of the job, from which `run --replay` starts it again."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    job: dict[str, Any]
    seed_reward: str | None = None


def start_recording(path: Path, job: dict[str, Any], seed_reward: str | None) -> None:
    """Start a job's cassette. Raises ModelFailed if the file has content, so that recordings are not mixed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and read_bytes(path, RECORD_BYTES):
            raise ModelFailed(
                f"The recording {path} exists already.", "Pass another file to --record, or delete it.", "replay"
            )
        path.write_text(Header(job=job, seed_reward=seed_reward).model_dump_json() + "\n", encoding="utf-8")
    except OSError as error:
        raise ModelFailed(
            f"The recording {path} cannot be written: {error}.", "Pass another file to --record.", "replay"
        ) from error


def read_header(path: Path) -> Header | None:
    """Return the specification of the recorded job, or None if the cassette has no header. Raises ModelFailed."""
    first = next(iter(_lines(path)), "")
    try:
        return Header.model_validate_json(first)
    except ValidationError:
        return None


class RecordingModel(ModelAround):
    """Appends every finished call of `inner` to the cassette at `path`."""

    def __init__(self, inner: LanguageModel, path: Path) -> None:
        super().__init__(inner)
        self.path = path
        self._lock = threading.Lock()

    def complete(self, request: Request) -> Answer:
        """Return the answer of the inner model and record it. Exceptions pass through."""
        try:
            answer = self.inner.complete(request)
        except ModelFailed as failed:
            if failed.fault != "person":  # not an outcome: the person is still writing
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
    """Return a newline if a killed process left the last line incomplete, so that the next call starts a line."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return b""
        file.seek(-1, os.SEEK_END)
        return b"" if file.read(1) == b"\n" else b"\n"


class ReplayModel:
    """Answers from a cassette.

    If a call was recorded several times with the same prompt, the last recording counts. Answers contain the recorded
    price and tokens, so that a budget ends the job at the same call as in the recording. `is_language_model` is true
    only if a language model wrote every answer.

    Args:
        path: The cassette.

    Raises:
        ModelFailed: The file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # One call may have been made with a long prompt and repeated with a shorter one.
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
        """Return the recorded answer. Raises ModelFailed if the call is not recorded or its prompt differs."""
        prompts = self._calls.get(request.key)
        if prompts is None:
            raise ModelFailed(
                f"{self.path} holds no answer for this call: {request.key}.",
                "Replay the job with the settings of the recording, or record it again with --record.",
                "replay",
            )
        recorded = prompts.get(prompt_hash(request.system, request.prompt))
        if recorded is None:
            recorded = list(prompts.values())[-1]
            raise ModelFailed(
                f"{self.path} holds an answer to a different prompt for this call: {request.key}. "
                + _difference(recorded, request),
                "Restore the task, method, seeds and version of the recording, or record the job again with --record.",
                "replay",
            )
        if recorded.failure is not None:
            failure = recorded.failure
            raise ModelFailed(failure.cause, failure.remedy, failure.fault, failure.attempts)
        assert recorded.answer is not None  # read_cassette has checked it
        return recorded.answer


def read_cassette(path: Path) -> list[Recorded]:
    """Return all calls of a cassette in recorded order. Raises ModelFailed with the number of an invalid line."""
    calls: list[Recorded] = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip() or (number == 1 and line.startswith('{"version":1,"job":')):
            continue
        try:
            call = Recorded.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            raise ModelFailed(
                f"Line {number} of {path} is not a recorded call: {first['msg']}.",
                "Delete the line if the recording was interrupted there, or record the job again.",
                "replay",
            ) from error
        if (call.answer is None) == (call.failure is None):
            raise ModelFailed(
                f"Line {number} of {path} must contain either an answer or a failure.",
                "Fix or delete the line.",
                "replay",
            )
        calls.append(call)
    return calls


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path, RECORD_BYTES).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFailed(
            f"The recording {path} cannot be read: {error}.", "Pass a file that `run --record FILE` wrote.", "replay"
        ) from error


def _difference(recorded: Recorded, request: Request) -> str:
    """Describe the first difference of the prompts; the two hashes if the cassette contains no texts."""
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
