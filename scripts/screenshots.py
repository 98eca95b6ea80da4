"""Write docs/pictures/ui-*.png: the pages of a job in headless Chromium.

.venv/bin/python -m scripts.screenshots HOME JOB

HOME is the folder of a database, such as .rewardsmith, and JOB a finished job. Debian's packages chromium and
chromium-driver are needed, and selenium, which `make` installs.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "web")]

PICTURES = ROOT / "docs" / "pictures"
_TO_THE_MIDDLE = """
const slider = document.querySelector('.player input[type=range]');
slider.value = Math.floor(slider.max / 2);
slider.dispatchEvent(new Event('input'));
"""
_WIDTH, _TALLEST = 1100, 2400


def main() -> None:
    """Serve the database, open each page, and write its picture."""
    from browser import open_browser, served

    from rewardsmith.storage import reads
    from rewardsmith.storage.database import open_database, read

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("job")
    asked = parser.parse_args()
    engine = open_database(f"sqlite:///{(asked.home / 'rewardsmith.db').resolve()}", must_exist=True)
    with read(engine) as connection:
        job = reads.get_job(connection, asked.job)
    pages = {"job": f"/jobs/{job.id}", "candidate": f"/candidates/{job.best_candidate}", "fleet": "/fleet"}
    browser = open_browser(_WIDTH, 900)
    try:
        with served(engine, asked.home / "artifacts") as site:
            for name, page in pages.items():
                browser.set_window_size(_WIDTH, 900)
                browser.get(site + page)
                time.sleep(2.0)  # the chart and the player fetch their data
                if name != "fleet" and browser.find_elements("css selector", ".player input"):
                    browser.execute_script(_TO_THE_MIDDLE)
                height = browser.execute_script("return document.documentElement.scrollHeight")
                browser.set_window_size(_WIDTH, min(height + 130, _TALLEST))
                time.sleep(1.0)
                browser.save_screenshot(str(PICTURES / f"ui-{name}.png"))
                print(PICTURES / f"ui-{name}.png")
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
