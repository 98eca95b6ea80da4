"""Programs that keep state outside of memory in hidden places; carried_state.py has the visible ones."""

from __future__ import annotations

REWARD = "def reward(prev, action, state, memory):\n    count()\n    return 1.0\n"


def _closure(made: str, step: str) -> str:
    return f"def make():\n    kept = {made}\n    def count():\n        {step}\n    return count\ncount = make()\n"


_ADD = "kept.n = kept.n + 1"
HIDDEN = {
    "what an array is a part of": "import numpy as np\nA = np.zeros(9)[:1]\ndef count():\n    A.base[5] += 1\n",
    "pairs of an iterator": "from itertools import count as c, pairwise\n" + _closure("pairwise(c())", "next(kept)"),
    "what a generator yields from": "def g():\n    yield from range(10**6)\n"
    + _closure("g()", "next(kept)").replace("    def count", "    next(kept)\n    def count"),
    "values of a dict": _closure("{0: [0]}.values()", "[each.append(1) for each in kept]"),
    "items of a dict": _closure("{0: [0]}.items()", "[each.append(1) for _, each in kept]"),
    "an attribute of a class of collections": "from collections import Counter\n"
    "def count():\n    c = Counter\n    c.n = getattr(c, 'n', 0) + 1\n",
    "an attribute of a base class": "from collections import UserDict\nclass M(UserDict): pass\n"
    "def count():\n    c = M.mro()[1]\n    c.n = getattr(c, 'n', 0) + 1\n",
    "an object that hides its attributes": "K = type('K', (), {'n': 0, '__dict__': property(lambda s: {})})\n"
    + _closure("K()", _ADD),
    "slots of a class that names another module": "K = type('K', (), {'__module__': 'builtins', '__slots__': ('n',)})\n"
    + _closure("K()", _ADD).replace("    def count", "    kept.n = 0\n    def count"),
}
