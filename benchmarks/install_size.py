"""What `pip install rewardsmith` downloads, file by file: `python -m benchmarks.install_size`.

Builds the wheel of this checkout, lets pip collect it with everything that it needs, and adds up the files. The result
is written to benchmarks/results/install_size.md.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "install_size.md"
LIMIT_MB = 130.0
"""Most megabytes (10^6 bytes) that an installation without extras may download."""


def collect(folder: Path, extra: str = "") -> list[tuple[str, int]]:
    """Let pip put the wheel of this checkout and all that it needs into a folder; return (file, bytes), largest first.

    Args:
        folder: An empty folder.
        extra: An extra to install as well, such as "train"; "" for none.
    """
    wanted = f"{ROOT}[{extra}]" if extra else str(ROOT)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--wheel-dir"]
    subprocess.run([*command, str(folder), wanted], check=True, cwd=folder)
    return sorted(((path.name, path.stat().st_size) for path in folder.iterdir()), key=lambda each: -each[1])


def table(files: list[tuple[str, int]]) -> str:
    """Return the files as a table in Markdown, with their sum."""
    total = sum(size for _, size in files) / 1e6
    rows = "\n".join(f"| {name} | {size / 1e6:.2f} |" for name, size in files)
    where = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return (
        f"# What `pip install rewardsmith` downloads\n\n`python -m benchmarks.install_size`; {where}.\n\n"
        f"**{total:.1f} MB in {len(files)} files; the limit is {LIMIT_MB:g} MB.**\n\n"
        f"| file | MB |\n|---|---|\n{rows}\n"
    )


def main() -> None:
    """Collect, print and write the table; exit with 1 above the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="folder to keep the files in")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = asked.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        files = collect(folder)
    text = table(files)
    RESULT.write_text(text, encoding="utf-8")
    print(text)
    sys.exit(int(sum(size for _, size in files) > LIMIT_MB * 1e6))


if __name__ == "__main__":
    main()
