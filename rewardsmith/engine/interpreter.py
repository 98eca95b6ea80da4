"""Command lines that start Python without the current folder on its import path.

`python -m` puts the current folder first, so that a file `argparse.py` in it would run with the API keys of the
environment.
"""

from __future__ import annotations

import sys

SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""Environment of started processes: the Python processes that they start also leave the current folder out."""


def code_command(code: str) -> list[str]:
    """Return the command line that runs a text of Python code."""
    return [sys.executable, "-P", "-c", code]


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs an installed module with `arguments`."""
    return [sys.executable, "-P", "-m", module, *arguments]
