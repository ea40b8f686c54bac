"""Servers that answer by hand, and calls to make to them."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import tempfile
import threading
import time
from typing import Any
from unittest import TestCase
from unittest.mock import patch

from carillon_plugin import Context
from carillon_plugin.certificate import self_signed


def call(seconds: float = 0.5, armed: bool = True, proxy: str = "") -> Context:
    """A call that may commit and has so long."""
    return Context(time.time() + seconds, armed, proxy)


class Raw:
    """Serves each connection as told: read one request if "read", send "send"
    and "fill" more bytes, then close, reset or stall."""

    def __init__(self, test: TestCase, does: dict[str, Any]) -> None:
        self.does, self.lines, self.heard = does, 0, list[str]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()
        test.addCleanup(self._close)

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self.lines += 1
            self._open.append(line)
            threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        try:
            if self.does.get("read"):
                self.heard.append(line.recv(4096).decode())
            line.sendall(self.does.get("send", "").encode() + b"x" * self.does.get("fill", 0))
            if self.does.get("end") == "stall":
                while line.recv(4096):
                    pass
            if self.does.get("end") == "reset":
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass  # the other side has had enough
        line.close()

    def _close(self) -> None:
        self._listener.close()
        for line in self._open:
            line.close()


def closed_port() -> str:
    """An address on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def untrusted(test: TestCase) -> str:
    """A server with a certificate that nobody trusts."""
    own, server = self_signed(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as f:
        f.write(own.certificate + own.key)
        f.flush()
        server.load_cert_chain(f.name)
    listener = socket.create_server(("127.0.0.1", 0))
    test.addCleanup(listener.close)

    def serve() -> None:
        try:
            server.wrap_socket(listener.accept()[0], server_side=True)
        except OSError:
            pass  # it is not trusted

    threading.Thread(target=serve, daemon=True).start()
    return f"https://127.0.0.1:{listener.getsockname()[1]}"


def env(test: TestCase, **values: str) -> None:
    """Sets environment variables for one test."""
    patcher = patch.dict(os.environ, values)
    patcher.start()
    test.addCleanup(patcher.stop)
