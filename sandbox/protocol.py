"""The wire between client and host: fixed-size binary messages, errors, and the parser that trusts nothing.

The host answers every request with one reply of REPLY.size bytes that echoes the request's nonce. Bulk arrays
travel in shared memory. Nothing that comes from the host is unpickled or evaluated.
"""

from __future__ import annotations

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
    """What one host may spend. Beyond any of these it is killed, and the candidate is at fault."""

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
    """Base of everything this package raises on purpose."""


class HostError(SandboxError):
    """The program is at fault: a result to record and feed back, never to retry.

    line: in the program, where known. t, n: the transition, where known; t counts from the first of the call.
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
    """This machine cannot give the protection that was asked for. Nobody's program is at fault."""


class SandboxUnavailable(SandboxError):
    """The host process could not be started. Nobody's program is at fault."""


@dataclass(frozen=True)
class Reply:
    """One parsed answer of the host."""

    names: tuple[str, ...] = ()
    text_length: int = 0
    error: HostError | None = None


def function_signature(function: str) -> tuple[str, tuple[str, ...]]:
    """(name, parameters) of a required function, given as "name" or "name(parameter, ...)"."""
    name, bracket, inside = function.partition("(")
    if bracket:
        return name.strip(), tuple(p.strip() for p in inside.rstrip(") ").split(",") if p.strip())
    return name, ("state", "memory") if name == STATE_ONLY else ("prev", "action", "state", "memory")


def action_constants(actions: Sequence[str]) -> dict[str, int]:
    """Action names as constants: "toggle door" -> {"TOGGLE_DOOR": index}."""
    constants = (re.sub(r"\W+", "_", name).strip("_").upper() for name in actions)
    return {(c if c[:1].isalpha() else f"A_{c}"): index for index, c in enumerate(constants)}


def pack_reply(reply: Reply, nonce: bytes) -> bytes:
    """REPLY.size bytes; long texts are cut."""
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
    """The host's answer, or HostError("protocol") for anything that is not exactly one well-formed reply."""
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
    """Untrusted bytes as printable text: no control characters, so that it cannot drive a terminal."""
    text = raw.rstrip(b"\0").decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def pack_config(config: dict[str, Any], blobs: Sequence[bytes]) -> bytes:
    """The trusted configuration that the host reads before it locks itself: JSON and raw tables."""
    header = json.dumps({**config, "blobs": [len(b) for b in blobs]}).encode()
    return struct.pack("<Q", len(header)) + header + b"".join(blobs)


def _cut(message: str) -> bytes:
    return message.encode("utf-8", "replace")[:MESSAGE_BYTES].decode("utf-8", "ignore").encode()
