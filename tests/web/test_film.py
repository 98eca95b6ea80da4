"""Videos and strips of recorded episodes: frames, layouts, formats, damaged pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image
from running import in_process
from stored_jobs import made_up_episode, open_home, store_episodes, store_job

from rewardsmith.errors import UsageError
from rewardsmith.pages.film import beside_each_other, stills_of, write_strip, write_video
from rewardsmith.pages.players import Shown


def shown(name: str, layout: int, kind: str = "success") -> Shown:
    return Shown(name, "t", replace(made_up_episode(kind), layout=layout))


def test_a_grid_is_drawn_where_its_states_say():
    start, picked, moved = stills_of(made_up_episode("success"))
    assert start.size == (4 * 28, 3 * 28)
    assert start.getpixel((5, 5)) == (0x56, 0x5B, 0x61)
    assert start.getpixel((42, 42)) == moved.getpixel((64, 42)) == (200, 16, 46)
    assert start.getpixel((70, 34)) != picked.getpixel((70, 34))


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_a_video_has_a_frame_per_state_and_holds_the_last_one(tmp_path, suffix):
    path = tmp_path / f"v.{suffix}"
    assert write_video([shown("j-1a", 3), shown("j-sparse", 3, "failure")], path) == 9
    with Image.open(path) as written:
        assert written.n_frames in (3, 9)  # equal frames may be merged
        assert written.width > 2 * 190


def test_episodes_on_the_same_layout_stand_beside_each_other():
    best, baseline = [shown("b", 1), shown("b", 7)], [shown("s", 7, "failure"), shown("s", 1, "failure")]
    assert [each.episode.layout for each in beside_each_other(best, baseline)] == [1, 1]
    assert [each.candidate for each in beside_each_other(best, [shown("s", 9)])] == ["b", "s"]


@pytest.mark.parametrize("picture", [
    None, {}, {"kind": "grid"}, {"kind": "images", "images": ["AAAA"]}, {"kind": "images", "images": [3]},
    {"kind": "grid", "width": 10**6, "height": 10**6, "walls": [], "lava": [], "states": [[0, 0, 0, None, []]]},
])  # fmt: skip
def test_a_damaged_picture_is_left_out(picture, tmp_path):
    episode = replace(made_up_episode("success"), picture=picture)
    assert stills_of(episode) == []
    with pytest.raises(UsageError, match="has pictures"):
        write_video([Shown("j", "t", episode)], tmp_path / "v.gif")


def test_the_command_writes_a_video_and_a_strip(tmp_path):
    engine = open_home(tmp_path / ".rewardsmith")
    store_job(engine, "donejb")
    for name in ("donejb-1a", "donejb-sparse"):
        store_episodes(engine, tmp_path / ".rewardsmith/artifacts", name)
    assert in_process(tmp_path, "video", "donejb").returncode == 0
    assert in_process(tmp_path, "video", "donejb", "--strip", "--out", "strip.png").returncode == 0
    assert Image.open(tmp_path / "strip.png").width > 3 * 190
    ran = in_process(tmp_path, "video", "donejb", "--out", "v.mp4")
    assert ran.returncode == 2 and ".gif" in ran.stderr


def test_a_strip_has_a_row_per_episode(tmp_path):
    write_strip([shown("a", 1)], tmp_path / "one.png")
    write_strip([shown("a", 1), shown("b", 1)], tmp_path / "two.png")
    assert Image.open(tmp_path / "two.png").height == 2 * Image.open(tmp_path / "one.png").height
