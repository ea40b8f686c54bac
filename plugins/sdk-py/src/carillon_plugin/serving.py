"""Runs a plugin as the host wants it: handshake, lifeline, drain."""

from __future__ import annotations

import base64
import os
import secrets
import signal
import sys
import tempfile
import threading
from typing import NoReturn

import grpc

from .certificate import self_signed
from .log import to_stderr
from .manifest import InvalidManifest
from .plugin import Plugin
from .server import Server

DRAIN = 10.0
"""How long a plugin that was asked to stop finishes what it has begun, in seconds."""

# Keeps a plugin from being run by hand, and hosts and plugins of different
# majors apart. It is no secret.
_COOKIE = ("CARILLON_PLUGIN", "e2b1c0de5a3f4b7c")
_PROTOCOL = 1


def serve(plugin: Plugin) -> NoReturn:
    """Runs plugin and ends the process when the host is done with it: on
    SIGTERM once the calls in flight are answered or DRAIN has passed, and at
    once when standard input ends, because then there is no host. A manifest
    that `describe` refuses ends it with status 2.

    Logs go to standard error as JSON lines, and so does what print says:
    standard output belongs to the handshake.
    """
    out, sys.stdout = sys.stdout, sys.stderr
    to_stderr()
    if os.environ.get(_COOKIE[0]) != _COOKIE[1]:
        print("This program is a Carillon plugin. It is started by Carillon: try `carillon plugin dev` in its folder.")
        raise SystemExit(1)
    try:
        server = Server(plugin)
    except InvalidManifest as error:
        print(error)
        raise SystemExit(2) from None
    threading.Thread(target=_exit_with_host, name="lifeline", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the host
    signal.signal(signal.SIGTERM, lambda *_: server.asked.set())
    folder = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.gettempdir()
    path = os.path.join(folder, "plugin" + secrets.token_hex(6))
    der = _listen(server, path)
    server.grpc.start()
    out.write(f"1|{_PROTOCOL}|unix|{path}|grpc|{base64.b64encode(der).decode().rstrip('=')}\n")
    out.flush()
    server.asked.wait()
    server.drain(DRAIN)
    server.grpc.stop(1).wait()
    os._exit(0)


def _listen(server: Server, path: str) -> bytes:
    """Both sides show a certificate and trust exactly the other's. Without one
    from the host, neither does."""
    client = os.environ.get("PLUGIN_CLIENT_CERT", "")
    if not client:
        server.grpc.add_insecure_port("unix:" + path)
        return b""
    own = self_signed()
    both = grpc.ssl_server_credentials([(own.key, own.certificate)], client.encode(), require_client_auth=True)
    server.grpc.add_secure_port("unix:" + path, both)
    return own.der


def _exit_with_host() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)
