"""Starts the web server on this machine's database."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from rewardsmith.config import Settings
from rewardsmith.errors import UsageError
from rewardsmith.storage.artifacts import ArtifactStore
from rewardsmith.storage.database import open_database

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Server

INSTALL = "Install the extra `web`: pip install 'rewardsmith[web]'."


def serve(settings: Settings, host: str, port: int, allow_edit: bool, say: Callable[[str], None]) -> None:
    """Serve the pages until the process is interrupted.

    Args:
        settings: The settings of the installation.
        host: Address to listen on.
        port: Port to listen on; 0 for a free one.
        allow_edit: Whether jobs may be changed, with a token.
        say: Called with the address, and with the token if one is needed.

    Raises:
        UsageError: The extra `web` is not installed, or the address cannot be used.
        StorageError: The database cannot be used.
    """
    try:
        import uvicorn  # noqa: F401

        from rewardsmith.web.app import make_app
        from rewardsmith.web.security import Access, is_loopback
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("fastapi", "uvicorn", "starlette"):
            raise
        raise UsageError(f"The pages need {error.name}, which is not installed.", INSTALL) from error
    engine = open_database(settings.url, must_exist=True)
    local = is_loopback(host)
    access = Access(allow_edit=allow_edit, guarded=not local) if local else Access(("*",), allow_edit, True)
    listening = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}"
    say(f"pages: {address}/login?token={access.token}" if access.guarded or allow_edit else f"pages: {address}/")
    say("Press Ctrl-C to end.")
    app = make_app(engine, ArtifactStore(settings.store_url), access)
    server_of(app).run(sockets=[listening])


def server_of(app: FastAPI) -> Server:
    """Return a server of the application whose open streams of events end when it is asked to stop."""
    import uvicorn

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    app.state.stopping = lambda: server.should_exit
    return server


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address; port 0 takes a free one. Raises UsageError."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen(128)
    except OSError as error:
        raise UsageError(
            f"Cannot listen on {host}, port {port}: {error.strerror}.",
            "Pass another --port, or --port 0 for a free one.",
        ) from error
    return opened
