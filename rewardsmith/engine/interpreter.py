"""Starting Python: never with the folder that one stands in on its path.

`python -m` puts that folder first, so that an `argparse.py` in it would run with every key of the environment.
"""

from __future__ import annotations

import sys

SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""Of a started process's environment: what it starts in turn, by whatever library, keeps to the same."""


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs an installed module."""
    return [sys.executable, "-P", "-m", module, *arguments]
