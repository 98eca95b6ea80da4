"""A person as the model: prompts and answers are files, and at a terminal an editor opens."""

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
    """Return the paths of prompt and answer in `directory`, or None if no prompt has this file name."""
    stem = prompt_name.removesuffix(_PROMPT)
    if prompt_name == stem or len(prompt_name) > 200 or not _STEM.fullmatch(stem):
        return None
    return directory / f"{stem}{_PROMPT}", directory / f"{stem}{_ANSWER}"


class ManualModel:
    """Writes prompts to files and reads answers from files, one pair per call.

    At a terminal the file of the answer opens in $VISUAL or $EDITOR. Elsewhere `complete` raises PersonAwaited until
    the file holds text; the caller waits and calls again.

    Args:
        directory: Folder of the files.
        interactive: Whether to open an editor. None: if a terminal is attached.
    """

    name = "manual"
    is_language_model = False

    def __init__(self, directory: Path, *, interactive: bool | None = None) -> None:
        self.directory = directory
        self._interactive = interactive

    def complete(self, request: Request) -> Answer:
        """Return the person's answer. Raises PersonAwaited while its file is missing or blank."""
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
                f"The job waits for a person's answer: {request.key}.",
                f"Read {question}, write the answer to {reply}, then run `rewardsmith resume JOB`.",
                question,
                reply,
            )
        return Answer("completed", text, model="manual", latency_s=time.monotonic() - started)

    def files(self, request: Request) -> tuple[Path, Path]:
        """Return the paths of the prompt and of its answer.

        Their names contain a part of the prompt's hash, so an answer is never used for another prompt.
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
            f"The editor failed to open the file of the answer: {error}.",
            f"Set EDITOR to a working command, or write the answer to {reply}.",
            "person",
        ) from error


def _written(path: Path) -> str:
    """The text of the file, or "" if it is missing or blank."""
    try:
        text = read_text(path)
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFailed(
            f"The answer in {path} cannot be read: {error}.", "Save the file as UTF-8 text.", "person"
        ) from error
    return text if text.strip() else ""
