"""Send mutated answers and programs to the trusted side: python -m tests.sandbox.fuzz --cases 1000000.

Two thirds of the cases go to the parsers of a host's answers, one third to the gate. A case with a new outcome is added
to the seeds of later cases, so the search follows the branches of the code.
"""

from __future__ import annotations

import argparse
import random
import re
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sandbox import gate
from sandbox.findings import parse_findings
from sandbox.protocol import (
    CAUSES,
    COMPONENT_NAME,
    MAX_NAMES,
    TEXT_BYTES,
    HostError,
    Reply,
    clean_text,
    pack_reply,
    parse_reply,
)

NONCE = bytes(range(16))
_EDGES = (0, 1, 2, 16, 17, 0x7F, 0x80, 0xFF, 0x1B, 0x0A, 0xC2)
_SCRAPS = (
    "lambda: 0", "__class__", "(", ")", "[", "]", "{", "}", ":", "\n", "\n    ", "\t", "\0", "'", '"""', "\\", "#", "@",
    "async ", "await ", "yield ", "global memory", "nonlocal x", "import numpy as np\n", "from . import x\n", "*", "**",
    "1e999", "0x" + "f" * 40, "{!r:>{w}}", "f'{x!r:{y}}'", ":=", "match x:\n    case [1, *y]:\n        pass",
    "USES = [1]",
    "\ud800", "é", "٣", "\u202e", "a" * 300, "-" * 50, "state._row", "getattr(state, x)", "while True: pass", "del x",
    "class A(B, metaclass=C): pass", "try:\n    pass\nexcept* E:\n    pass", "with a as (b, c): pass", "x: int = 3",
)  # fmt: skip


def mutate_bytes(raw: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, or a piece moved, cut or repeated."""
    changed = bytearray(raw)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(changed) + 1)
        way = rng.randrange(8)
        if way < 5 and at < len(changed):
            changed[at] = rng.choice(_EDGES) if rng.random() < 0.6 else rng.randrange(256)
        elif way == 5:
            changed[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x11\0\0\0"))
        elif way == 6:
            other = rng.randrange(len(changed) + 1)
            changed[at : at + 66] = changed[other : other + 66]
        elif rng.random() < 0.1:
            del changed[at : at + rng.randrange(9)]
    return bytes(changed)


def mutate_text(text: str, rng: random.Random) -> str:
    """Pieces cut, doubled, moved, or replaced by scraps of syntax."""
    for _ in range(rng.randrange(1, 4)):
        pieces = re.split(r"(\W)", text)
        at = rng.randrange(len(pieces))
        end = at + rng.randrange(1, 6)
        way = rng.randrange(4)
        if way == 0:
            del pieces[at:end]
        elif way == 1:
            pieces[at:at] = pieces[at:end] * rng.randrange(1, 4)
        else:
            pieces[at : at + way - 2] = [rng.choice(_SCRAPS)]
        text = "".join(pieces)[:4000]
    return text


def try_reply(raw: bytes) -> str:
    """Parse an answer and check the result; returns the kind of the outcome."""
    try:
        reply = parse_reply(raw, NONCE)
    except HostError as problem:
        assert problem.cause == "protocol" and str(problem).isprintable()
        return re.sub(r"[\d'].*", "", problem.message)
    assert len(reply.names) <= MAX_NAMES and reply.text_length <= TEXT_BYTES
    assert len(set(reply.names)) == len(reply.names) and all(map(COMPONENT_NAME.fullmatch, reply.names))
    if reply.error is None:
        return f"names {len(reply.names)}"
    assert reply.error.cause in CAUSES and str(reply.error).isprintable()
    return f"error {reply.error.cause} {reply.error.line is None} {reply.error.component is None}"


def try_text(raw: bytes) -> str:
    """Reads shared memory as text and as findings of the gate."""
    text = clean_text(raw)
    assert all(c.isprintable() or c in "\n\t" for c in text)
    try:
        return f"findings {min(9, len(parse_findings(text)))}"
    except ValueError as problem:
        return re.sub(r"\d+", "", str(problem))


def try_gate(source: str) -> str:
    """Checks a program; every outcome is a list of findings."""
    findings = gate.check(source, ["reward"], {"walk": "walk_distance"}, ["left", "forward"])
    assert all(isinstance(f.line, int) and f.message and f.remedy for f in findings)
    return " ".join(sorted({re.sub(r"[\W\d].*", "", f.message) + f.remedy[:8] for f in findings}))


def run(cases: int, seed: int = 0) -> dict[str, tuple[int, int, list[str]]]:
    """Returns for each target (number of cases, different outcomes, crashes as text)."""
    rng = random.Random(seed)
    rewards = list(runpy.run_path(str(Path(__file__).with_name("honest_rewards.py")))["REWARDS"].values())
    error = HostError("value", "what is wrong", 3, "near", 1, 2)
    replies = [pack_reply(r, NONCE) for r in (Reply(("a", "dense.b_2"), 7), Reply(error=error), Reply())]
    texts = [b"3\tmessage\tremedy\n4\tother\tremedy", b"seccomp uid\nlandlock\tno such call", b"\x1b[2J\xff\xfe"]
    return {
        "answers": _hunt(cases // 2, replies, mutate_bytes, try_reply, rng),
        "texts": _hunt(cases // 6, texts, mutate_bytes, try_text, rng),
        "gate": _hunt(cases - cases // 2 - cases // 6, rewards, mutate_text, try_gate, rng),
    }


def main() -> int:
    """Prints a line per target; exit code 1 after a crash."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.monotonic()
    found = run(given.cases, given.seed)
    for target, (cases, outcomes, crashes) in found.items():
        print(f"{target:8} {cases:9,} cases, {outcomes:6,} different outcomes, {len(crashes)} crashes")
        for crash in crashes[:5]:
            print("  ", crash)
    print(f"{given.cases:,} cases in {time.monotonic() - began:.0f} s, seed {given.seed}, {sys.version.split()[0]}")
    return int(any(crashes for _, _, crashes in found.values()))


def _hunt(
    cases: int, seeds: list, mutate: Callable, attempt: Callable, rng: random.Random
) -> tuple[int, int, list[str]]:
    material, outcomes, crashes = list(seeds), set[str](), list[str]()
    for _ in range(cases):
        case = mutate(rng.choice(material), rng)
        try:
            outcome = attempt(case)
        except BaseException as problem:
            if isinstance(problem, KeyboardInterrupt):
                raise
            crashes.append(f"{type(problem).__name__}: {problem} for {case!r:.2000}")
            continue
        if outcome not in outcomes:
            outcomes.add(outcome)
            if len(material) < 5000:
                material.append(case)
    return cases, len(outcomes), crashes


if __name__ == "__main__":
    sys.exit(main())
