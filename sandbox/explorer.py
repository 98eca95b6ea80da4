"""The host's side of OutcomesHost: every result that a transition may have, whatever the memory. It is no protection.

For every state, the possible values of each variable of memory are collected from all ways that lead to it; values of
different variables are combined freely. So each memory that can occur in a state is among the combinations, and there
are few results even where there are many memories.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from functools import reduce
from itertools import product, zip_longest
from operator import or_
from typing import Any

import numpy as np

from .arrays import read_arrays
from .changes import Changes, Widening
from .made import Leaf, Made
from .memories import freeze
from .noting import Noted, noting_rows
from .outcomes import AGAIN, BLIND, CHANGED, HEAD, READ, RESULTS, SCOUT, STEADY, UNFOLLOWED, VALUES, layout
from .product import READ_EARLIER_EVENT, READ_EVENT_FOR_POTENTIAL, READ_STEP
from .protocol import STATE_ONLY, TEXT_BYTES, HostError, Reply
from .recalled import RecalledDict, RecalledSet, Recollection
from .scoring import as_host_error
from .unknown import NOTHING, Anew, Answers, AnyNumber, Kind, OneOf, Unfollowed, Variable, frozen
from .views import READ_EVENT

_MOST_VALUES = 64
_KEPT_VIEWS = 16384
Known = dict[Variable, frozenset[Any]]


class Explorer:
    """Collects the results of a loaded program for all memories that a state may come with.

    Args:
        program: The loaded scoring.Program.
        config: The host's configuration, see OutcomesHost.
        incoming: Shared memory of the inputs.
        outgoing: Shared memory of text and results.
        source: Text of the program.
        blind: Whether the program cannot depend on the action.
    """

    def __init__(
        self,
        program: Any,
        config: Mapping[str, Any],
        incoming: mmap.mmap,
        outgoing: mmap.mmap,
        blind: bool,
        source: str,
    ) -> None:
        placed, _ = layout(config["capacity"], config["schema"])
        self.inputs = read_arrays(placed, incoming)
        self.output = np.frombuffer(outgoing, np.float64, offset=TEXT_BYTES)
        self.program, self.blind = program, blind
        self.lazy = "type(" not in source  # type(x) shows a substitute
        self.records = [f["name"] for f in config["schema"]["fields"] if f["kind"] == "record"]
        self.widening = Widening()
        self.joint = len(program.calls) < 2  # whether functions use the same keys of memory
        self.runs, self.most_runs = 0, int(config["runs"])
        self.noted = Noted()
        self.row = noting_rows(self.noted, int(config["schema"]["width"]))
        # What a program reads of `prev` and of `state` is told apart, so that they are never the same view.
        self.views: tuple[dict[bytes, Any], dict[bytes, Any]] = ({}, {})
        self._restart()

    def _restart(self) -> None:
        self.made: dict[int, Made] = {}
        self.entries: set[Any] = set()  # keys that have had a dict whose entries are variables
        self.known: dict[int, Known] = {}
        self.members: dict[Any, dict[Any, bool]] = {}
        self.waiting: dict[tuple[Any, Any], set[int]] = {}  # states that asked for an element that no set had yet
        self.changes = Changes()
        self.widening.restart()
        self.changed: set[int] = set()

    def handle(self, count: int, what: int) -> Reply:
        """Answer one request.

        Args:
            count: Number of transitions to follow.
            what: 0 starts an episode, STEADY asks which kinds of results an episode can repeat; from SCOUT on the
                transitions are only tried.
        """
        self.changed.clear()
        rows: list[list[float]] = []
        again = False
        try:
            if what == STEADY:
                rows = [[float(each)] for each in self.changes.steady()]
            elif what == 0:
                self._restart()
                self._begin()
            elif what >= SCOUT:
                self._scout(count)
            else:
                for at in range(count):
                    self._follow(at, rows)
        except Anew as problem:
            if not self.widening.learnt(problem):
                raise HostError("value", f"{UNFOLLOWED}{problem}") from None
            self._restart()
            rows, again = [], True
        except Unfollowed as problem:
            raise HostError("value", f"{UNFOLLOWED}{problem}") from None
        except BaseException as problem:
            raise as_host_error(problem, "exception") from None
        self._answer(rows, again)
        self.program.carried.scored(max(count, 1))
        return Reply(names=tuple(self.program.names))

    def _answer(self, rows: list[list[float]], again: bool) -> None:
        head = [0.0] * HEAD
        head[AGAIN], head[RESULTS], head[CHANGED] = again, len(rows), len(self.changed)
        head[BLIND], head[READ] = self.blind, len(self.noted.columns)
        lists = [head, np.array(rows, float).ravel(), sorted(self.changed), self.noted.columns]
        flat = np.concatenate([np.array(each, float) for each in lists])
        if len(flat) > len(self.output):
            raise HostError("value", f"{UNFOLLOWED}there are too many different results")
        self.output[: len(flat)] = flat

    def _view(self, row: np.ndarray, *, later: bool) -> Any:
        views, key = self.views[later], row.tobytes()
        found = views.get(key)
        if found is None:
            if len(views) >= _KEPT_VIEWS:
                views.clear()
            found = views[key] = self.program.view(self.row(row.tolist()), self.program.tables)
        return found

    def _begin(self) -> None:
        start = int(self.inputs["state"][0])
        self.known[start] = {}
        self.changed.add(start)
        if self.program.potential is None:
            return
        state = self._view(self.inputs["before"][0], later=True)
        run = self._recollection({}, Answers())
        self._call(run, lambda: self.program._potential(state, run.memory))
        self.known[start] = self._after(run, {}, start)[0]

    def _scout(self, count: int) -> None:
        """Call the program for the sake of the columns that it reads. What goes wrong will do so again."""
        for at in range(count):
            run = self._recollection({}, Answers())
            arguments = self._arguments(at)
            try:
                self._score(*arguments, run.memory, self.program.calls)
            except MemoryError:
                raise
            except BaseException:
                continue

    def _arguments(self, at: int) -> tuple[Any, int, Any]:
        before, after = self.inputs["before"][at], self.inputs["after"][at]
        return self._view(before, later=False), int(self.inputs["action"][at]), self._view(after, later=True)

    def _follow(self, at: int, rows: list[list[float]]) -> None:
        """Add the results of one transition; what they leave in memory is added to the state after."""
        number, here, there = (int(self.inputs[name][at]) for name in ("transition", "state", "successor"))
        known, made = self.known[here], self.made.get(number)
        if made is None or not made.holds(known, self.members):
            made = self.made[number] = self._results(at, here, known)
        if there >= 0:
            self._join(there, {**known, **made.writes} if made.writes else known)
        rows += [[float(at), *row, *[0.0] * (VALUES + 2 - len(row))] for row in made.rows]

    def _results(self, at: int, here: int, known: Known) -> Made:
        """All results of one transition, each once."""
        arguments = self._arguments(at)
        parts = self._apart(arguments, here, known)
        if parts is None:
            parts = [self._leaves(arguments, self.program.calls, here, known)]
        made = Made(known, parts)
        for leaves in product(*[{leaf.result: leaf for leaf in part}.values() for part in parts]):
            certainly = frozenset[Any]().union(*[leaf.certainly for leaf in leaves])
            reads = reduce(or_, [leaf.reads for leaf in leaves])
            values = [sum(each) for each in zip_longest(*[leaf.values for leaf in leaves], fillvalue=0.0)]
            made.rows[float(self.changes.kind_of(certainly)), float(reads), *values] = None
        return made

    def _apart(self, arguments: tuple[Any, int, Any], here: int, known: Known) -> list[list[Leaf]] | None:
        """The results of each function of the program alone; None if they use the same keys of memory.

        Functions with keys of their own need as many calls as the sum of their answers, not as the product.
        """
        if self.joint:
            return None
        parts, used = list[list[Leaf]](), set[Any]()
        try:
            for call in self.program.calls:
                parts.append(self._leaves(arguments, [call], here, known))
                keys = {key for leaf in parts[-1] for key in leaf.keys}
                self.joint = self.joint or bool(keys & used) or any(leaf.run.listed for leaf in parts[-1])
                used |= keys
        except Unfollowed:
            self.joint = True  # perhaps a function relies on what another has stored
        return None if self.joint else parts

    def _leaves(self, arguments: tuple[Any, int, Any], calls: list[Any], here: int, known: Known) -> list[Leaf]:
        """Call some functions of the program once for each answer that their reads may get."""
        answers, found = Answers(), list[Leaf]()
        while True:
            run = self._recollection(known, answers)
            reads, values = self._call(run, lambda run=run: self._score(*arguments, run.memory, calls))
            after, certainly = self._after(run, known, here)
            found.append(Leaf(run, reads, tuple(values), certainly, after))
            if not answers.next():
                return found

    def _recollection(self, known: Known, answers: Answers) -> Recollection:
        self.runs += 1
        if self.runs > self.most_runs:
            raise Unfollowed(f"the program would be called more than {self.most_runs:,} times")
        w = self.widening
        return Recollection(known, self.members, w.whole, answers, self.lazy, w.equated)

    def _call(self, run: Recollection, call: Any) -> Any:
        try:
            found = call()
        except Unfollowed:
            raise
        except MemoryError:
            raise
        except BaseException as problem:
            # The combination of values may be one that cannot occur, so that this need not be the program's fault.
            text = f"it raises {type(problem).__name__} for a memory that may not occur ({problem})"
            raise (run.problem or Unfollowed(text)) from None
        if run.problem is not None:
            raise run.problem
        return found

    def _score(self, prev: Any, action: int, state: Any, memory: Any, calls: Any) -> tuple[int, list[float]]:
        """Call functions; return what they read of the history, and the components in the order of their names."""
        program, reads, values = self.program, 0, [0.0] * len(self.program.names)
        prev._seen = state._seen = 0
        for function, call in calls:
            if function == STATE_ONLY:
                seen = state._seen
                program._potential(state, memory)
                reads |= READ_EVENT_FOR_POTENTIAL if state._seen & READ_EVENT else 0
                state._seen |= seen
                continue
            result = call(prev, action, state, memory)
            for part, value in (result if isinstance(result, dict) else {None: result}).items():
                value = value.told() if issubclass(type(value), OneOf) else value
                exact = value if type(value) is float else program._exact(function, part, value)
                name = function if part is None else part if function == "reward" else f"{function}.{part}"
                if program.parts.get(name) != (function, part):
                    program._new_column(function, part, 0)
                index = program.names.index(name)
                values += [0.0] * (index + 1 - len(values))
                values[index] = exact
        if (prev._seen | state._seen) & READ_STEP:
            reads |= READ_STEP
        if prev._seen & READ_EVENT:
            reads |= READ_EARLIER_EVENT
        for name in self.records:  # comparing a record as a whole reads the history
            for view in (prev, state):
                if name in view._made and view._made[name]._seen:
                    reads |= READ_STEP | READ_EARLIER_EVENT
        return reads, values

    def _after(self, run: Recollection, known: Known, here: int) -> tuple[Known, frozenset[Any]]:
        """(possible values of the variables after a call, those that certainly changed)."""
        after: Known = {**known, **{variable: frozenset(values) for variable, values in run.read.items()}}
        written: Known = {}
        for key, value in run.memory.written().items():
            self._write((key,), value, run, written, known)
        for variable, value in list(run._values.items()):
            if isinstance(value, RecalledDict) and type(value) is RecalledDict and variable not in written:
                for entry, inner in value.written().items():
                    self._write((variable[0], entry), inner, run, written, known)
        for variable, value in run.changed_values():
            written.setdefault(variable, frozenset((value,)))
        certainly = self._changed_members(run)
        for variable, values in written.items():
            old = after.get(variable, NOTHING)
            if self.changes.moved(variable, run._values.get(variable) if variable in run.read else None, old, values):
                certainly.add(variable)
            after[variable] = values
        run.touched |= written.keys()
        for asked in run.missed:
            if asked[1] in self.members.get(asked[0], ()):
                self.changed.add(here)  # this very call has added it
            else:
                self.waiting.setdefault(asked, set()).add(here)
        return after, frozenset(certainly)

    def _write(self, variable: Variable, value: Any, run: Recollection, written: Known, known: Known) -> None:
        kind = type(value)
        if kind in (dict, list, set) and run.places.setdefault(id(value), variable) != variable:
            raise Unfollowed("memory holds a dict, list or set a second time")
        if value is Kind.ABSENT:
            written[variable] = NOTHING
            self._forget(variable, run, written, known)
        elif issubclass(kind, OneOf):
            if value.variable != variable:
                written[variable] = _values_of(value)
        elif kind in (RecalledDict, RecalledSet):
            if len(variable) != 1 or value.key != variable[0] or run._values.get(variable) is not value:
                raise Unfollowed("memory holds one of its own dicts or sets a second time")
            if kind is RecalledDict:
                for entry, inner in value.written().items():
                    self._write((variable[0], entry), inner, run, written, known)
        elif kind in (dict, set) and len(variable) == 1 and variable[0] not in self.widening.whole:
            self._write_fresh(variable[0], value, run, written, known)
        else:
            written[variable] = frozenset((frozen(value),))
            self._forget(variable, run, written, known)

    def _write_fresh(self, key: Any, value: Any, run: Recollection, written: Known, known: Known) -> None:
        """A new dict or set takes the place of what a key had."""
        self._forget((key,), run, written, known)
        if type(value) is dict:
            written[key,] = frozenset((Kind.DICT,))
            if key not in self.entries:
                self.entries.add(key)
                self.made.clear()
            for entry, inner in value.items():
                one = issubclass(type(inner), OneOf)
                written[key, entry] = _values_of(inner) if one else frozenset((frozen(inner),))
            return
        written[key,] = frozenset((Kind.SET,))
        for element in value:
            self._add_member(key, element)

    def _forget(self, variable: Variable, run: Recollection, written: Known, known: Known) -> None:
        """What was inside a replaced dict or set is gone."""
        if len(variable) != 1:
            return
        if variable[0] in self.entries:
            run.groups.add(variable[0])
            for each in known:
                if len(each) == 2 and each[0] == variable[0]:
                    written[each] = NOTHING
        if Kind.SET in run.read.get(variable, known.get(variable, NOTHING)):
            self.changes.reset(variable[0])

    def _changed_members(self, run: Recollection) -> set[Any]:
        """Note the elements that were added or removed; return those that were not there before."""
        certainly: set[Any] = set()
        for (key,), value in [(v, s) for v, s in run._values.items() if type(s) is RecalledSet]:
            for element, now in value.now.items():
                before = run.asked.get((key, element))
                if before is None and element not in self.members.get(key, ()):
                    before = False
                    run.missed.add((key, element))  # what was not there may be there later
                if now:
                    self._add_member(key, element)
                if before is now:
                    continue
                label = ("member", key, element)
                self.changes.moves.setdefault(label, set()).add((not now, now))
                if before is not None and run.memory.written().get(key, value) is value:
                    certainly.add(label)
        return certainly

    def _add_member(self, key: Any, element: Any) -> None:
        inside = self.members.setdefault(key, {})
        if element not in inside:
            inside[element] = True
            self.changed |= self.waiting.pop((key, element), set())

    def _join(self, there: int, after: Known) -> None:
        """Add possible values to a state; note it if some are new."""
        known = self.known.get(there)
        if self.widening.wide:
            after = {variable: self.widening.of(variable, values) for variable, values in after.items()}
        if known is None:
            self.known[there] = after
            self.changed.add(there)
            return
        if known is after or known == after:
            return
        new = None
        for variable, values in after.items():
            old = known.get(variable, NOTHING)
            values = self.widening.of(variable, old | values)
            if not values <= old:
                new = dict(known) if new is None else new
                new[variable] = values
                if len(new[variable]) > _MOST_VALUES:
                    raise Unfollowed(f"memory{list(variable)!r} takes more than {_MOST_VALUES} values in one state")
        for variable, values in known.items():
            if variable not in after and Kind.ABSENT not in values:
                new = dict(known) if new is None else new
                new[variable] = values | NOTHING
        if new is not None:
            self.known[there] = new
            self.changed.add(there)


def _values_of(value: OneOf) -> frozenset[Any]:
    if type(value) is AnyNumber and not value.values:
        return frozenset((Kind.INT if value.kind is int else Kind.FLOAT,))
    return frozenset(freeze(each) for each in value.values)
