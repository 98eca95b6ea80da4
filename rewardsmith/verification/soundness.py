"""What a certificate's layouts say together: the bound on the share of unsound ones, and the smallest margin.

Reads plain data, so that what older versions stored is shown as this one would write it. Standard library only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rewardsmith.reporting.proportion import clopper_pearson_upper

VERDICTS = (
    "unsound", "horizon-dependent", "depends on time", "weakly sound", "dilatory", "not certified", "sound",
)  # fmt: skip
"""Worst first: the verdict over several layouts is the first that any of them has."""

HEADLINE_BOUND = 0.1
"""A headline says the verdict alone only where at most this share of the layouts can be unsound."""

_ASKED = re.compile(r"\((\d+) were asked for\)")
_SAME = 9  # decimals: margins that differ by rounding alone are equal


@dataclass(frozen=True)
class Soundness:
    """The verdict over the layouts of a certificate.

    counts: layouts by verdict. asked: layouts that were to be looked at, fixed in advance. unsound: how many of them
    are unsound or undecided; one that was not looked at is undecided. every: whether they are all that the task trains
    on. bound: at most this share of the task's layouts is unsound, the one-sided 95 % bound of Clopper and Pearson; the
    share itself where `every`. margin: the smallest D, of layout margin_layout; None where no layout was decided.
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
        """How many layouts have a verdict."""
        return sum(self.counts.values())

    @property
    def headline(self) -> str:
        """The verdict, alone only where it may be said of the task: the bound is 10 % at most, or no layout is left."""
        mine = self.counts[self.verdict]
        if mine == self.looked_at and (self.every or self.bound <= HEADLINE_BOUND):
            return self.verdict
        where = _layouts(mine) if mine == self.asked else f"{mine} of {self.asked} layouts"
        if self.verdict in ("unsound", "not certified"):
            return f"{self.verdict} on {where}"
        return f"{self.verdict} on {where}{'' if self.every else f', up to {share(self.bound)} unsound possible'}"

    @property
    def tally(self) -> str:
        """How many layouts have which verdict."""
        told = ", ".join(f"{v} on {self.counts[v]} of {self.looked_at} layouts" for v in VERDICTS if self.counts.get(v))
        return told if self.looked_at == self.asked else f"{told} ({self.asked} were asked for)"

    @property
    def sentence(self) -> str:
        """The bound and the smallest margin in words."""
        if set(self.counts) == {"not certified"} and self.unsound == self.asked:
            return "Nothing was decided of any layout."
        if self.every:
            told = f"All {_layouts(self.asked)} that the task trains on: {share(self.bound)} unsound or undecided."
            told = told.replace("All 1 layout ", "The only layout ")
        else:
            told = f"Of all layouts at most {share(self.bound)} are unsound ({_drawn(self.asked)}, 95 % bound)."
        if self.margin is None:
            return told
        return f"{told} Smallest margin {self.margin:.3g}, on layout {self.margin_layout}."

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as it stands beside a certificate's layouts."""
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
    """The verdict over the layouts in a certificate's plain data, of this version or an older one."""
    layouts = details["layouts"]
    counts = Counter(str(each["verdict"]) for each in layouts)
    told = _ASKED.search(str(details.get("message") or ""))
    asked = max(int(details.get("layouts_asked") or (told[1] if told else 0)), len(layouts))
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
    """A certificate's plain data with what its layouts say together, whichever version wrote it."""
    return {**details, **soundness_of(details).as_dict()}


def is_sound(layout: Mapping[str, Any]) -> bool:
    """Whether a layout is known not to be unsound: its optimum solves in time, or some way of acting as well does."""
    high = layout.get("high")
    if high is None or (layout.get("episode") is not None and (high["steps"] or 0) > layout["episode"]):
        return False
    if layout["verdict"] == "depends on time":
        return bool(layout.get("by_step"))
    return layout["verdict"] in ("sound", "dilatory", "weakly sound")


def margin_of(layout: Mapping[str, Any]) -> float | None:
    """D of a layout: what solving adds to the best that can be had without it, at the pay its verdict rests on."""
    low, high = layout.get("low"), layout.get("high")
    if high is None:
        return None
    shown = low if low is not None and low["solves"] else high
    return float(shown["value"]) - float(shown["value_without_success"])


NO_RATIO = "success pays nothing or less, so guidance is no multiple of it"
_NOTHING = 1e-9  # what costs and pay that cancel out leave behind


def guidance_ratio(guidance: float, success_pay: float) -> float | None:
    """The flooding meter: guidance of an episode over what success pays; None, for NO_RATIO, where that is nothing."""
    return guidance / success_pay if success_pay > _NOTHING else None


def with_ratio(meter: Mapping[str, Any]) -> dict[str, Any]:
    """The flooding meter's plain data with its ratio, or the reason why there is none, whichever version wrote them."""
    ratio = guidance_ratio(max(meter["guidance"], meter["farmed"]), meter["success_pay"])
    return {**meter, "ratio": ratio, "reason": NO_RATIO if ratio is None else None}


def share(value: float) -> str:
    """ "17.1 %"."""
    return f"{100 * value:.3g} %"


def _layouts(count: int) -> str:
    return f"{count:,} layout{'' if count == 1 else 's'}"


def _drawn(count: int) -> str:
    return f"{_layouts(count)} drawn at random"
