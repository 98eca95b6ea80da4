"""Every attack fails at full protection, fails against each of its layers alone, and succeeds without them."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator

import pytest
from attack_corpus import ATTACKS, THEMES
from attack_runs import EVERYTHING, Ground, each
from attack_types import KERNEL, SOFTWARE, program

from sandbox import gate

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.machine() != "x86_64",
    reason="the attacks use Linux system calls by their x86-64 numbers",
)


@pytest.fixture(scope="module")
def attack_ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("ground") / "open")
    yield made
    made.close()


def test_the_corpus_is_large_and_each_attack_names_a_layer() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names)) >= 150
    for attack in ATTACKS:
        assert attack.layers and set(attack.layers) <= set(KERNEL) | set(SOFTWARE), attack.name


@pytest.mark.parametrize("theme", THEMES)
def test_no_attack_succeeds_at_full_protection(theme: str, attack_ground: Ground) -> None:
    attack_ground.prepare()
    before = attack_ground.seen()
    outcomes = each(THEMES[theme], EVERYTHING, attack_ground)
    assert [name for name, outcome in outcomes.items() if outcome is True] == []
    assert attack_ground.seen() == before
    assert attack_ground.heard() == 0


SHARE = 4  # of the attacks of a layer, one in so many is tried alone in `make test`; the rest in `make test-slow`


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["some", "every"])
@pytest.mark.parametrize("layer", [layer for layer in (*KERNEL, *SOFTWARE) if layer != "gate"])
def test_each_layer_alone_stops_the_attacks_assigned_to_it(layer: str, every: bool, attack_ground: Ground) -> None:
    if layer == "uid" and os.geteuid() != 0:
        pytest.skip("only root has a uid to drop")
    covered = [attack for attack in ATTACKS if layer in attack.layers]
    chosen = covered if every else covered[::SHARE]
    assert chosen
    outcomes = each(chosen, (layer,), attack_ground)
    assert [name for name, outcome in outcomes.items() if outcome is True] == []


def test_the_gate_alone_finds_the_attacks_assigned_to_it(attack_ground: Ground) -> None:
    covered = [attack for attack in ATTACKS if "gate" in attack.layers]
    missed = [a.name for a in covered if not gate.check(program([a], attack_ground.fill()), ["reward"])]
    assert covered and missed == []


@pytest.mark.slow  # about the corpus itself
@pytest.mark.parametrize("theme", THEMES)
def test_with_every_layer_off_each_attack_succeeds(theme: str, attack_ground: Ground) -> None:
    # As the trainer's user and without any layer: an attack that cannot succeed proves nothing.
    if os.geteuid() != 0:
        pytest.skip("many of the attacks need root where nothing stops them")
    outcomes = each(THEMES[theme], (), attack_ground)
    assert {name: outcome for name, outcome in outcomes.items() if outcome is not True} == {}
