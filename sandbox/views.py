"""Read-only views of a task's symbolic state, built from a plain-data schema.

A schema is {"name", "dtype", "width", "fields"}; a state is one row of numbers plus the tables its rows point
into. The text of this file is copied into exported rewards: it depends on nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]
Getter = Callable[[Any], Any]


class View:
    """One state, record or list item. Fields are attributes; nothing can be set."""

    __slots__ = ("_made", "_row", "_slot", "_tables", "_whole")
    _fields: tuple[str, ...] = ()
    _undeclared: Mapping[str, str] = {}

    def __init__(
        self, row: Sequence[Any], tables: Mapping[str, Any], slot: int = 0, whole: Sequence[Any] | None = None
    ) -> None:
        self._row = row
        self._tables = tables
        self._slot = slot
        self._whole = row if whole is None else whole  # the state's row, where `row` is only an item's part of it
        self._made: dict[str, Any] | None = None  # records and lists read so far

    def __getattr__(self, name: str) -> Any:
        kind = type(self).__name__
        if name in self._undeclared:
            feature = self._undeclared[name]
            raise AttributeError(f'{kind}.{name} is costly: declare USES = ["{feature}"] at the top of the program')
        raise AttributeError(f"{kind} has no field '{name}'; it has: {', '.join(self._fields)}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and type(self) is type(other) and self._row == other._row

    def __hash__(self) -> int:
        return hash(tuple(self._row))

    def __repr__(self) -> str:
        shown = (f"{name}={_short(getattr(self, name))}" for name in self._fields)
        return f"{type(self).__name__}({', '.join(shown)})"


class Item(View):
    """One slot of a list field. Two items are equal when they are the same slot of the same list."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and type(self) is type(other) and self._slot == other._slot

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._slot))


def build_view(schema: Schema, uses: Iterable[str] | None = None) -> type[View]:
    """The view class of a schema; instances are made from (row, tables).

    row: `width` Python numbers; tables: name -> array or list of strings.
    uses: the costly features that may be read; None allows all of them.
    """
    allowed = None if uses is None else frozenset(uses)
    lists: dict[str, Callable[[View, int], View]] = {}
    integral = schema.get("dtype", "int32") != "float64"
    return _view_class(schema["name"], schema["fields"], View, lists, integral, allowed)


def costly_fields(schema: Schema) -> dict[str, str]:
    """Field name -> the feature that must be declared in USES to read it."""
    found: dict[str, str] = {}
    for field in schema["fields"]:
        if field.get("uses"):
            found[field["name"]] = field["uses"]
        found.update(costly_fields({"fields": field.get("fields", ())}))
    return found


def _view_class(
    name: str,
    fields: Sequence[Schema],
    base: type[View],
    lists: dict[str, Callable[[View, int], View]],
    integral: bool,
    allowed: frozenset[str] | None,
) -> type[View]:
    readable = [f for f in fields if allowed is None or f.get("uses") in (None, "", *allowed)]
    members: dict[str, Any] = {
        "__slots__": (),
        "_fields": tuple(f["name"] for f in readable),
        "_undeclared": {f["name"]: f["uses"] for f in fields if f not in readable},
    }
    view = type(name, (base,), members)
    for field in readable:
        kind = field["kind"]
        if kind in ("record", "list"):
            build = _record if kind == "record" else _list
            getter = _once(field["name"], build(field, lists, integral, allowed))
        else:
            getter = _scalar(field, lists, integral)
        setattr(view, field["name"], property(getter, _refuse(field["name"]), doc=field.get("doc")))
    return view


def _scalar(field: Schema, lists: Mapping[str, Callable[[View, int], View]], integral: bool) -> Getter:
    kind, column = field["kind"], field["column"]
    if kind == "int":
        return (lambda self: self._row[column]) if integral else (lambda self: int(self._row[column]))
    if kind == "float":
        return (lambda self: float(self._row[column])) if integral else (lambda self: self._row[column])
    if kind == "bool":
        return lambda self: self._row[column] != 0
    if kind == "choice":
        values = (*field["values"], None)  # index -1 is the last entry: None
        return lambda self: values[int(self._row[column])]
    if kind == "item":
        of = field["of"]
        return lambda self: None if self._row[column] < 0 else lists[of](self, int(self._row[column]))
    if kind in ("table", "text"):
        table = field["table"]
        return lambda self: None if self._row[column] < 0 else self._tables[table][int(self._row[column])]
    raise ValueError(f"unknown field kind {kind!r} of field {field['name']!r}")


def _record(field: Schema, lists: dict[str, Any], integral: bool, allowed: frozenset[str] | None) -> Getter:
    view = _view_class(_title(field["name"]), field["fields"], View, lists, integral, allowed)
    return lambda self: view(self._row, self._tables, self._slot, self._whole)


def _list(field: Schema, lists: dict[str, Any], integral: bool, allowed: frozenset[str] | None) -> Getter:
    name, start, stride, present = field["name"], field["start"], field["stride"], field["present"]
    view = _view_class(_title(name) + "Item", field["fields"], Item, lists, integral, allowed)
    slots = [(slot, start + slot * stride, start + (slot + 1) * stride) for slot in range(field["length"])]

    def items(self: View) -> tuple[View, ...]:
        row, tables = self._whole, self._tables
        return tuple([view(row[a:b], tables, slot, row) for slot, a, b in slots if row[a + present]])

    def item(self: View, slot: int) -> View:
        _, a, b = slots[slot]
        return view(self._whole[a:b], self._tables, slot, self._whole)

    lists[name] = item
    return items


def _once(name: str, make: Getter) -> Getter:
    """A getter that makes its value at the first read and keeps it."""

    def get(self: View) -> Any:
        made = self._made
        if made is None:
            made = self._made = {}
        value = made.get(name)
        if value is None:
            value = made[name] = make(self)
        return value

    return get


def _refuse(name: str) -> Callable[[Any, Any], None]:
    def setter(self: View, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} is read-only; keep your own values in memory")

    return setter


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _short(value: object) -> str:
    shape = getattr(value, "shape", None)
    return f"<array {'x'.join(map(str, shape))}>" if shape else repr(value)
