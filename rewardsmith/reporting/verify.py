"""`verify`: replays recorded transitions through an exported reward and compares every reward exactly."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rewardsmith.errors import RewardsmithError, UsageError
from rewardsmith.files import RECORD_BYTES, read_bytes, read_text
from rewardsmith.programs.reward import source_hash
from rewardsmith.programs.reward_file import program_of
from sandbox.client import HostError, Isolation, replay_module


@dataclass(frozen=True)
class Verified:
    """The result of a replay in which every reward was equal.

    Attributes:
        transitions: Number of transitions compared.
        episodes: Number of episodes they belong to.
        program_hash: SHA-256 of the program, as hexadecimal text.
        level: Protection level of the sandbox.
    """

    transitions: int
    episodes: int
    program_hash: str
    level: str


class NotEqual(RewardsmithError):
    """An exported folder differs from what was recorded."""


def verify_folder(folder: Path, isolation: Isolation = Isolation.KERNEL) -> Verified:
    """Replay an exported folder. Raises UsageError if it is incomplete, NotEqual for any difference."""
    text, manifest, arrays = _read(folder)
    program = program_of(text)
    if program is None:
        raise UsageError(f"{folder}/reward.py is not an exported reward.", "Export it again with `rewardsmith export`.")
    if source_hash(program) != manifest.get("program_hash"):
        raise NotEqual(
            f"The program in {folder}/reward.py was edited after the export.",
            "Export again, or train the edited file with `rewardsmith train --reward FILE --task ID`.",
        )
    expected = arrays.pop("expected")
    try:
        found = replay_module(text, arrays, expected.shape, allow=isolation)
    except HostError as error:
        raise NotEqual(f"{folder}/reward.py fails in the sandbox: {error}", "Export it again.") from error
    wrong = np.argwhere(~((found == expected) | (np.isnan(found) & np.isnan(expected))))
    if len(wrong):
        t, n = (int(i) for i in wrong[0])
        raise NotEqual(
            f"{len(wrong):,} of {expected.size:,} rewards differ; the first at step {t} of environment {n}: "
            f"{found[t, n]!r} instead of {expected[t, n]!r}.",
            "reward.py or transitions.npz was changed after the export; export again.",
        )
    _compare_files(folder, manifest)
    return Verified(expected.size, int(arrays["starts"].sum()), str(manifest["program_hash"]), isolation)


def _compare_files(folder: Path, manifest: dict) -> None:
    """Compare the hashes of all files: an edit of the wrapper or the policy changes no recorded reward."""
    for name, wanted in manifest.get("sha256", {}).items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(read_bytes(path, RECORD_BYTES)).hexdigest() != wanted:
            raise NotEqual(
                f"{path} was changed or removed after the export (every replayed reward is equal).",
                "Export again, and keep your changes in another file.",
            )


def _read(folder: Path) -> tuple[str, dict, dict[str, np.ndarray]]:
    try:
        text = read_text(folder / "reward.py")
        manifest = json.loads(read_text(folder / "manifest.json", RECORD_BYTES))
        if not isinstance(manifest, dict) or not _hashes(manifest.get("sha256", {})):
            raise ValueError("manifest.json is not an export's")
        with np.load(io.BytesIO(read_bytes(folder / "transitions.npz", RECORD_BYTES)), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if "expected" not in arrays or "starts" not in arrays or arrays["expected"].shape != arrays["starts"].shape:
            raise ValueError("transitions.npz lacks the recorded rewards")
        if wrong := sorted(name for name, array in arrays.items() if array.dtype.kind not in "biuf"):
            raise ValueError(f"transitions.npz holds no numbers under {wrong[0]!r}")
    except (OSError, ValueError, RecursionError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"{folder} is not an exported reward: {error}",
            "Write one with `rewardsmith export JOB --best --out DIR`.",
        ) from error
    return text, manifest, arrays


def _hashes(value: object) -> bool:
    """Return whether `value` is a mapping from file names to hashes, as in a manifest."""
    return isinstance(value, dict) and all(isinstance(each, str) for pair in value.items() for each in pair)
