"""The learner of the method progress: looks up the prover's value of each visited state."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.methods.base import Setting
from rewardsmith.methods.intrinsic.count_keys import state_columns
from rewardsmith.methods.prover.values import prover_values
from rewardsmith.tasks.capabilities import tabular_of
from rewardsmith.tasks.transitions import multilinear_hash
from rewardsmith.training.learner import Experience, Learner

CHANNEL = "progress"
_KEPT_BYTES = 64 * 2**20  # of all layouts' tables together


class ProgressLearner(Learner):
    """Computes Phi = V(s), or its logarithm, for the states of each rollout.

    A layout is enumerated and solved when an episode first starts on it. The tables of the least recent layouts are
    dropped beyond 64 MB; they are computed again if needed, with the same result. So checkpoints hold nothing.
    """

    def __init__(self, setting: Setting) -> None:
        self._task, self._options, self._gamma = setting.task, setting.options, setting.training.gamma
        self._columns = state_columns(setting.task.schema)
        self._layout_column = setting.task.schema.field("walls").column
        self._tables: OrderedDict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = OrderedDict()
        self._bytes = self._solved = 0

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return Phi after the steps and at starts, [T, N]."""
        run = seen.rollout
        begin = np.zeros(run.starts.shape)
        begin[run.starts] = self.potentials(run.before[run.starts])
        return {CHANNEL: self.potentials(run.after), f"{CHANNEL}:start": begin}

    def potentials(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Return Phi float64 [...] of state rows [..., W]; 0 for terminal states."""
        flat = rows.reshape(-1, rows.shape[-1])
        keys, layouts = multilinear_hash(flat[:, self._columns]), flat[:, self._layout_column]
        found = np.zeros(len(flat))
        for layout in np.unique(layouts).tolist():
            mine = layouts == layout
            known, values = self._table(int(layout))
            at = np.minimum(np.searchsorted(known, keys[mine]), len(known) - 1)
            found[mine] = np.where(known[at] == keys[mine], values[at], 0.0)
        return found.reshape(rows.shape[:-1])

    def _table(self, layout: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the sorted keys of a layout's states, and Phi of each."""
        if layout in self._tables:
            self._tables.move_to_end(layout)
            return self._tables[layout]
        tabular, limit = tabular_of(self._task), self._options.states
        graph = None if tabular is None else tabular.state_graph(layout, limit)
        if graph is None or not graph.complete:
            raise UsageError(
                f"The states of training layout {layout} of {self._task.id} cannot be listed within {limit:,}.",
                "Raise --option progress.states, or leave the method progress out.",
            )
        values = prover_values(graph, self._gamma, self._options.strength)
        if self._options.logarithm:
            values = on_log_scale(values)
        keys = multilinear_hash(graph.rows[graph.state][:, self._columns])
        order = np.argsort(keys)
        made = self._tables[layout] = keys[order], values[order]
        self._solved += 1
        self._bytes += sum(array.nbytes for array in made)
        while self._bytes > _KEPT_BYTES and len(self._tables) > 1:
            self._bytes -= sum(array.nbytes for array in self._tables.popitem(last=False)[1])
        return made

    def telemetry(self) -> dict[str, Any]:
        """Layouts solved since the last call."""
        solved, self._solved = self._solved, 0
        return {"layouts_solved": solved}


def on_log_scale(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 - log V / log V_min in [0, 1), where V_min is the smallest positive value; 0 where V is 0.

    A random prover's values differ by orders of magnitude, so that their differences far from success are negligible.
    """
    positive = values > 0.0
    if not positive.any() or values[positive].min() >= 1.0:
        return np.zeros_like(values)
    logs = np.log(np.where(positive, values, 1.0))
    return np.where(positive, 1.0 - logs / logs.min(), 0.0)
