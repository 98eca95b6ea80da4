"""The protocol between client and host: fixed-size binary messages, errors, and a parser of untrusted replies.

The host answers every request with one reply of REPLY.size bytes that echoes the request's nonce. Arrays are
exchanged in shared memory. No data from the host are unpickled or evaluated.
"""

from __future__ import annotations

import functools
import json
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

Cause = Literal["syntax", "load", "exception", "value", "timeout", "memory", "died", "protocol", "nondeterministic"]
CAUSES: tuple[str, ...] = get_args(Cause)
REQUEST = struct.Struct("<B7x16sQQ")
LOAD, SCORE = 1, 2
MAX_NAMES, NAME_BYTES, MESSAGE_BYTES = 16, 66, 480
# magic, failed, nonce, cause, line, t, n, names, length of the text in shared memory, component, message,
# names
REPLY = struct.Struct(f"<4sB3x16s6I{NAME_BYTES}s{MESSAGE_BYTES}s{MAX_NAMES * NAME_BYTES}s")
MAGIC = b"rws1"
NONE = 0xFFFFFFFF
TEXT_BYTES = 1 << 16
COMPONENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31})?", re.ASCII)
STATE_ONLY = "potential"


@dataclass(frozen=True)
class Limits:
    """The resources that one host may use. If it exceeds any of them it is killed, and the candidate has failed."""

    memory_mb: int = 512
    """Address space above what the interpreter and numpy need."""
    call_seconds: float = 2.0
    """Processor time of one call, before the allowance per transition."""
    transition_us: float = 100.0
    """Additional processor time per transition of a call."""
    load_seconds: float = 2.0
    cpu_seconds: int = 600
    """Processor time of the whole life of the host."""
    wall_seconds: float = 3600.0
    """Wall-clock time that the trainer waits for the host, over its whole life."""
    idle_seconds: float = 0.1
    """Processor time between an answer and the next request."""
    max_abs: float = 1e4
    """Largest absolute value of one component or potential."""
    max_components: int = MAX_NAMES


class SandboxError(Exception):
    """Base class of all errors that this package defines."""


class HostError(SandboxError):
    """The program failed. This is a result to record and to report to its designer, never to retry.

    Attributes:
        cause: Kind of the failure, one of CAUSES.
        message: The failure as text.
        line: Line of the program, if known.
        component: Name of the component, if known.
        t: Step of the transition, counted from the first of the call, if known.
        n: Environment of the transition, if known.
    """

    def __init__(
        self,
        cause: Cause,
        message: str,
        line: int | None = None,
        component: str | None = None,
        t: int | None = None,
        n: int | None = None,
    ) -> None:
        super().__init__(cause, message, line, component, t, n)
        self.cause: Cause = cause
        self.message, self.line, self.component, self.t, self.n = message, line, component, t, n

    def __str__(self) -> str:
        where = "" if self.line is None else f" (line {self.line})"
        when = "" if self.t is None else f" at step {self.t} of environment {self.n}"
        return f"{self.cause}: {self.message}{where}{when}"


class SandboxWeak(SandboxError):
    """This machine does not reach the required sandbox level. No program has failed."""


class SandboxUnavailable(SandboxError):
    """The host process could not be started. No program has failed."""


@dataclass(frozen=True)
class Reply:
    """One parsed reply of the host.

    Attributes:
        names: Names of the program's components so far.
        text_length: Bytes of text that the host wrote to shared memory.
        error: The failure of the program, if any.
    """

    names: tuple[str, ...] = ()
    text_length: int = 0
    error: HostError | None = None


def function_signature(function: str) -> tuple[str, tuple[str, ...]]:
    """Return name and parameters of a required function, given as "name" or "name(parameter, ...)"."""
    name, bracket, inside = function.partition("(")
    if bracket:
        return name.strip(), tuple(p.strip() for p in inside.rstrip(") ").split(",") if p.strip())
    return name, ("state", "memory") if name == STATE_ONLY else ("prev", "action", "state", "memory")


def action_constants(actions: Sequence[str]) -> dict[str, int]:
    """Return action names as constants with their indices: "toggle door" becomes TOGGLE_DOOR."""
    constants = (re.sub(r"\W+", "_", name).strip("_").upper() for name in actions)
    return {(c if c[:1].isalpha() else f"A_{c}"): index for index, c in enumerate(constants)}


def pack_reply(reply: Reply, nonce: bytes) -> bytes:
    """Encode a reply as REPLY.size bytes; long texts are shortened."""
    error = reply.error
    names = b"".join(name.encode("ascii", "replace")[:NAME_BYTES].ljust(NAME_BYTES, b"\0") for name in reply.names)
    if error is None:
        numbers, component, message = [NONE] * 4, b"", b""
    else:
        numbers = [
            CAUSES.index(error.cause),
            *(NONE if v is None else v for v in (error.line, error.t, error.n)),
        ]
        component, message = (error.component or "").encode()[:NAME_BYTES], _cut(error.message)
    counts = (len(reply.names), reply.text_length)
    return REPLY.pack(MAGIC, error is not None, nonce, *numbers, *counts, component, message, names)


def parse_reply(raw: bytes, nonce: bytes) -> Reply:
    """Parse an untrusted reply. Raises HostError("protocol") for anything but one well-formed reply with this nonce."""
    if len(raw) != REPLY.size:
        raise HostError("protocol", f"the host answered {len(raw)} bytes instead of {REPLY.size}")
    magic, failed, echoed, cause, line, t, n, count, text, component, message, names = REPLY.unpack(raw)
    if magic != MAGIC or echoed != nonce or failed > 1:
        raise HostError("protocol", "the host's answer does not belong to the request")
    if count > MAX_NAMES or text > TEXT_BYTES:
        raise HostError("protocol", f"the host announced {count} components and {text} bytes of text")
    if failed:
        if cause >= len(CAUSES):
            raise HostError("protocol", f"the host reported an unknown cause {cause}")
        numbers = [None if v == NONE else v for v in (line, t, n)]
        shown, said = clean_text(component) or None, " ".join(clean_text(message).split())
        known = cast(Cause, CAUSES[cause])
        return Reply(error=HostError(known, said, numbers[0], shown, numbers[1], numbers[2]))
    return Reply(names=_parse_names(names, count), text_length=text)


@functools.lru_cache(maxsize=64)  # a host repeats its names in each reply
def _parse_names(raw: bytes, count: int) -> tuple[str, ...]:
    cells = [raw[i * NAME_BYTES : (i + 1) * NAME_BYTES].rstrip(b"\0") for i in range(count)]
    names = tuple(cell.decode("latin-1") for cell in cells)
    for name in names:
        if not COMPONENT_NAME.fullmatch(name):
            raise HostError("protocol", f"the host sent a component name that is not allowed: {name[:40]!r}")
    if len(set(names)) != count:
        raise HostError("protocol", "the host sent a component name twice")
    return names


def clean_text(raw: bytes) -> str:
    """Decode untrusted bytes as text without control characters, which could control a terminal."""
    text = raw.rstrip(b"\0").decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def pack_config(config: dict[str, Any], blobs: Sequence[bytes]) -> bytes:
    """Encode the trusted configuration that the host reads before it locks itself down: JSON and raw tables."""
    header = json.dumps({**config, "blobs": [len(b) for b in blobs]}).encode()
    return struct.pack("<Q", len(header)) + header + b"".join(blobs)


def _cut(message: str) -> bytes:
    return message.encode("utf-8", "replace")[:MESSAGE_BYTES].decode("utf-8", "ignore").encode()
