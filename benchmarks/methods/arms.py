"""The arms, tasks and numbers of steps of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Arm:
    """One row of the table: a method with its options, and the settings that `--tune` chooses from (three for each)."""

    name: str
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    grid: tuple[Mapping[str, Any], ...] = ({}, {}, {})
    tasks: tuple[str, ...] = ()  # empty: all tasks
    training: Mapping[str, Any] = field(default_factory=dict)  # training settings that differ from the task's


def _betas(name: str, *values: float) -> tuple[Mapping[str, Any], ...]:
    return tuple({name: value} for value in values)


# Rows are found by their options, so the verifier keeps the name `judge` of the recorded rows.
_JUDGE = {"mode": "judge", "subgoals": "preset"}
_BETAS = _betas("beta", 0.1, 0.5, 1.0)
_WEIGHTS = _betas("weight", 0.03, 0.1, 0.3)
ONI_TASKS, ULPS_TASKS = ("UnlockPickup", "KeyCorridorS3R2"), ("UnlockPickup",)


def _oni(name: str, **options: Any) -> Arm:
    return Arm(f"oni, {name}", "oni", options, _WEIGHTS, ONI_TASKS)


# Programs of synth are deterministic, so one candidate is enough and is not merged.
_FACTORS = {"candidates": 1}
_LISTED_TASKS = ("DoorKey-6x6", "Unlock")  # layouts that are few, or small enough to solve one per episode

GATES = ("entropy", "information", "decay", "single")
FEW = 1_000  # pairs: the language model is often wrong, so that gates differ


def _ulps(gate: str) -> Arm:
    return Arm(f"ulps, {gate}", "ulps", {"gate": gate}, _betas("anneal", 0.1, 0.3, 0.6), ULPS_TASKS)


def _untuned(kind: str, gate: str, **options: Any) -> Arm:
    return Arm(f"ulps {kind}, {gate}", "ulps", {"gate": gate, "anneal": 0.3, **options}, (), ULPS_TASKS)


ARMS = (
    Arm("sparse", "sparse"),
    Arm("hand", "hand"),
    Arm("count", "count", grid=_betas("beta", 0.001, 0.01, 0.1)),
    Arm("rnd", "rnd", grid=_betas("weight", 0.001, 0.01, 0.1)),
    Arm("noveld", "noveld", grid=_betas("weight", 0.001, 0.01, 0.1)),
    Arm("e3b", "e3b", grid=_betas("weight", 0.001, 0.01, 0.1)),
    Arm("calm, code", "calm", grid=_BETAS),
    Arm("calm, judge 0 %", "calm", _JUDGE, _BETAS),
    Arm("calm, judge 10 %", "calm", {**_JUDGE, "false_positive": 0.1, "false_negative": 0.1}, _BETAS),
    Arm("calm, judge 30 %", "calm", {**_JUDGE, "false_positive": 0.3, "false_negative": 0.3}, _BETAS),
    _oni("retrieval", reward_model="retrieval"),
    _oni("classification", reward_model="classification"),
    _oni("ranking", reward_model="ranking"),
    _oni("shuffled labels", reward_model="retrieval", shuffled=True),
    *(_ulps(gate) for gate in GATES),
    *(_untuned("of the view", gate, prompts="view") for gate in GATES),
    *(_untuned("on few pairs", gate, pairs=FEW) for gate in GATES),
    Arm("lare", "lare", _FACTORS, _WEIGHTS),
    Arm("lare, shuffled factors", "lare", {**_FACTORS, "shuffled": True}, _WEIGHTS),
    Arm("lare, observations as factors", "lare", {"factors": "state"}, _WEIGHTS),
    Arm("stepwise", "stepwise", grid=_WEIGHTS),
    Arm("milestones", "milestones", grid=_betas("weight", 0.3, 1.0, 3.0)),
    Arm("milestones, progress", "milestones", {"shaping": "progress"}, _betas("weight", 0.3, 1.0, 3.0)),
    Arm("progress", "progress", {"strength": 0.3}, (), _LISTED_TASKS),
    Arm("progress, random prover, log", "progress", {"logarithm": True}, (), _LISTED_TASKS),
    Arm("calm, code, aligned", "calm", grid=_BETAS, training={"align": "gradient"}),
    Arm("clone, then PPO", "clone", tasks=ULPS_TASKS),
    Arm("clone on few pairs, then PPO", "clone", {"pairs": FEW}, (), ULPS_TASKS),
)
CALM_CLAIM, LONG = ("calm, code", "calm, judge 0 %"), 10
"""On LONG_TASKS the arm `sparse` also runs for LONG times the steps that these arms needed."""
LONG_TASKS = ("DoorKey-8x8", "UnlockPickup", "KeyCorridorS3R3")
TASKS = {
    "UnlockPickup": 600_000,
    "DoorKey-8x8": 600_000,
    "KeyCorridorS3R3": 800_000,
    "KeyCorridorS3R2": 400_000,
    "DoorKey-6x6": 200_000,
    "Unlock": 200_000,
    "MultiRoom-N2-S4": 200_000,
}
QUICK = {"DoorKey-6x6": 150_000, "UnlockPickup": 400_000}
TUNING = {"UnlockPickup": 300_000}  # the only task on which every arm runs
