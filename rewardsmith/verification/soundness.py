"""The verdict over all layouts of a certificate, with the bound on the proportion of unsound ones.

Reads plain data, so that verdicts stored by older versions are shown in the same way. Standard library only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewardsmith.reporting.proportion import clopper_pearson_upper, wilson

VERDICTS = (
    "unsound", "horizon-dependent", "time-dependent", "weakly sound", "gamma-limited", "slow", "not certified", "sound",
)  # fmt: skip
"""Worst first: the verdict over several layouts is the first that any of them has."""

RANDOM, HARD = "random", "hard"
"""How a layout was drawn. Only random layouts enter the bound; a hard one can only add a counter-example."""

HEADLINE_BOUND = 0.1
"""A headline is the verdict alone only if at most this proportion of the layouts can be unsound."""

_ASKED = re.compile(r"\((\d+) were asked for\)")
_SAME = 9  # decimals; margins that differ only by rounding count as equal


@dataclass(frozen=True)
class Soundness:
    """The verdict over the layouts of a certificate. Layouts drawn at random and hard ones are counted apart.

    Attributes:
        verdict: The worst verdict of the decided layouts, in the order of VERDICTS. A hard layout counts here only if
            its optimal policy misses the task (`misses`).
        counts: Number of random layouts with each verdict.
        asked: Number of random layouts requested, fixed in advance.
        unsound: Number of requested random layouts that are unsound or undecided. A layout that was not checked is
            undecided.
        undecided: How many of these are undecided.
        every: Whether the requested layouts are all layouts of the task.
        bound: One-sided 95 % Clopper-Pearson bound on the proportion of unsound layouts; if `every`, the proportion.
        margin: The smallest margin D over the random and the hard layouts; None if no layout was decided.
        margin_layout: The layout that has this margin.
        hard: Number of hard layouts requested.
        hard_counts: Number of hard layouts with each verdict.
        hard_missed: Number of hard layouts on which the optimal policy misses the task.
    """

    verdict: str
    counts: Mapping[str, int]
    asked: int
    unsound: int
    undecided: int
    every: bool
    bound: float
    margin: float | None
    margin_layout: int | None
    hard: int = 0
    hard_counts: Mapping[str, int] = field(default_factory=dict)
    hard_missed: int = 0

    @property
    def looked_at(self) -> int:
        """Number of random layouts that were checked."""
        return sum(self.counts.values())

    @property
    def hard_looked_at(self) -> int:
        """Number of hard layouts that were checked."""
        return sum(self.hard_counts.values())

    @property
    def bounded(self) -> bool:
        """Whether at most 10 % of the layouts can be unsound, or every layout was checked and none is unsound."""
        return self.unsound == 0 if self.every else self.bound <= HEADLINE_BOUND

    @property
    def headline(self) -> str:
        """The verdict with its reach; the verdict alone if the bound is at most 10 % or every layout was checked."""
        mine = self.counts.get(self.verdict, 0)
        if not mine:
            return f"{self.verdict} on {self.hard_counts[self.verdict]} of {_layouts(self.hard_looked_at, 'hard ')}"
        decided = self.looked_at - self.counts.get("not certified", 0)
        if mine == decided and (self.bounded or (self.every and not self.undecided)):
            return self.verdict
        where = _layouts(mine) if mine == self.asked else f"{mine} of {self.asked} layouts"
        if self.verdict in ("unsound", "not certified"):
            return f"{self.verdict} on {where}"
        return f"{self.verdict} on {where}{'' if self.every else f', up to {share(self.bound)} unsound possible'}"

    @property
    def counts_text(self) -> str:
        """The number of layouts with each verdict, as text."""
        text = _counted(self.counts, self.looked_at, "layouts")
        if self.looked_at != self.asked:
            text = f"{text} ({self.asked} were requested)"
        if not self.hard_looked_at:
            return text
        return f"{text}; {_counted(self.hard_counts, self.hard_looked_at, 'hard layouts')}"

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
            "undecided": self.undecided,
            "unsound_rate_below": self.bound,
            "hard_layouts_asked": self.hard,
            "hard_layouts_looked_at": self.hard_looked_at,
            "hard_layouts_missed": self.hard_missed,
            "smallest_margin": self.margin,
            "smallest_margin_layout": self.margin_layout,
        }


def soundness_of(details: Mapping[str, Any]) -> Soundness:
    """Return the verdict over the layouts in a certificate's plain data, written by this version or an older one."""
    layouts = [each for each in details["layouts"] if not is_hard(each)]
    hard = [each for each in details["layouts"] if is_hard(each)]
    counts, missed = Counter(_verdict(each) for each in layouts), [each for each in hard if misses(each)]
    stated = _ASKED.search(str(details.get("message") or ""))
    asked = max(int(details.get("layouts_asked") or (stated[1] if stated else 0)), len(layouts))
    every = bool(details.get("every_layout"))
    unsound = asked - sum(is_sound(each) for each in layouts)
    margins = [(round(m, _SAME), int(e["layout"])) for e in details["layouts"] if (m := margin_of(e)) is not None]
    margin, at = min(margins, default=(None, None))
    found = {*counts, *map(_verdict, missed)}
    return Soundness(
        verdict=min(found - {"not certified"} or found, key=VERDICTS.index),
        counts=counts,
        asked=asked,
        unsound=unsound,
        undecided=asked - len(layouts) + sum(is_undecided(each) for each in layouts),
        every=every,
        bound=unsound / asked if every else clopper_pearson_upper(unsound, asked),
        margin=margin,
        margin_layout=at,
        hard=max(int(details.get("hard_layouts_asked") or 0), len(hard)),
        hard_counts=Counter(map(_verdict, hard)),
        hard_missed=len(missed),
    )


def with_soundness(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return a certificate's plain data with the fields of `Soundness.as_dict` added, whichever version wrote it."""
    return {**details, **soundness_of(details).as_dict()}


def is_sound(layout: Mapping[str, Any]) -> bool:
    """Return whether a layout is known not to be unsound: some optimal policy solves it within the episode."""
    high = layout.get("high")
    if layout.get("bounds_gap") is not None:
        return layout["verdict"] == "sound"
    if high is None or (layout.get("episode") is not None and (high["steps"] or 0) > layout["episode"]):
        return False
    if layout["verdict"] == "time-dependent":
        return bool(layout.get("by_step"))
    return layout["verdict"] in ("sound", "slow", "weakly sound", "gamma-limited")


def is_undecided(layout: Mapping[str, Any]) -> bool:
    """Return whether it is not known whether a layout is unsound."""
    return layout["verdict"] == "not certified" or (layout["verdict"] == "time-dependent" and not layout.get("by_step"))


def is_hard(layout: Mapping[str, Any]) -> bool:
    """Return whether a layout was chosen because it is hard, so that it does not enter the bound."""
    return layout.get("drawn", RANDOM) == HARD


def misses(layout: Mapping[str, Any]) -> bool:
    """Return whether the optimal policy of a layout is known not to solve the task: never, or after the last step."""
    high = layout.get("high")
    if layout["verdict"] == "not certified" or high is None:
        return layout.get("counterexample") is not None
    never = layout["verdict"] in ("unsound", "horizon-dependent") and not high["may_solve"]
    return never or (layout.get("episode") is not None and (high["steps"] or 0) > layout["episode"])


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


def _verdict(layout: Mapping[str, Any]) -> str:
    return str(layout["verdict"])


def _counted(counts: Mapping[str, int], of: int, what: str) -> str:
    return ", ".join(f"{verdict} on {counts[verdict]} of {of} {what}" for verdict in VERDICTS if counts.get(verdict))


def _layouts(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}layout{'' if count == 1 else 's'}"


def _drawn(count: int) -> str:
    return f"{_layouts(count)} drawn at random"


def share_interval(count: int, drawn: int) -> tuple[float, float]:
    """Return the 95 % interval (Wilson) of the proportion of starts of which `count` of `drawn` were found."""
    return wilson(count, drawn)
