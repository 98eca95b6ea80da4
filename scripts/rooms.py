"""The code's structure: the rooms of scripts/rooms.toml, the imports between modules, and a picture of both.

.venv/bin/python -m scripts.rooms counts                # one line per figure; part of `make check`
.venv/bin/python -m scripts.rooms picture               # writes docs/pictures/rooms.svg
.venv/bin/python -m scripts.rooms table                 # writes the rooms and the counts into docs/architecture.md
"""

from __future__ import annotations

import argparse
import ast
import re
import textwrap
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).parents[1]
PACKAGES = ("rewardsmith", "sandbox", "workers")
MOST_PARAMETERS = 7
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "pictures" / "rooms.svg"


@dataclass(frozen=True)
class Room:
    """A package, or a module with its own entry.

    Attributes:
        name: dotted name.
        holds: contents, in one sentence.
        may: names of the rooms that it may import.
        for_all: whether every room may import it.
    """

    name: str
    holds: str
    may: frozenset[str]
    for_all: bool


def read_rooms() -> dict[str, Room]:
    """The rooms by name, in the file's order: from the bottom up."""
    table = tomllib.loads((ROOT / "scripts" / "rooms.toml").read_text())
    return {
        name: Room(name, entry["holds"], frozenset(entry["may"]), entry.get("for_all", False))
        for name, entry in table.items()
    }


class House:
    """The modules of the project and the imports between them, at any place in a file."""

    def __init__(self, root: Path = ROOT) -> None:
        paths = sorted(p for package in PACKAGES for p in (root / package).rglob("*.py"))
        # Exported files contain these texts; no module imports them.
        self.paths = {self.name_of(p, root): p for p in paths if "export_parts" not in p.parts}
        self.rooms = read_rooms()

    @staticmethod
    def name_of(path: Path, root: Path = ROOT) -> str:
        """The dotted name of the module at `path`."""
        return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")

    def room_of(self, module: str) -> Room | None:
        """The innermost room of `module`; None outside of all rooms."""
        found = [name for name in self.rooms if module == name or module.startswith(name + ".")]
        return self.rooms[max(found, key=len)] if found else None

    @cache  # noqa: B019  (one house lives as long as the process)
    def imported(self, module: str) -> set[str]:
        """Dotted names that a module imports from the project, as written: modules, or names in them."""
        path = self.paths[module]
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        found: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parts = package.split(".")
                    base = ".".join([*parts[: len(parts) - node.level + 1], base]).rstrip(".")
                found |= {f"{base}.{alias.name}" for alias in node.names}
        return {name for name in found if name.split(".")[0] in PACKAGES}

    @cached_property
    def graph(self) -> nx.DiGraph:
        """Edges from each module to the modules it imports, with lazy imports and imports for types."""
        graph = nx.DiGraph()
        graph.add_nodes_from(self.paths)
        for module in self.paths:
            for name in self.imported(module):
                if name in self.rooms and name not in self.paths:
                    continue  # a name that every room may import, such as the version
                target = name if name in self.paths else name.rpartition(".")[0]
                if target in self.paths and target != module:
                    graph.add_edge(module, target)
        return graph

    def circles(self) -> list[list[str]]:
        """Modules that import each other in a loop, each loop sorted."""
        return sorted(sorted(part) for part in nx.strongly_connected_components(self.graph) if len(part) > 1)

    def between_rooms(self) -> nx.DiGraph:
        """Edges from each room to the rooms it imports, without the rooms marked `for_all`."""
        graph = nx.DiGraph()
        for one, other in self.graph.edges:
            a, b = self.room_of(one), self.room_of(other)
            if a and b and a != b and not b.for_all:
                graph.add_edge(a.name, b.name)
        return graph


def wide_functions(house: House) -> list[str]:
    """Functions with more than MOST_PARAMETERS parameters, `self` included, as module:name count."""
    found = []
    for module, path in house.paths.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = len(node.args.posonlyargs + node.args.args + node.args.kwonlyargs)
                if count > MOST_PARAMETERS:
                    found.append(f"{module}:{node.name} {count}")
    return found


def sites(house: House, pattern: str, outside: tuple[str, ...] = ()) -> list[str]:
    """module:line of every line that matches `pattern`, except in modules under `outside`."""
    found = []
    for module, path in house.paths.items():
        if module.startswith(outside) if outside else False:
            continue
        lines = enumerate(path.read_text().splitlines(), 1)
        found += [f"{module}:{number}" for number, line in lines if re.search(pattern, line)]
    return found


FIGURES = {
    "modules": lambda house: list(house.paths),
    "circles of imports": lambda house: [", ".join(c) for c in house.circles()],
    f"functions with more than {MOST_PARAMETERS} parameters": wide_functions,
    "sites that pass a sandbox level": lambda house: sites(
        house, r"\ballow: str\b|[\"']none[\"'] if .*weak|isolation: Isolation\b"
    ),
    "places that search the plain schema by name": lambda house: sites(
        house, r"""\[["']name["']\] ==|\bschema\[["']|schema\.get\("""
    ),
    "comparisons of a task's family or engine": lambda house: sites(
        house, r"\.(family|engine) (==|!=|in|not in) ", ("rewardsmith.tasks",)
    ),
}
"""By name of the figure in `counts`: the function that lists its places."""

EARLIER = {
    "circles of imports": 8,
    f"functions with more than {MOST_PARAMETERS} parameters": 29,
    "sites that pass a sandbox level": 46,
    "places that search the plain schema by name": 58,
    "comparisons of a task's family or engine": 10,
}
"""The figures before the rooms were arranged as they are, at the commit before `benchmarks/same_numbers.py`."""


def _places(graph: nx.DiGraph, rounds: int = 12) -> dict[str, tuple[float, int]]:
    """Position of each room: one layer above its imports, ordered within a layer by barycentres."""
    layers = [sorted(layer) for layer in nx.topological_generations(graph.reverse())]
    places = {name: ((i + 0.5) / len(layer), y) for y, layer in enumerate(layers) for i, name in enumerate(layer)}
    ties = graph.to_undirected()
    for _ in range(rounds):
        for y, layer in enumerate(layers):
            centres = {n: sum(places[m][0] for m in ties[n]) / max(1, len(ties[n])) for n in layer}
            layer.sort(key=lambda n, centres=centres: (centres[n], n))
            places.update({name: ((i + 0.5) / len(layer), y) for i, name in enumerate(layer)})
    return places


def draw(house: House, path: Path) -> None:
    """Draw the rooms as boxes in layers, with lines to their imports; transitive lines are left out."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "rooms"
    graph = nx.transitive_reduction(house.between_rooms())
    graph.remove_nodes_from(["rewardsmith", "rewardsmith.__main__"])  # entry points of one line each
    places = _places(graph)
    layers = 1 + max(y for _, y in places.values())
    figure, axes = plt.subplots(figsize=(14, 1.2 * layers))
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.6, layers - 0.4)
    axes.axis("off")
    boxes = {}
    for name, (x, y) in places.items():
        crowd = sum(1 for _, other in places.values() if other == y)
        short = name.removeprefix("rewardsmith.").replace("_", r"\_")
        text = f"$\\bf{{{short}}}$\n" + "\n".join(textwrap.wrap(house.rooms[name].holds, max(22, 130 // max(3, crowd))))
        style = {"boxstyle": "round,pad=0.4", "facecolor": "#f4f1ea", "edgecolor": "#8a7f6a"}
        boxes[name] = axes.text(
            x, y, text, ha="center", va="center", fontsize=7.5, color="#1b1b1b", zorder=3, bbox=style
        )
    figure.canvas.draw()
    for one, other in sorted(graph.edges):  # imports are sets, whose order changes from run to run
        arrow = {
            "arrowstyle": "-", "color": "#7f90a3", "lw": 1.0, "shrinkA": 0, "shrinkB": 0,
        }  # fmt: skip
        axes.annotate("", xy=places[other], xytext=places[one], zorder=2, arrowprops=arrow)
    told = {"Date": None, "Description": drawn(house)}
    figure.savefig(path, bbox_inches="tight", metadata=told if path.suffix == ".svg" else None)


def drawn(house: House) -> str:
    """What the picture shows, as text that the picture's file carries: each room with its contents and its lines."""
    graph = nx.transitive_reduction(house.between_rooms())
    return "; ".join(
        f"{name} ({house.rooms[name].holds}) over {', '.join(sorted(graph[name])) or 'nothing'}"
        for name in sorted(graph)
    )


def table(house: House) -> str:
    """The rooms from the top down as a Markdown table: name, contents, permitted imports."""
    lines = ["| room | holds | may import |", "|---|---|---|"]
    for name, room in reversed(house.rooms.items()):
        shown = ", ".join(sorted(other.removeprefix("rewardsmith.") for other in room.may)) or "nothing of ours"
        lines.append(f"| `{name}` | {room.holds} | {'every room may import it' if room.for_all else shown} |")
    return "\n".join(lines)


def counts_table(house: House) -> str:
    """The figures as a Markdown table: before the rooms were arranged, and now."""
    lines = ["| count | before | now |", "|---|---|---|"]
    lines += [f"| {name} | {count} | {len(FIGURES[name](house))} |" for name, count in EARLIER.items()]
    return "\n".join(lines)


def with_table(page: str, house: House) -> str:
    """The text of the architecture page with the current tables of rooms and counts."""
    for mark, text in (("rooms", table(house)), ("counts", counts_table(house))):
        before, after = page.split(f"<!-- {mark} -->")[0], page.split(f"<!-- /{mark} -->")[1]
        page = f"{before}<!-- {mark} -->\n{text}\n<!-- /{mark} -->{after}"
    return page


def main() -> None:
    """Parse the command line; print the counts, or write the picture or the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["counts", "picture", "table"])
    parser.add_argument("--list", action="store_true", help="also name the places")
    parser.add_argument("--out", type=Path, default=PICTURE)
    options = parser.parse_args()
    house = House()
    if options.command == "picture":
        draw(house, options.out)
        return
    if options.command == "table":
        PAGE.write_text(with_table(PAGE.read_text(), house))
        return
    for name, count in FIGURES.items():
        found = count(house)
        print(f"{len(found):5,} {name}")
        if options.list and name != "modules":
            print("".join(f"        {line}\n" for line in found), end="")


if __name__ == "__main__":
    main()
