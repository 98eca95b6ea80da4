"""Runs a loaded program over a rollout, inside the locked host.

The checks here are no protection, since they run beside an untrusted program: the client checks every number again.
They make errors name the line of the program, the component and the transition.
"""

from __future__ import annotations
import __future__

import sys
from collections.abc import Callable, Mapping
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from .carried import Carried
from .protocol import COMPONENT_NAME, STATE_ONLY, HostError, Reply, function_signature
from .setup import HostSetup
from .views import build_view, costly_fields, shared_lists, vector_class

PROGRAM = "<program>"
_AT_ONCE = 8192
"""Most transitions that are Python lists at one time: whole batches of a certificate would fill the host's memory."""


def compile_program(source: str) -> CodeType:
    """Compile a program. Type hints are not evaluated, so they may contain any name. Raises HostError("syntax")."""
    try:
        return compile(source, PROGRAM, "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True)
    except SyntaxError as problem:
        raise HostError("syntax", str(problem.msg), problem.lineno) from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as problem:
        raise HostError("syntax", f"the program cannot be compiled: {problem}") from None


def run_program(source: str, names: Mapping[str, Any]) -> dict[str, Any]:
    """Run the program's top level with `names` defined, and return its globals. Raises HostError if it fails."""
    code = compile_program(source)
    module = ModuleType("program")
    # dataclasses look their module up by name.
    sys.modules["program"] = module
    scope = module.__dict__
    scope.update(names)
    try:
        exec(code, scope)
    except BaseException as problem:
        raise as_host_error(problem, "load") from None
    return scope


def as_host_error(problem: BaseException, cause: str, t: int | None = None, n: int | None = None) -> HostError:
    """Convert a program's exception to a HostError with the innermost line of the program in its traceback."""
    if isinstance(problem, HostError):
        return problem
    line, trace = None, problem.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == PROGRAM:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(problem, MemoryError):
        return HostError("memory", "the program used more memory than its limit", line, None, t, n)
    try:
        words = f"{type(problem).__name__}: {problem}"
    except BaseException:
        words = type(problem).__name__
    return HostError("load" if cause == "load" else "exception", words, line, None, t, n)


def number(value: Any) -> float:
    """Return a float, int or numpy real scalar as an exact float. Raises TypeError with a remedy for other values."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"is {value}: return a number, such as float(...) or 1.0 if ... else 0.0")
    if isinstance(value, float | int) or (isinstance(value, np.generic) and value.dtype.kind in "iuf"):
        try:
            return float(value)
        except OverflowError:
            raise TypeError("is too large for a float") from None
    if value is None:
        raise TypeError("is None: return a number on every path")
    shape = f" of shape {value.shape}" if isinstance(value, np.ndarray) else ""
    raise TypeError(f"is a {type(value).__name__}{shape}: return a float")


class Program:
    """One loaded program: its functions, one memory per environment, and the names of its components so far.

    Args:
        source: Text of the program.
        setup: Setup of the host.
        envs: Number of environments.
        names: Names that the program's text may use, including the constants of its actions.
    """

    def __init__(self, source: str, setup: HostSetup, envs: int, names: Mapping[str, Any]) -> None:
        schema = setup.schema
        scope = run_program(source, names)
        self.uses = _declared_uses(scope.get("USES", ()), set(costly_fields(schema).values()))
        self.view = build_view(schema, self.uses)
        self.lists = shared_lists(schema)
        self.tables, self.limits = setup.tables, setup.limits
        self.action = _action_maker(setup) if setup.action_width else None
        self.memories: list[dict[Any, Any]] = [{} for _ in range(envs)]
        self.calls = [_resolve(scope, function) for function in setup.functions]
        self.lines = {name: _first_line(scope.get(name)) for name, _ in self.calls}
        self.potential = next((call for name, call in self.calls if name == STATE_ONLY), None)
        self.names: list[str] = []
        self.parts: dict[str, tuple[str, str | None]] = {}
        self.carried = Carried(scope, names, self.view)
        self.step = 0
        # The last state of each environment, so that results do not depend on how a rollout is divided into calls.
        self.states: list[Any] = [None] * envs
        self.last_after: np.ndarray | None = None

    def score(
        self, before: np.ndarray, actions: np.ndarray, after: np.ndarray, starts: np.ndarray, out: np.ndarray
    ) -> Reply:
        """Score [T, N] transitions. Raises HostError if the program fails.

        Args:
            before: [T, N, width], the states before.
            actions: int64 [T, N] or float64 [T, N, A].
            after: [T, N, width], the states after.
            starts: bool [T, N], whether an episode starts at this step.
            out: float64 [MAX_NAMES + 2, T, N], receives the components, and phi0 and phi in the last two rows.
        """
        out[:] = 0.0
        chained = _chained(before, after, starts, self.last_after)
        self.last_after = after[-1].copy()
        group = max(1, _AT_ONCE // len(starts))
        for first in range(0, starts.shape[1], group):
            lanes = slice(first, first + group)
            work = _Chunk(before[:, lanes], after[:, lanes], starts[:, lanes], chained[:, lanes], self.lists)
            work.actions = self._action_lists(actions[:, lanes])
            self._score_group(work, first, out[:, :, lanes])
        self._check_values(out, starts)
        self.carried.scored(starts.size)
        return Reply(names=tuple(self.names))

    def settle(self) -> Reply:
        """Raise HostError if the program has changed anything except its memories since it was loaded."""
        self.carried.require_unchanged()
        return Reply(names=tuple(self.names))

    def _score_group(self, work: _Chunk, first: int, out: np.ndarray) -> None:
        """Score a group of environments, the first of which has the number `first`."""
        work.columns = {name: {} for name, _ in self.calls}
        for function, part in self.parts.values():
            work.columns[function][part] = [0.0] * len(work.phi)
        for lane in range(len(work.rows)):
            try:
                self._walk(lane, first + lane, work)
            except BaseException as problem:
                if isinstance(problem, MemoryError):
                    # Free the program's data, or there is no memory for a message.
                    self.memories.clear()
                error = as_host_error(problem, "exception")
                raise HostError(
                    error.cause, error.message, error.line, error.component, self.step, first + lane
                ) from None
        for index, name in enumerate(self.names):
            function, part = self.parts[name]
            out[index] = work.array(work.columns[function][part])
        if self.potential is not None:
            out[-2], out[-1] = work.array(work.phi0), work.array(work.phi)

    def _walk(self, lane: int, n: int, work: _Chunk) -> None:
        """Score the transitions of environment n, which is number `lane` of the group, in time order."""
        view, tables, memory = self.view, self.tables, self.memories[n]
        calls = [(name, call, work.columns[name]) for name, call in self.calls]
        actions, starts, chained = work.actions[lane], work.starts[lane], work.chained[lane]
        same = [(name, kept[lane]) for name, kept in work.same]
        state, at = self.states[n], lane * len(starts) - 1
        for t, row in enumerate(work.rows[lane]):
            self.step, at = t, at + 1
            prev = state if chained[t] else view(work.before[t, lane].tolist(), tables)
            if starts[t]:
                memory = self.memories[n] = {}
                if self.potential is not None:
                    work.phi0[at] = self._potential(prev, memory)
            prev._seen = 0
            state = view(row, tables)
            for name, kept in same:
                # Most steps change no object, and making an object is the most expensive operation of a view.
                if kept[t] and name in prev._made:
                    state._made[name] = prev._made[name]
            for name, call, columns in calls:
                if name == STATE_ONLY:
                    work.phi[at] = self._potential(state, memory)
                    continue
                result = call(prev, actions[t], state, memory)
                if type(result) is float and None in columns:
                    columns[None][at] = result
                    continue
                if not isinstance(result, dict):
                    result = {None: result}
                for part, value in result.items():
                    if type(value) is not float:
                        value = self._exact(name, part, value)
                    try:
                        columns[part][at] = value
                    except (KeyError, TypeError):
                        columns[part] = self._new_column(name, part, len(work.phi))
                        columns[part][at] = value
        self.states[n] = state

    def _action_lists(self, actions: np.ndarray) -> list[list[Any]]:
        """What the program is given as `action`, per environment: ints, or vectors."""
        lists = actions.swapaxes(0, 1).tolist()
        return lists if self.action is None else [[self.action(each) for each in lane] for lane in lists]

    def _potential(self, state: Any, memory: dict[Any, Any]) -> float:
        assert self.potential is not None
        state._seen = 0
        value = self.potential(state, memory)
        return value if type(value) is float else self._exact(STATE_ONLY, None, value)

    def _exact(self, function: str, part: Any, value: Any) -> float:
        try:
            return number(value)
        except TypeError as error:
            what = f"the result of {function}" if part is None else f"component {part!r} of {function}"
            shown, problem = function if part is None else str(part), str(error)
            if part is None and isinstance(value, tuple):  # such as Eureka's (total, components)
                problem = "is a tuple: return a float, or only the dict of components, whose sum is the reward"
            raise HostError("value", f"{what} {problem}", self.lines[function], shown) from None

    def _new_column(self, function: str, part: Any, steps: int) -> list[float]:
        name = function if part is None else part if function == "reward" else f"{function}.{part}"
        line = self.lines[function]
        if part is not None and (type(part) is not str or "." in part or not COMPONENT_NAME.fullmatch(name)):
            raise HostError("value", f"component name {part!r} must match [a-z][a-z0-9_]{{0,31}}", line)
        if name in self.parts and self.parts[name] != (function, part):
            # By contract, a float that reward() returns is its component "reward".
            if function != "reward" or self.parts[name][0] != "reward":
                raise HostError("value", f"two functions return a component named '{name}'", line, name)
            raise HostError("value", "always return a float, or always return a dict", line, name)
        if len(self.names) >= self.limits.max_components:
            limit = self.limits.max_components
            raise HostError("value", f"more than {limit} components; '{name}' exceeds the limit", line, name)
        self.names.append(name)
        self.parts[name] = (function, part)
        return [0.0] * steps

    def _check_values(self, out: np.ndarray, starts: np.ndarray) -> None:
        rows = [(name, self.parts[name][0], out[index]) for index, name in enumerate(self.names)]
        if self.potential is not None:
            rows += [
                (STATE_ONLY, STATE_ONLY, np.where(starts, out[-2], 0.0)),
                (STATE_ONLY, STATE_ONLY, out[-1]),
            ]
        for name, function, values in rows:
            wrong = ~(np.abs(values) <= self.limits.max_abs)
            if wrong.any():
                t, n = (int(i) for i in np.argwhere(wrong)[0])
                rule = f"it must be finite and at most {self.limits.max_abs:g} in size"
                raise HostError("value", f"'{name}' is {values[t, n]:g}; {rule}", self.lines[function], name, t, n)


class _Chunk:
    """Some steps of a group of environments as Python lists, one environment after the other, and their results.

    Lists are made for the whole group at once. A rollout comes a few steps at a time, so that work per environment
    would take as long as the program itself.
    """

    def __init__(
        self,
        before: np.ndarray,
        after: np.ndarray,
        starts: np.ndarray,
        chained: np.ndarray,
        lists: list[tuple[str, int, int]],
    ) -> None:
        self.before = before
        self.rows: list[list[list[float]]] = after.swapaxes(0, 1).tolist()
        self.starts: list[list[bool]] = starts.T.tolist()
        self.chained: list[list[bool]] = chained.T.tolist()
        self.same = [(name, (before[..., a:b] == after[..., a:b]).all(-1).T.tolist()) for name, a, b in lists]
        self.actions: list[list[Any]] = []  # set by the program, which knows their kind
        self.columns: dict[str, dict[Any, list[float]]] = {}  # of each function: component -> N * T values
        self.phi0 = [float("nan")] * starts.size
        self.phi = [float("nan")] * starts.size
        self._shape = starts.T.shape

    def array(self, column: list[float]) -> np.ndarray:
        """A column as float64 [T, N]."""
        return np.array(column).reshape(self._shape).T


def _action_maker(setup: HostSetup) -> Callable[[list[float]], Any]:
    """What turns an action's numbers into the vector that a program is given."""
    kind = vector_class("Action", setup.entries)
    return (lambda numbers: kind(map(int, numbers))) if setup.whole else kind


def _first_line(function: Any) -> int | None:
    return getattr(getattr(function, "__code__", None), "co_firstlineno", None)


def _resolve(scope: Mapping[str, Any], function: str) -> tuple[str, Callable[..., Any]]:
    name, parameters = function_signature(function)
    call = scope.get(name)
    if not callable(call):
        raise HostError("load", f"the program defines no function {name}({', '.join(parameters)})")
    if name == STATE_ONLY or parameters == ("prev", "action", "state", "memory"):
        return name, call
    order = [("prev", "action", "state", "memory").index(p) for p in parameters]

    def adapted(*arguments: Any) -> Any:
        return call(*[arguments[i] for i in order])

    return name, adapted


def _declared_uses(declared: Any, features: set[str]) -> tuple[str, ...]:
    if isinstance(declared, str) or not isinstance(declared, list | tuple | set | frozenset):
        raise HostError("load", 'USES must be a list of names, such as USES = ["walk_distance"]')
    unknown = sorted(str(name) for name in declared if name not in features)
    if unknown:
        known = ", ".join(sorted(features)) or "none on this task"
        raise HostError("load", f"USES names unknown features: {', '.join(unknown)}; known: {known}")
    return tuple(sorted(set(declared)))


def _chained(before: np.ndarray, after: np.ndarray, starts: np.ndarray, last: np.ndarray | None) -> np.ndarray:
    """bool [T, N]: whether the state before equals the previous state after bit for bit, so that they share one view.

    last: [N, width], the last states after of the previous call.
    """
    bits = np.int64 if before.dtype == np.float64 else before.dtype
    chained = ~starts
    chained[1:] &= (before[1:].view(bits) == after[:-1].view(bits)).all(-1)
    chained[0] &= False if last is None else (before[0].view(bits) == last.view(bits)).all(-1)
    return chained
