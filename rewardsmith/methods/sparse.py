"""Sparse: the environment's own reward and nothing else, the baseline of every claim."""

from __future__ import annotations

from rewardsmith.methods.base import Method


class Sparse(Method):
    """No program, no bonus."""

    name = "sparse"
    summary = "the environment's own reward alone (baseline)"


METHOD = Sparse()
