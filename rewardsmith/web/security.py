"""Headers of every answer, and who may read and who may change something."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content security policy: no inline script, no inline style, nothing from elsewhere."""

COOKIE = "rewardsmith_token"

_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Access:
    """Who may do what.

    Attributes:
        hosts: Names that a request may call this server by: another name is a page of a stranger (DNS rebinding).
        allow_edit: Whether something may be changed, with the token.
        guarded: Whether reading needs the token, too: the server listens on more than this machine's own address.
        token: The token, drawn when the server starts.
    """

    hosts: Sequence[str] = ("127.0.0.1", "localhost", "[::1]")
    allow_edit: bool = False
    guarded: bool = False
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def knows(self, connection: HTTPConnection) -> bool:
        """Return whether a request carries the token in its cookie."""
        return hmac.compare_digest(connection.cookies.get(COOKIE, "").encode(), self.token.encode())

    def may_edit(self, connection: HTTPConnection) -> bool:
        """Return whether a request may change something: with the token, and from a page of this server."""
        if not self.allow_edit or not self.knows(connection):
            return False
        origin = connection.headers.get("origin")
        return origin is not None and origin.split("://", 1)[-1] == connection.headers.get("host")


def is_loopback(host: str) -> bool:
    """Return whether an address belongs to this machine alone."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Refuses requests for other host names and, where reading is guarded, without the token; adds the headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        connection = HTTPConnection(scope)
        host = connection.headers.get("host", "").rsplit(":", 1)[0]
        if "*" not in self._access.hosts and host not in self._access.hosts:
            refused = PlainTextResponse("This server does not answer for this host name.\n", 421)
            await refused(scope, receive, sending)
        elif self._access.guarded and scope["path"] != "/login" and not self._access.knows(connection):
            refused = PlainTextResponse("Open the address with the token that `rewardsmith ui` has printed.\n", 401)
            await refused(scope, receive, sending)
        else:
            await self._app(scope, receive, sending)
