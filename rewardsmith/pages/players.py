"""The recorded episodes of candidates, read from the artifact store and from the verdicts of checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from rewardsmith.errors import StorageError
from rewardsmith.recorded import RecordedEpisode, read_episodes
from rewardsmith.storage.artifacts import ArtifactStore
from rewardsmith.storage.schema import artifacts, checks, trials

_NAMES = {
    "success": "a success", "failure": "a typical failure", "layout": "a chosen layout",
    "counter-example": "the counter-example of the check",
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A recorded episode with the words that introduce it.

    Attributes:
        candidate: The candidate's id.
        title: What it shows, such as "a success, final evaluation, seed 10000, layout 12".
        episode: The episode.
    """

    candidate: str
    title: str
    episode: RecordedEpisode

    def as_json(self) -> dict[str, Any]:
        """Return what the player needs, as data for JSON."""
        return {"candidate": self.candidate, "title": self.title, **self.episode.as_json()}


def episodes_of(connection: Connection, store: ArtifactStore, candidate: str) -> list[Shown]:
    """Return the recorded episodes of a candidate: its counter-example, then those of its trials.

    Those of the final evaluation come before those of the search. Episodes whose file is missing or damaged are left
    out.
    """
    shown = [*counterexamples_of(connection, candidate)]
    query = (
        select(artifacts.c.path, trials.c.purpose, trials.c.seed)
        .join(trials, trials.c.id == artifacts.c.trial_id)
        .where(artifacts.c.kind == "episodes", trials.c.candidate_id == candidate)
        .order_by(trials.c.purpose, trials.c.seed)
        .limit(3)
    )
    for path, purpose, seed in connection.execute(query):
        where = "final evaluation" if purpose == "confirm" else "search"
        shown += [_shown(candidate, episode, f"{where}, seed {seed}") for episode in _read(store, path)]
    return shown


def counterexamples_of(connection: Connection, candidate: str) -> list[Shown]:
    """Return the recorded counter-examples of a candidate's failed checks."""
    query = select(checks.c.kind, checks.c.details).where(
        checks.c.candidate_id == candidate, checks.c.passed.is_(False), checks.c.details.is_not(None)
    )
    found = []
    for kind, details in connection.execute(query.order_by(checks.c.id)):
        stored = details.get("episode") if isinstance(details, Mapping) else None
        if isinstance(stored, Mapping):
            try:
                found.append(_shown(candidate, RecordedEpisode.from_json(stored), kind))
            except ValueError:
                continue
    return found


def typical(shown: Sequence[Shown], kind: str) -> Shown | None:
    """Return the first episode of a kind, such as "success", or None."""
    return next((each for each in shown if each.episode.kind == kind), None)


def _read(store: ArtifactStore, path: str) -> list[RecordedEpisode]:
    try:
        return read_episodes(store.get(path))
    except (StorageError, ValueError):
        return []


def _shown(candidate: str, episode: RecordedEpisode, where: str) -> Shown:
    name = _NAMES.get(episode.kind, episode.kind)
    if episode.kind == "layout":
        name += ", solved" if episode.success else ", not solved"
    return Shown(candidate, f"{name}: {where}, layout {episode.layout}, {episode.length} steps", episode)
