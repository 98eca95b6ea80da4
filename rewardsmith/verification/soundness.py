"""The verdict over all layouts of a certificate, with the bound on the proportion of unsound ones.

Reads plain data, so that verdicts stored by older versions are shown in the same way. Standard library only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rewardsmith.reporting.proportion import clopper_pearson_upper

VERDICTS = (
    "unsound", "horizon-dependent", "time-dependent", "weakly sound", "slow", "not certified", "sound",
)  # fmt: skip
"""Worst first: the verdict over several layouts is the first that any of them has."""

HEADLINE_BOUND = 0.1
"""A headline is the verdict alone only if at most this proportion of the layouts can be unsound."""

_ASKED = re.compile(r"\((\d+) were asked for\)")
_SAME = 9  # decimals; margins that differ only by rounding count as equal


@dataclass(frozen=True)
class Soundness:
    """The verdict over the layouts of a certificate.

    Attributes:
        verdict: The worst verdict of the layouts, in the order of VERDICTS.
        counts: Number of layouts with each verdict.
        asked: Number of layouts requested, fixed in advance.
        unsound: Number of requested layouts that are unsound or undecided. A layout that was not checked is undecided.
        every: Whether the requested layouts are the whole training pool.
        bound: One-sided 95 % Clopper-Pearson bound on the proportion of unsound layouts; if `every`, the proportion.
        margin: The smallest margin D; None if no layout was decided.
        margin_layout: The layout that has this margin.
    """

    verdict: str
    counts: Mapping[str, int]
    asked: int
    unsound: int
    every: bool
    bound: float
    margin: float | None
    margin_layout: int | None

    @property
    def looked_at(self) -> int:
        """Number of layouts that were checked."""
        return sum(self.counts.values())

    @property
    def headline(self) -> str:
        """The verdict with its reach; the verdict alone if the bound is at most 10 % or every layout was checked."""
        mine = self.counts[self.verdict]
        if mine == self.looked_at and (self.every or self.bound <= HEADLINE_BOUND):
            return self.verdict
        where = _layouts(mine) if mine == self.asked else f"{mine} of {self.asked} layouts"
        if self.verdict in ("unsound", "not certified"):
            return f"{self.verdict} on {where}"
        return f"{self.verdict} on {where}{'' if self.every else f', up to {share(self.bound)} unsound possible'}"

    @property
    def counts_text(self) -> str:
        """The number of layouts with each verdict, as text."""
        text = ", ".join(f"{v} on {self.counts[v]} of {self.looked_at} layouts" for v in VERDICTS if self.counts.get(v))
        return text if self.looked_at == self.asked else f"{text} ({self.asked} were requested)"

    @property
    def sentence(self) -> str:
        """The bound and the smallest margin, as text."""
        if set(self.counts) == {"not certified"} and self.unsound == self.asked:
            return "No layout could be decided."
        if self.every:
            which = "The only training layout was" if self.asked == 1 else f"All {self.asked:,} training layouts were"
            text = f"{which} checked: {share(self.bound)} unsound or undecided."
        elif self.bound >= 1.0:
            text = f"Nothing bounds the proportion of unsound layouts ({_drawn(self.asked)})."
        else:
            text = f"At most {share(self.bound)} of the task's layouts are unsound ({_drawn(self.asked)}, 95 % bound)."
        if self.margin is None:
            return text
        return f"{text} Smallest margin {self.margin:.3g}, on layout {self.margin_layout}."

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that a certificate's plain data has beside its layouts."""
        return {
            "headline": self.headline,
            "layouts_asked": self.asked,
            "layouts_looked_at": self.looked_at,
            "every_layout": self.every,
            "unsound_or_undecided": self.unsound,
            "unsound_rate_below": self.bound,
            "smallest_margin": self.margin,
            "smallest_margin_layout": self.margin_layout,
        }


def soundness_of(details: Mapping[str, Any]) -> Soundness:
    """Return the verdict over the layouts in a certificate's plain data, written by this version or an older one."""
    layouts = details["layouts"]
    counts = Counter(str(each["verdict"]) for each in layouts)
    stated = _ASKED.search(str(details.get("message") or ""))
    asked = max(int(details.get("layouts_asked") or (stated[1] if stated else 0)), len(layouts))
    every = bool(details.get("every_layout"))
    unsound = asked - sum(is_sound(each) for each in layouts)
    margins = [(round(m, _SAME), int(each["layout"])) for each in layouts if (m := margin_of(each)) is not None]
    margin, at = min(margins, default=(None, None))
    return Soundness(
        verdict=min(counts, key=VERDICTS.index),
        counts=counts,
        asked=asked,
        unsound=unsound,
        every=every,
        bound=unsound / asked if every else clopper_pearson_upper(unsound, asked),
        margin=margin,
        margin_layout=at,
    )


def with_soundness(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return a certificate's plain data with the fields of `Soundness.as_dict` added, whichever version wrote it."""
    return {**details, **soundness_of(details).as_dict()}


def is_sound(layout: Mapping[str, Any]) -> bool:
    """Return whether a layout is known not to be unsound: some optimal policy solves it within the episode."""
    high = layout.get("high")
    if high is None or (layout.get("episode") is not None and (high["steps"] or 0) > layout["episode"]):
        return False
    if layout["verdict"] == "time-dependent":
        return bool(layout.get("by_step"))
    return layout["verdict"] in ("sound", "slow", "weakly sound")


def margin_of(layout: Mapping[str, Any]) -> float | None:
    """Return the margin D of a layout, under the success reward that its verdict is based on; None if undecided."""
    low, high = layout.get("low"), layout.get("high")
    if high is None:
        return None
    shown = low if low is not None and low["solves"] else high
    return float(shown["value"]) - float(shown["value_without_success"])


NO_RATIO = "the success reward is zero or less, so there is no ratio to it"
_NOTHING = 1e-9  # rounding error of rewards and costs that cancel out


def guidance_ratio(guidance: float, success_pay: float) -> float | None:
    """Return the shaping-to-task reward ratio of an episode; None if the success reward is zero or less (NO_RATIO)."""
    return guidance / success_pay if success_pay > _NOTHING else None


def with_ratio(meter: Mapping[str, Any]) -> dict[str, Any]:
    """Add the shaping-to-task reward ratio, or the reason why there is none, to the plain data of its measurement."""
    ratio = guidance_ratio(max(meter["guidance"], meter["exploited"]), meter["success_pay"])
    return {**meter, "ratio": ratio, "reason": NO_RATIO if ratio is None else None}


def share(value: float) -> str:
    """Return a proportion as a percentage with three digits, such as "17.1 %"."""
    return f"{100 * value:.3g} %"


def _layouts(count: int) -> str:
    return f"{count:,} layout{'' if count == 1 else 's'}"


def _drawn(count: int) -> str:
    return f"{_layouts(count)} drawn at random"
