"""Films an episode of a described task: the environment is made again with render_mode="rgb_array" and replayed."""

from __future__ import annotations

import base64
import io
import json
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.batch import FIRST_SEEDS
from rewardsmith.tasks.described.setup import Setup

SECONDS = 30.0
"""Longest time of a replay. Rendering happens in a process of its own, because a graphics library may hang or abort."""

_WIDTH = 200  # pixels
_QUALITY = 60


class FilmsItself:
    """A task whose environments can be made again to be rendered; its subclasses have a setup."""

    @property
    def setup(self) -> Setup:
        """The setup of the task."""
        raise NotImplementedError

    def film(self, pool: str, layout: int, actions: Sequence[Any], states: Sequence[int]) -> dict[str, Any] | None:
        """Return the picture of an episode, or None, see tasks.pictures."""
        return film(self.setup, pool, layout, actions, states)


def film(
    setup: Setup, pool: str, layout: int, actions: Sequence[Any], states: Sequence[int], seconds: float = SECONDS
) -> dict[str, Any] | None:
    """Return the picture of an episode (tasks.pictures), or None if it cannot be rendered.

    The images are those of a replay with the same seed and actions. A replay that ends earlier than the episode is
    another one, and gives None.
    """
    if setup.description.engine == "envpool" or not hasattr(os, "fork"):
        return None
    found = _in_child(lambda: _replay(setup, FIRST_SEEDS[pool] + layout, actions, states), seconds)
    return found if isinstance(found, dict) else None


def _replay(setup: Setup, seed: int, actions: Sequence[Any], states: Sequence[int]) -> dict[str, Any] | None:
    from PIL import Image

    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("MUJOCO_GL", "egl")
    kwargs = {**setup.description.env_kwargs, "render_mode": "rgb_array"}
    described = setup.description.model_copy(update={"env_kwargs": kwargs})
    env = environments.make_environment(described, setup.folder, setup.hooks.make)
    env.reset(seed=seed)
    wanted, images, space = set(states), [], setup.form.actions
    for k in range(max(wanted) + 1):
        if k in wanted:
            shown = np.asarray(env.render())
            if shown.ndim != 3 or shown.dtype != np.uint8:
                return None
            image = Image.fromarray(shown[..., :3])
            image.thumbnail((_WIDTH, _WIDTH))
            written = io.BytesIO()
            image.save(written, "WEBP", quality=_QUALITY)
            images.append(base64.b64encode(written.getvalue()).decode())
        if k < len(actions):
            ended = env.step(space.in_environment(actions[k]))[2:4]
            if any(ended) and k + 1 < len(actions):
                return None
    return {"kind": "images", "type": "image/webp", "images": images, "at": sorted(wanted)}


def _in_child(work: Callable[[], Any], seconds: float) -> Any:
    """Return what `work` returns in a forked process, as JSON data; None if it fails or takes longer than `seconds`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            with os.fdopen(writer, "wb") as out:
                out.write(json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    parts, end = [], time.monotonic() + seconds
    try:
        while (left := end - time.monotonic()) > 0 and select.select([reader], [], [], left)[0]:
            if not (part := os.read(reader, 1 << 20)):
                break
            parts.append(part)
        else:
            parts = []
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with suppress(ValueError):
        return json.loads(b"".join(parts))
    return None
