"""Recorded episodes: the format of the artifact that training writes and that pages, reports and videos read.

An episode is recorded with everything that a player shows, so that no environment is needed later: pictures, actions,
captions, and the rewards of every step. What `memory` contains is never recorded, only at which steps it changed.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

FORMAT = 1
MOST_BYTES = 8_000_000
"""Largest artifact that is read, uncompressed."""

FIRST, LAST = 160, 60
"""Steps of a long episode that are shown: the first ones and the last ones. The rewards of all steps are kept."""

Kind = Literal["success", "failure", "layout", "counter-example"]
"""Why an episode was recorded: as a success or a failure, for its layout, or as the counter-example of a check."""


@dataclass(frozen=True)
class RecordedEpisode:
    """One episode of T steps, of which S are shown.

    Attributes:
        kind: Why it was recorded.
        layout: Index of its layout in the pool.
        pool: The pool: "train", "select" or "claim".
        success: Whether it succeeded.
        length: Its number of steps T.
        at: The steps that are shown, counted from 0, increasing [S].
        actions: Names of the actions of these steps [S].
        captions: The state in words: at the start, then after each of these steps [S + 1].
        env: The environment's own reward of every step [T].
        channels: By channel, what training is paid at every step: weighted, bounded and gated [T].
        components: By component, the value that the program returned at every step [T].
        memory: The steps at which the program's memory changed; None if that is unknown.
        picture: The states as pictures, see `tasks.pictures`; None if the task has none.
    """

    kind: str
    layout: int
    pool: str
    success: bool
    length: int
    at: Sequence[int]
    actions: Sequence[str]
    captions: Sequence[str]
    env: Sequence[float]
    channels: Mapping[str, Sequence[float]] = field(default_factory=dict)
    components: Mapping[str, Sequence[float]] = field(default_factory=dict)
    memory: Sequence[int] | None = None
    picture: Mapping[str, Any] | None = None

    @property
    def paid(self) -> float:
        """The sum of the rewards that training is paid."""
        return math.fsum(value for values in self.channels.values() for value in values)

    def as_json(self) -> dict[str, Any]:
        """Return the episode as data for JSON."""
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> RecordedEpisode:
        """Read an episode. Raises ValueError if its parts do not fit together."""
        known = {f.name for f in fields(RecordedEpisode)}
        try:
            episode = RecordedEpisode(**{name: value for name, value in values.items() if name in known})
            shown, rewards = len(episode.at), [*episode.channels.values(), *episode.components.values(), episode.env]
            fits = len(episode.actions) == shown and len(episode.captions) == shown + 1
            fits = fits and all(len(each) == episode.length for each in rewards)
            fits = fits and [*episode.at] == sorted({*episode.at}) and all(0 <= t < episode.length for t in episode.at)
        except (TypeError, AttributeError) as error:
            raise ValueError(f"this is no recorded episode: {error}") from error
        if not fits:
            raise ValueError("the parts of a recorded episode have different lengths")
        return episode


def shown_steps(length: int, first: int = FIRST, last: int = LAST) -> list[int]:
    """Return the steps of an episode that are shown: all of a short one, else the first and the last ones."""
    if length <= first + last:
        return list(range(length))
    return [*range(first), *range(length - last, length)]


def write_episodes(episodes: Sequence[RecordedEpisode]) -> bytes:
    """Return episodes as the bytes of an artifact; the same episodes give the same bytes."""
    told = {"format": FORMAT, "episodes": [episode.as_json() for episode in episodes]}
    return gzip.compress(json.dumps(told, separators=(",", ":"), allow_nan=False).encode(), mtime=0)


def read_episodes(content: bytes) -> list[RecordedEpisode]:
    """Read the bytes of an artifact. Raises ValueError if they are damaged, too large, or of a newer format."""
    unpacked = zlib.decompressobj(wbits=31)
    try:
        text = unpacked.decompress(content, MOST_BYTES)
        if unpacked.unconsumed_tail:
            raise ValueError(f"recorded episodes have more than {MOST_BYTES:,} bytes")
        told = json.loads(text)
    except (zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"recorded episodes are damaged: {error}") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT or not isinstance(told.get("episodes"), list):
        raise ValueError("recorded episodes of another format")
    return [RecordedEpisode.from_json(each) for each in told["episodes"]]
