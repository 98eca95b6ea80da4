"""Sparse: only the environment's own reward; the baseline of every final evaluation."""

from __future__ import annotations

from rewardsmith.methods.base import Method


class Sparse(Method):
    """The environment's own reward, without a program and without a bonus."""

    name = "sparse"
    summary = "only the environment's own reward (baseline)"
    page = "baselines"


METHOD = Sparse()
