"""Headless Chromium by selenium, on pages of a real server in this process."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rewardsmith.storage.artifacts import ArtifactStore
from rewardsmith.web.app import make_app
from rewardsmith.web.security import Access
from rewardsmith.web.serving import listen, server_of


@contextmanager
def served(engine: Any, artifacts: Path, access: Access = Access()) -> Iterator[str]:
    """The address of the pages of a database, served in a thread of this process."""
    listening = listen("127.0.0.1", 0)
    server = server_of(make_app(engine, ArtifactStore(str(artifacts)), access))
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def programs() -> tuple[str, str] | None:
    """The paths of Chromium and of its driver, or None."""
    chromium, driver = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
    return (chromium, driver) if chromium and driver else None


def open_browser(width: int = 1180, height: int = 900) -> Any:
    """A browser that logs its console; the test is skipped where Chromium is not installed."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")
    found = programs()
    if found is None:
        pytest.skip("chromium is not installed: apt-get install chromium chromium-driver")
    options = selenium.ChromeOptions()
    options.binary_location = found[0]
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(flag)
    options.add_argument(f"--window-size={width},{height}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return selenium.Chrome(options=options, service=selenium.ChromeService(found[1]))
