"""Findings of the gate as text between host and client: one printable line each, and a parser of untrusted text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_FINDINGS = 30
MAX_MESSAGE = 500
"""Most characters of a message or a remedy; they can contain arbitrarily long names of the program."""

_FINDING = re.compile(rf"([0-9]{{1,7}})\t([^\t\n]{{1,{MAX_MESSAGE}}})\t([^\t\n]{{1,{MAX_MESSAGE}}})")


@dataclass(frozen=True, order=True)
class Finding:
    """One finding of the gate.

    Attributes:
        line: Line of the program, from 1.
        message: The fault.
        remedy: What to write instead.
    """

    line: int
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}. {self.remedy[:1].upper()}{self.remedy[1:]}."


def one_line(text: str) -> str:
    """Escape all characters that are not printable, and shorten: findings quote untrusted text of the program."""
    escaped = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:MAX_MESSAGE])
    return escaped if len(escaped) <= MAX_MESSAGE else escaped[: MAX_MESSAGE - 3] + "..."


def pack_findings(findings: Sequence[Finding], room: int) -> str:
    """Return findings as text of at most `room` bytes, one per line; the last ones are omitted if they do not fit."""
    lines: list[str] = []
    for finding in findings:
        line = f"{finding.line}\t{finding.message}\t{finding.remedy}"
        room -= len(line.encode("utf-8", "replace")) + 1
        if room < 0:
            break
        lines.append(line)
    return "\n".join(lines)


def parse_findings(text: str) -> list[Finding]:
    """Read the text of `pack_findings`. Raises ValueError for any text that `pack_findings` cannot write."""
    lines = text.split("\n") if text else []
    if len(lines) > MAX_FINDINGS:
        raise ValueError(f"{len(lines)} findings, and there are at most {MAX_FINDINGS}")
    found = [_FINDING.fullmatch(line) for line in lines]
    if not all(found):
        raise ValueError("a finding is not a line number, a message and a remedy")
    return [Finding(int(each[1]), each[2], each[3]) for each in found if each]
