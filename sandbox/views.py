"""Read-only views of a task's symbolic state, built from a plain-data schema.

A schema is {"name", "dtype", "width", "fields"}. A state is one row of numbers and the tables to which its numbers
refer. The text of this file is copied into exported rewards, so it imports only the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .grid import GRID_METHODS

Schema = Mapping[str, Any]
Getter = Callable[[Any], Any]
ItemMaker = Callable[[Sequence[Any], int], Any]

READ_STEP, READ_EVENT = 1, 2
"""Flags that a view sets in `_seen` when such a field is read: they distinguish states of the same node."""
_HISTORY = {"step": READ_STEP, "event": READ_EVENT, "event_object": READ_EVENT, "solved": READ_EVENT}
_KEPT_LISTS = 16384


class View:
    """A state or a record of it. Its fields are read-only attributes.

    Every host, not only the certificate's, records reads of a state's history, so that views are the same in all hosts.
    """

    __slots__ = ("_made", "_row", "_seen", "_tables")
    _fields: tuple[str, ...] = ()
    _undeclared: Mapping[str, str] = {}

    def __init__(self, row: Sequence[Any], tables: Mapping[str, Any]) -> None:
        self._row = row
        self._tables = tables
        self._made: dict[str, Any] = {}  # records and lists that have been read
        self._seen = 0

    def __getattr__(self, name: str) -> Any:
        raise _no_field(type(self), name)

    def __eq__(self, other: object) -> bool:
        self._seen |= READ_STEP | READ_EVENT
        return isinstance(other, View) and type(self) is type(other) and self._row == other._row

    def __hash__(self) -> int:
        self._seen |= READ_STEP | READ_EVENT
        return hash(tuple(self._row))

    def __repr__(self) -> str:
        return _shown(self, self._fields)


class Item(tuple):
    """One slot of a list field: its number, then its fields.

    Items are equal if they are the same slot of the same list. Unlike a View, an item does not refer to the state, so
    states with equal lists can share it.
    """

    __slots__ = ()
    _fields: tuple[str, ...] = ()
    _undeclared: Mapping[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        raise _no_field(type(self), name)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self[0] == other[0]  # type: ignore[index]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self).__name__, self[0]))

    def __repr__(self) -> str:
        return _shown(self, self._fields)


class Vector(tuple):
    """Numbers in order, some or all of which also have names: `state.cube[2]`, `state.cube.z`, `action.torque`.

    It is a tuple: it can be unpacked and compared, and given to math.dist or numpy.
    """

    __slots__ = ()
    _fields: tuple[str, ...] = ()
    _undeclared: Mapping[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        raise _no_field(type(self), name)

    def __repr__(self) -> str:
        if not self._fields:
            return f"{type(self).__name__}{tuple(self)!r}"
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in zip(self._fields, self, strict=True))})"


def vector_class(name: str, entries: Sequence[str]) -> type[Vector]:
    """A class of vectors called `name` whose entries have the names `entries`, in order; () for none."""
    from operator import itemgetter  # here, as exported rewards hold this text without its imports

    kind = type(name, (Vector,), {"__slots__": (), "_fields": tuple(entries)})
    for index, entry in enumerate(entries):
        setattr(kind, entry, property(itemgetter(index), _refuse(entry)))
    return kind


def _no_field(kind: Any, name: str) -> AttributeError:
    if name in kind._undeclared:
        feature = kind._undeclared[name]
        text = f'{kind.__name__}.{name} is costly: declare USES = ["{feature}"] at the top of the program'
        return AttributeError(text)
    return AttributeError(f"{kind.__name__} has no field '{name}'; it has: {', '.join(kind._fields)}")


def _shown(view: Any, fields: Iterable[str]) -> str:
    return f"{type(view).__name__}({', '.join(f'{name}={_short(getattr(view, name))}' for name in fields)})"


def build_view(schema: Schema, uses: Iterable[str] | None = None) -> type[View]:
    """Return the view class of a schema. Instances are made from a row of `width` Python numbers and the tables.

    Args:
        schema: The schema.
        uses: The costly features that may be read; None allows all.
    """
    allowed = None if uses is None else frozenset(uses)
    lists: dict[str, ItemMaker] = {}
    integral = schema.get("dtype", "int32") != "float64"
    view = _view_class(schema["name"], schema["fields"], lists, integral, allowed)
    for field in _readable(schema["fields"], allowed):
        if field["name"] in _HISTORY and "column" in field:
            getter = _noting(_HISTORY[field["name"]], field, _scalar(field, lists, integral), integral)
            setattr(view, field["name"], _property(field, getter))
    if is_grid(schema):
        for name, method in GRID_METHODS.items():
            setattr(view, name, method)
    return view


def is_grid(schema: Schema) -> bool:
    """Return whether a schema is that of a grid with walls, lava and objects, whose states have GRID_METHODS."""
    kinds = {field["name"]: field["kind"] for field in schema["fields"]}
    return (kinds.get("walls"), kinds.get("lava"), kinds.get("objects")) == ("table", "table", "list")


def shared_lists(schema: Schema) -> list[tuple[str, int, int]]:
    """Return (name, first column, column after the last) of each list; states with equal lists can share them."""
    lists = [f for f in schema["fields"] if f["kind"] == "list"]
    return [(f["name"], f["start"], f["start"] + f["length"] * f["stride"]) for f in lists]


def costly_fields(schema: Schema) -> dict[str, str]:
    """Return for each costly field the feature that must be declared in USES to read it."""
    found: dict[str, str] = {}
    for field in schema["fields"]:
        if field.get("uses"):
            found[field["name"]] = field["uses"]
        found.update(costly_fields({"fields": field.get("fields", ())}))
    return found


def _empty_class(name: str, fields: Sequence[Schema], base: type, allowed: frozenset[str] | None) -> Any:
    """A class that has its fields' names but no getters yet."""
    readable = _readable(fields, allowed)
    members = {
        "__slots__": (),
        "_fields": tuple(f["name"] for f in readable),
        "_undeclared": {f["name"]: f["uses"] for f in fields if f not in readable},
    }
    return type(name, (base,), members)


def _readable(fields: Sequence[Schema], allowed: frozenset[str] | None) -> list[Schema]:
    return [f for f in fields if allowed is None or f.get("uses") in (None, "", *allowed)]


def _property(field: Schema, getter: Getter) -> property:
    return property(getter, _refuse(field["name"]), doc=field.get("doc"))


def _view_class(
    name: str, fields: Sequence[Schema], lists: dict[str, ItemMaker], integral: bool, allowed: frozenset[str] | None
) -> type[View]:
    view = _empty_class(name, fields, View, allowed)
    for field in _readable(fields, allowed):
        if field["kind"] == "record":
            record = _view_class(_title(field["name"]), field["fields"], lists, integral, allowed)
            getter = _once(field["name"], _record(record))
        elif field["kind"] == "list":
            getter = _once(field["name"], _list(field, lists, integral, allowed))
        elif field["kind"] == "vector":
            getter = _once(field["name"], _vector(field))
        else:
            getter = _scalar(field, lists, integral)
        setattr(view, field["name"], _property(field, getter))
    return view


def _scalar(field: Schema, lists: Mapping[str, ItemMaker], integral: bool) -> Getter:
    """The getter of a field that is neither record nor list. In an integral schema a row contains ints already."""
    kind, column = field["kind"], field["column"]
    if kind == "int":
        return (lambda self: self._row[column]) if integral else (lambda self: int(self._row[column]))
    if kind == "float":
        return (lambda self: float(self._row[column])) if integral else (lambda self: self._row[column])
    if kind == "bool":
        return lambda self: self._row[column] != 0
    if kind == "choice":
        values = (*field["values"], None)  # index -1 is the last entry: None
        if integral:
            return lambda self: values[self._row[column]]
        return lambda self: values[int(self._row[column])]
    if kind == "item":
        of = field["of"]
        return lambda self: None if self._row[column] < 0 else lists[of](self._row, int(self._row[column]))
    if kind in ("table", "text"):
        table = field["table"]
        return lambda self: None if self._row[column] < 0 else self._tables[table][int(self._row[column])]
    raise ValueError(f"unknown field kind {kind!r} of field {field['name']!r}")


def _noting(seen: int, field: Schema, getter: Getter, integral: bool) -> Getter:
    """A getter that records the read. Usual kinds are read here directly: a nested call would double the time."""
    column = field["column"]

    def number(self: View) -> Any:
        self._seen |= seen
        return self._row[column]

    def flag(self: View) -> Any:
        self._seen |= seen
        return self._row[column] != 0

    values = (*field.get("values", ()), None)  # index -1 is the last entry: None

    def choice(self: View) -> Any:
        self._seen |= seen
        return values[self._row[column]]

    def other(self: View) -> Any:
        self._seen |= seen
        return getter(self)

    usual = {"int": number, "bool": flag, "choice": choice}
    return usual.get(field["kind"], other) if integral else other


def _item_reader(field: Schema, integral: bool) -> Callable[[Sequence[Any]], Any]:
    """A function from an item's columns to a field. Items store the result, because programs read it often."""
    kind, column = field["kind"], field["column"]
    if kind == "bool":
        return lambda columns: columns[column] != 0
    if kind == "choice":
        values = (*field["values"], None)  # index -1 is the last entry: None
        return lambda columns: values[int(columns[column])]
    if kind not in ("int", "float"):
        raise ValueError(f"an item of a list cannot hold field {field['name']!r} of kind {kind!r}")
    if integral == (kind == "int"):
        return lambda columns: columns[column]
    return (lambda columns: float(columns[column])) if kind == "float" else (lambda columns: int(columns[column]))


_NUMBERS: Mapping[str, Callable[[Any], Any]] = {"float": float, "int": int, "bool": bool}


def _vector(field: Schema) -> Getter:
    kind, number = vector_class(_title(field["name"]), field["entries"]), _NUMBERS[field["of"]]
    first, last = field["column"], field["column"] + field["length"]
    return lambda self: kind([number(value) for value in self._row[first:last]])


def _record(view: type[View]) -> Getter:
    return lambda self: view(self._row, self._tables)


def _list(field: Schema, lists: dict[str, ItemMaker], integral: bool, allowed: frozenset[str] | None) -> Getter:
    from operator import itemgetter  # here, because exported rewards contain this text without its imports

    name, start, stride, present = field["name"], field["start"], field["stride"], field["present"]
    kind = _empty_class(_title(name) + "Item", field["fields"], Item, allowed)
    readers = []
    for each in _readable(field["fields"], allowed):
        readers.append(_item_reader(each, integral))
        setattr(kind, each["name"], _property(each, itemgetter(len(readers))))
    slots = [(slot, a, a + stride, a + present) for slot in range(field["length"]) for a in [start + slot * stride]]

    def made(slot: int, columns: Sequence[Any]) -> Item:
        return kind((slot, *[read(columns) for read in readers]))

    known: dict[tuple[Any, ...], tuple[Item, ...]] = {}
    end = start + stride * field["length"]

    def items(self: View) -> tuple[Item, ...]:
        row = self._row
        return tuple([made(slot, row[a:b]) for slot, a, b, there in slots if row[there]])

    def kept(self: View) -> tuple[Item, ...]:
        # Equal lists are one object, so that `is` gives the same result in every host.
        key = tuple(self._row[start:end])
        found = known.get(key)
        if found is None:
            if len(known) >= _KEPT_LISTS:
                known.clear()
            found = known[key] = items(self)
        return found

    def item(row: Sequence[Any], slot: int) -> Item:
        a = start + slot * stride
        return made(slot, row[a : a + stride])

    lists[name] = item
    return kept if integral else items  # -0.0 equals 0.0 as a key but is another number


def _once(name: str, make: Getter) -> Getter:
    """A getter that makes its value at the first read and stores it."""

    def get(self: View) -> Any:
        value = self._made.get(name)
        if value is None:
            value = self._made[name] = make(self)
        return value

    return get


def _refuse(name: str) -> Callable[[Any, Any], None]:
    def setter(self: Any, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} is read-only; keep your own values in memory")

    return setter


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _short(value: object) -> str:
    shape = getattr(value, "shape", None)
    return f"<array {'x'.join(map(str, shape))}>" if shape else repr(value)
