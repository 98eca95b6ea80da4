"""A local program as the model: `command:PROGRAM ARGUMENTS` reads a prompt on stdin and answers on stdout.

It is started once per call, without a shell, in an empty folder, and without API keys in its environment. So an agent
with a subscription, or a model of one's own, can design rewards.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time

from rewardsmith.agents.models import Answer, ModelFailed, Patience, Request, Usage
from rewardsmith.agents.replies import storable

PREFIX = "command:"
_MOST_BYTES = 4_000_000
_SHOWN = 300
_SECRETS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")


class CommandModel:
    """A local program that answers prompts.

    Args:
        command: The program and its arguments, as a shell would split them.
        patience: How long one call may take; a program that fails is not started again.

    Raises:
        ModelFailed: The command is empty or its quotes do not match.
    """

    is_language_model = True

    def __init__(self, command: str, patience: Patience | None = None) -> None:
        self.command, self.patience = command, patience or Patience()
        try:
            self._arguments = shlex.split(command)
        except ValueError as error:
            raise _failed(command, f"cannot be split into arguments: {error}", "request") from error
        if not self._arguments:
            raise _failed(command, "is empty", "request")

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.command}"

    def complete(self, request: Request) -> Answer:
        """Return what the program prints. Raises ModelFailed if it fails, prints too much or takes too long."""
        began = time.monotonic()
        prompt = f"{request.system}\n\n{request.prompt}".lstrip("\n")
        code, output, errors = self._run(prompt)
        if code != 0:
            said = " ".join(errors.split())[:_SHOWN]
            raise _failed(self.command, f"ended with exit code {code}{f': {said}' if said else ''}", "server")
        text = storable(output)
        outcome = "completed" if text.strip() else "empty"
        return Answer(outcome, text, self.name, Usage(), None, time.monotonic() - began)

    def _run(self, prompt: str) -> tuple[int, str, str]:
        """(exit code, stdout, stderr) of one run; the program's whole process group ends with it."""
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
            try:
                process = subprocess.Popen(
                    self._arguments, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE, cwd=folder,
                    env=_environment(), start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise _failed(self.command, f"cannot be started: {error.strerror}", "request") from error
            try:
                _, errors = process.communicate(prompt.encode("utf-8", "replace"), self.patience.timeout_s)
            except subprocess.TimeoutExpired:
                seconds = f"{self.patience.timeout_s:g} s"
                raise _failed(self.command, f"gave no answer within {seconds}", "timeout") from None
            finally:
                _end(process)
            if output.tell() > _MOST_BYTES or os.fstat(output.fileno()).st_size > _MOST_BYTES:
                raise _failed(self.command, f"printed more than {_MOST_BYTES:,} bytes", "server")
            output.seek(0)
            return process.returncode, output.read().decode("utf-8", "replace"), errors.decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    """This process's environment without keys, tokens and rewardsmith's own settings."""
    return {
        name: value
        for name, value in os.environ.items()
        if not any(word in name.upper() for word in _SECRETS) and not name.startswith("REWARDSMITH_")
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """End every process of the program's group that is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failed(command: str, why: str, fault: str) -> ModelFailed:
    return ModelFailed(
        f"The command {command!r} {why}.",
        'Pass a program that reads a prompt on stdin and prints the answer: --model command:"PROGRAM ARGUMENTS".',
        fault,  # type: ignore[arg-type]
        attempts=1,
    )
