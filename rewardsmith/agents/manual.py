"""A person as the model: prompt and answer are files, and an editor opens where there is a terminal."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from rewardsmith.agents.models import Answer, ModelFailed, PersonAwaited, ReplayKey, Request, prompt_hash
from rewardsmith.files import read_text

_PROMPT, _ANSWER = ".prompt.md", ".answer.md"
_STEM = re.compile(r"[a-z]+-i[0-9]+-s[0-9]+-a[0-9]+-[0-9a-f]{8}")


def files_of(directory: Path, prompt_name: str) -> tuple[Path, Path] | None:
    """The files in `directory` of the prompt whose file has this name, or None if no prompt's is called so."""
    stem = prompt_name.removesuffix(_PROMPT)
    if prompt_name == stem or len(prompt_name) > 200 or not _STEM.fullmatch(stem):
        return None
    return directory / f"{stem}{_PROMPT}", directory / f"{stem}{_ANSWER}"


class ManualModel:
    """Prompts and answers in `directory`, one pair of files per call.

    At a terminal the answer opens in $VISUAL or $EDITOR. Anywhere else `complete` raises ModelFailed with
    fault "person" until the answer's file holds text: the caller waits and asks again.
    """

    name = "manual"
    is_language_model = False

    def __init__(self, directory: Path, *, interactive: bool | None = None) -> None:
        self.directory = directory
        self._interactive = interactive

    def complete(self, request: Request) -> Answer:
        """What the person wrote; raises ModelFailed while there is nothing."""
        started = time.monotonic()
        question, reply = self.files(request)
        self.directory.mkdir(parents=True, exist_ok=True)
        question.write_text(f"{request.system}\n\n{request.prompt}\n".lstrip("\n"), encoding="utf-8")
        if not _written(reply) and self._at_terminal():
            reply.touch()
            _edit(question, reply)
        text = _written(reply)
        if not text:
            raise PersonAwaited(
                f"A person's answer is awaited: {request.key}.",
                f"Read {question}, write the answer to {reply}, and go on.",
                question,
                reply,
            )
        return Answer("completed", text, model="manual", latency_s=time.monotonic() - started)

    def files(self, request: Request) -> tuple[Path, Path]:
        """The files of the question and its answer.

        Their names carry a piece of the prompt's hash: an answer is never taken for one to another prompt.
        """
        stem = f"{_stem(request.key)}-{prompt_hash(request.system, request.prompt)[:8]}"
        return self.directory / f"{stem}{_PROMPT}", self.directory / f"{stem}{_ANSWER}"

    def _at_terminal(self) -> bool:
        if self._interactive is not None:
            return self._interactive
        return sys.stdin.isatty() and sys.stderr.isatty() and bool(_editor())


def _stem(key: ReplayKey) -> str:
    return f"{key.role}-i{key.iteration}-s{key.sample}-a{key.attempt}"


def _editor() -> str:
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""


def _edit(question: Path, reply: Path) -> None:
    print(f"The question is in {question}; the answer goes to {reply}.", file=sys.stderr)
    command = [*shlex.split(_editor()), str(reply)]
    try:
        subprocess.run(command, check=True)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise ModelFailed(
            f"The editor did not open the answer's file: {error}.",
            f"Set EDITOR to a command that does, or write the answer to {reply} yourself.",
            "person",
        ) from error


def _written(path: Path) -> str:
    """The file's text, or "" if it is absent or blank."""
    try:
        text = read_text(path)
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFailed(f"The answer {path} cannot be read: {error}.", "Write a text in UTF-8.", "person") from error
    return text if text.strip() else ""
