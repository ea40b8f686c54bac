"""One request on a connection of its own: directly or by the host's proxy, with
an end at the call's deadline, and never a second time."""

from __future__ import annotations

import base64
import http.client
import json as jsonlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

MAX_ANSWER = 4 << 20
"""The most that is read of an answer, in bytes."""

DIAL_TIMEOUT = 10.0
ANSWER_TIMEOUT = 30.0


class Lost(Exception):
    """A request that brought no answer, and whether there was a connection."""

    def __init__(self, reason: object, connected: bool) -> None:
        super().__init__(str(reason) or type(reason).__name__)
        self.connected = connected


@dataclass
class Answer:
    """An answer of the platform, whatever its status, read in full."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. It raises ValueError if it is none, which the SDK
        reads as ambiguous in a commit."""
        return jsonlib.loads(self.body)


@dataclass
class Outgoing:
    """A request as it goes out."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | IO[bytes] | None = None
    noted_as: str = ""

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)


def outgoing(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    token: str = "",
    json: object = None,
    form: Mapping[str, str] | None = None,
    body: bytes | IO[bytes] | None = None,
    noted_as: str = "",
) -> Outgoing:
    """Makes a request of what a caller may say of it. noted_as is the path under
    which it is noted, for platforms that want a secret of their own in theirs;
    what the call lent is struck anyway."""
    known = {name.lower() for name in headers or {}}
    out = Outgoing(method, url, dict(headers or {}), body, noted_as)
    if token:
        out.headers["Authorization"] = f"Bearer {token}"
    if "accept" not in known:
        out.headers["Accept"] = "application/json"
    if json is not None:
        out.body, out.headers["Content-Type"] = jsonlib.dumps(json).encode(), "application/json"
    elif form is not None:
        out.body, out.headers["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
    if isinstance(out.body, bytes):
        out.headers["Content-Length"] = str(len(out.body))
    return out


def host_port(url: SplitResult) -> str:
    name = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return f"{name}:{_port(url)}"


def _port(url: SplitResult) -> int:
    return url.port or (80 if url.scheme == "http" else 443)


def proxy_for(url: SplitResult, own: str = "") -> SplitResult | None:
    """The call's own proxy or else the environment's, unless NO_PROXY lists that
    very host:port. Loopback is no exception: that is where an attacker would
    point a plugin."""
    raw = own or os.environ.get("HTTPS_PROXY", "")
    direct = [entry.strip() for entry in os.environ.get("NO_PROXY", "").split(",")]
    return urlsplit(raw) if raw and host_port(url) not in direct else None


def _proxy_headers(proxy: SplitResult | None) -> dict[str, str]:
    if proxy is None or not proxy.username:
        return {}
    who = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(who.encode()).decode()}


class _Whole:
    """A connection's incoming side on which a line that ends early is an error.
    The standard library takes it for the last line."""

    def __init__(self, fp: Any) -> None:
        self._fp = fp

    def readline(self, *most: int) -> bytes:
        line: bytes = self._fp.readline(*most)
        if not line:
            raise ConnectionError("the answer broke off")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fp, name)


class _Response(http.client.HTTPResponse):
    """An answer that is whole, and the last one: the standard library passes
    over 100 Continue, but takes 103 Early Hints for the answer."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fp = _Whole(self.fp)  # type: ignore[assignment]

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 102 <= status <= 199:
                return version, status, reason
            while self.fp.readline(1 << 16) not in (b"\r\n", b"\n"):
                pass


class Exchange:
    """One request under way. Its answer is read with `answer` or as a stream."""

    def __init__(self, out: Outgoing, until: float, proxy: str = "") -> None:
        self.out, self.until = out, until
        self.response: http.client.HTTPResponse | None = None
        self._url = out.parts
        self._proxy = proxy_for(self._url, proxy)
        self._lock = threading.Lock()
        self._over = False
        self._line = self._make()
        self._line.response_class = _Response
        self._timer = threading.Timer(max(0.0, until - time.time()), self.abort)
        self._timer.daemon = True

    def _make(self) -> http.client.HTTPConnection:
        to = self._proxy if self._proxy else self._url
        timeout = max(0.001, min(DIAL_TIMEOUT, self.until - time.time()))
        if self._url.scheme == "http":
            return http.client.HTTPConnection(to.hostname or "", _port(to), timeout=timeout)
        if self._url.scheme != "https" or (self._proxy and self._proxy.scheme != "http"):
            raise Lost(f"cannot speak {self._url.scheme}", connected=False)
        line = http.client.HTTPSConnection(to.hostname or "", _port(to), timeout=timeout, context=ssl.create_default_context())
        if self._proxy:
            line.set_tunnel(self._url.hostname or "", _port(self._url), _proxy_headers(self._proxy))
        return line

    def send(self) -> http.client.HTTPResponse:
        """Connects, writes and waits for the answer's headers. It raises Lost."""
        self._timer.start()
        try:
            self._line.connect()
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            self.close()
            raise Lost(error, connected=False) from None
        try:
            return self._write()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Lost(error, connected=True) from None

    def _write(self) -> http.client.HTTPResponse:
        with self._lock:
            if self._over:
                raise OSError("the call is over")
        self._line.sock.settimeout(ANSWER_TIMEOUT)
        self._line.auto_open = 0  # a line that broke is not dialled again
        url = self._url
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        headers = {"Host": url.netloc.rpartition("@")[2], **self.out.headers, "Connection": "close"}
        if self._proxy and url.scheme == "http":
            target = f"http://{headers['Host']}{target}"
            headers.update(_proxy_headers(self._proxy))
        body = self.out.body
        chunked = body is not None and not any(name.lower() == "content-length" for name in headers)
        self._late()
        self._line.request(self.out.method, target, self._timely(body), headers, encode_chunked=chunked)
        self.response = self._line.getresponse()
        return self.response

    def _late(self) -> None:
        """A process that was suspended must not send when it wakes up: its host
        has given the call up."""
        if time.time() >= self.until:
            raise OSError("the call is over")

    def _timely(self, body: bytes | IO[bytes] | None) -> bytes | Iterator[bytes] | None:
        if body is None or (isinstance(body, bytes) and len(body) <= 1 << 16):
            return body
        return self._parts(body)

    def _parts(self, body: bytes | IO[bytes]) -> Iterator[bytes]:
        whole, at = (body, 0) if isinstance(body, bytes) else (None, 0)
        while part := (whole[at : at + (1 << 16)] if whole is not None else body.read(1 << 16)):  # type: ignore[union-attr]
            self._late()
            at += len(part)
            yield part

    def answer(self) -> Answer:
        """Reads the body, so that an answer cut short is a failure of the
        request and not of whoever parses it. It raises Lost."""
        assert self.response is not None
        try:
            body = bytearray()
            expected = self.response.length
            while part := self.response.read(1 << 16):
                body += part
                if len(body) > MAX_ANSWER:
                    raise OSError("the answer is over the limit")
            if self._over or expected is not None and len(body) < expected:
                raise OSError("the answer broke off")
            return Answer(self.response.status, headers_of(self.response), bytes(body))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Lost(error, connected=True) from None
        finally:
            self.close()

    def abort(self) -> None:
        """Ends the exchange from another thread."""
        with self._lock:
            self._over = True
        sock = self._line.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it was over already

    def close(self) -> None:
        self._timer.cancel()
        if self.response is not None:
            self.response.close()
        self._line.close()


def headers_of(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}
