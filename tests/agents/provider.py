"""A language-model provider on the loopback interface with scripted replies and faults."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One HTTP reply. `cut`: promise 100 bytes more than are sent. `drip_s`: seconds between single bytes.
    `reset`: break the connection instead of replying."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: bool = False
    drip_s: float = 0.0
    reset: bool = False

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names are lower case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float = field(default_factory=time.monotonic)


def completion(
    text: str | None,
    *,
    finish_reason: str = "stop",
    model: str = "gpt-4o-2024-08-06",
    tokens: tuple[int, int] | None = (11, 7),
    **message: Any,
) -> Reply:
    """OpenAI's chat-completions shape; `tokens` is (prompt, completion), None leaves the count out."""
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
    }
    if tokens is not None:
        body["usage"] = dict(zip(("prompt_tokens", "completion_tokens"), tokens, strict=True))
        body["usage"]["total_tokens"] = sum(tokens)
    return Reply(body=body)


def error(status: int, message: str, **more: str) -> Reply:
    """OpenAI's error shape; `retry_after="2"` becomes the header, all else is part of the body."""
    retry_after = more.pop("retry_after", None)
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Reply(status, {"error": {"message": message, **more}}, headers)


def streamed(text: str, *, finish_reason: str = "stop", tokens: tuple[int, int] | None = (11, 7)) -> Reply:
    """OpenAI's server-sent events: the text in pieces of eight characters, then the count of tokens."""
    shell = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "gpt-4o"}
    deltas = [{"role": "assistant", "content": text[i : i + 8]} for i in range(0, len(text), 8)]
    chunks: list[dict[str, Any]] = [
        {**shell, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({**shell, "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]})
    if tokens is not None:
        usage = dict(zip(("prompt_tokens", "completion_tokens"), tokens, strict=True))
        chunks.append({**shell, "choices": [], "usage": {**usage, "total_tokens": sum(tokens)}})
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return Reply(body=events.encode(), headers={"Content-Type": "text/event-stream"})


class Provider:
    """Replies in the order scripted, the last one again and again; `asked` lists the requests so far."""

    def __init__(self, *replies: Reply) -> None:
        self.asked: list[Asked] = []
        self._replies = list(replies)
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def script(self, *replies: Reply) -> None:
        """Replace the replies that have not been sent."""
        self._replies = list(replies)

    def __enter__(self) -> Provider:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _next(self) -> Reply:
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                provider.asked.append(Asked(self.path, headers, json.loads(content)))
                reply = provider._next()
                provider._closing.wait(reply.delay_s)
                if reply.reset:
                    # Lingering for zero seconds turns the close into a reset.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                # The client may have given up waiting, which is what some tests are about.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    provider._send(self, reply)
                self.close_connection = self.close_connection or reply.cut

            def finish(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    super().finish()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        body = reply.encoded()
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body) + (100 if reply.cut else 0)))
        handler.end_headers()
        if not reply.drip_s:
            handler.wfile.write(body)
            return
        for byte in body:
            if self._closing.is_set():
                return
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(reply.drip_s)
