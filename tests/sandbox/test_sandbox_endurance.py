"""Short runs of leaks.py and fuzz.py, which are also commands for long runs."""

from __future__ import annotations

import sys

import fuzz
import leaks
import pytest

from sandbox import gate, protocol


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts in /proc")
def test_hosts_that_end_in_every_way_leave_nothing_behind() -> None:
    outcomes, left, slowest = leaks.run(3 * len(leaks.ENDINGS), seed=1)
    assert left == dict.fromkeys(left, 0)
    assert slowest < 10.0
    kept = {ending for ending, outcome in outcomes if outcome == "scored"}
    assert kept <= {"nothing", "killed"}, outcomes
    assert ("nothing", "scored") in outcomes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts in /proc")
def test_the_leak_counter_detects_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    end_one = leaks.end_one

    def hoard(ending: str, rng: leaks.random.Random) -> str:
        kept.append(open("/dev/null"))  # noqa: PTH123, SIM115
        return end_one(ending, rng)

    monkeypatch.setattr(leaks, "end_one", hoard)
    assert leaks.run(2, seed=1)[1]["descriptors"] == 2
    for file in kept:
        file.close()


def test_fuzzed_answers_and_programs_do_not_crash_the_trusted_side() -> None:
    for target, (cases, outcomes, crashes) in fuzz.run(30_000, seed=2).items():
        assert cases >= 900 and outcomes > 10 and crashes == [], target


def test_the_fuzzer_detects_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "CAUSES", (*protocol.CAUSES, *["invented"] * 300))
    monkeypatch.setattr(gate, "_is_mutable", lambda _: 1 / 0)
    found = fuzz.run(30_000, seed=2)
    assert found["answers"][2] and found["gate"][2] and not found["texts"][2]
