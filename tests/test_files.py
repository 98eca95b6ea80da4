"""Files that a user names: other kinds than regular ones, and large ones, are refused before anything is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rewardsmith.agents.listed import ListedModel
from rewardsmith.agents.manual import ManualModel
from rewardsmith.agents.models import ModelFailed, ReplayKey, Request
from rewardsmith.agents.replay import read_cassette
from rewardsmith.cli import steer
from rewardsmith.errors import RewardsmithError
from rewardsmith.files import RECORD_BYTES, TEXT_BYTES, UnusableFile, read_bytes, read_text
from rewardsmith.offline.check_reward import read_exploits
from rewardsmith.programs.reward_file import read_reward_file
from rewardsmith.reporting.verify import verify_folder
from rewardsmith.spec import read_spec_file
from rewardsmith.syntax import MAX_CHARACTERS
from rewardsmith.tasks import get_task

PROGRAM = "def reward(prev, action, state, memory):\n    return 1.0 if state.solved else 0.0\n"


def verify_export_with(name: str) -> Callable[[Path], Any]:
    """A function that verifies an export whose file `name` is the given path."""

    def verify(path: Path) -> Any:
        folder = path.parent / "export"
        folder.mkdir()
        for other in ("reward.py", "manifest.json", "transitions.npz"):
            (folder / other).write_text("{}")
        (folder / name).unlink()
        (folder / name).symlink_to(path)
        return verify_folder(folder, "kernel")

    return verify


def answer_from(path: Path) -> Any:
    """The answer read from a path that stands in place of the answer's file."""
    model = ManualModel(path.parent / "manual", interactive=False)
    request = Request("designer", "Write.", "", ReplayKey("designer", 1, 0))
    model.directory.mkdir()
    model.files(request)[1].symlink_to(path)
    return model.complete(request)


READERS: dict[str, Callable[[Path], Any]] = {
    "a reward file": read_reward_file,
    "a spec": read_spec_file,
    "a task": lambda path: get_task(str(path)),
    "exploits": lambda path: read_exploits(path, "MiniGrid-DoorKey-5x5-v0"),
    "a cassette": read_cassette,
    "a list of answers": ListedModel,
    "a person's answer": answer_from,
    "an answer or a program of one's own": steer._text,
    "an export's program": verify_export_with("reward.py"),
    "an export's manifest": verify_export_with("manifest.json"),
    "an export's transitions": verify_export_with("transitions.npz"),
}


@pytest.mark.parametrize("name", READERS)
def test_a_named_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / "given.yaml"
    os.mkfifo(pipe)
    with pytest.raises(RewardsmithError, match="a named pipe, not a regular file") as caught:
        READERS[name](pipe)
    assert caught.value.remedy


@pytest.mark.parametrize("name", READERS)
def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    large = tmp_path / "given.yaml"
    with large.open("wb") as file:
        file.truncate(8 * RECORD_BYTES)  # of holes: it takes no space
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(RewardsmithError, match="bytes; the limit is"):
        READERS[name](large)


def test_folders_and_devices_are_refused_by_kind() -> None:
    with pytest.raises(UnusableFile, match="a folder"):
        read_text(Path("/"))
    with pytest.raises(UnusableFile, match="a device"):
        read_bytes(Path("/dev/zero"))


def test_text_is_read_as_python_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("\ufeffeins\r\nzwei\rdrei\n".encode())
    assert read_text(path) == "eins\nzwei\ndrei\n"
    path.write_bytes(b"x" * TEXT_BYTES)
    assert len(read_bytes(path)) == TEXT_BYTES


def test_a_program_of_too_many_characters_is_refused_by_its_length(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(PROGRAM + "# more\n" * (MAX_CHARACTERS // 7))
    with pytest.raises(RewardsmithError, match="characters"):
        read_reward_file(path)


@pytest.mark.parametrize("head", ["", "\ufeff"])
def test_a_reward_file_is_read_without_its_byte_order_mark(tmp_path: Path, head: str) -> None:
    path = tmp_path / "reward.py"
    path.write_text(head + PROGRAM, encoding="utf-8")
    assert read_reward_file(path) == PROGRAM


def test_a_missing_answer_is_awaited(tmp_path: Path) -> None:
    with pytest.raises(ModelFailed, match="waits for a person"):
        ManualModel(tmp_path, interactive=False).complete(
            Request("designer", "Write.", "", ReplayKey("designer", 1, 0))
        )
