"""One call of the host, and what is requested in it."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from .faults import Fault
from .http import Answer, Exchange, Lost, Outgoing, headers_of, outgoing
from .log import log

_MAX_NOTES = 50
_MAX_REDIRECTS = 5


@dataclass
class Note:
    """One upstream request, as the host hears of it. The path goes without its
    query, which may hold secrets."""

    host: str
    method: str
    path: str
    status: int
    started_at: datetime
    took: timedelta
    bytes_out: int
    bytes_in: int
    request_id: str


class Stream(io.RawIOBase):
    """An answer whose body is read bit by bit. Close it, or use it in a with."""

    def __init__(self, exchange: Exchange) -> None:
        assert exchange.response is not None
        self._exchange, self._response = exchange, exchange.response
        self.status, self.headers = exchange.response.status, headers_of(exchange.response)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Reads at most size bytes; none means the end. It raises OSError if the
        answer broke off."""
        before = self._response.length
        part = self._response.read(size if size >= 0 else None)
        if not part and size != 0 and before:
            raise OSError("the answer broke off")
        return part

    def close(self) -> None:
        self._exchange.close()
        super().close()


class Context:
    """One call of the host. Pass it to `commit`; use its `fetch` for the rest.

    Its requests end when the host gives the call up.
    """

    def __init__(self, deadline: float, armed: bool, proxy: str = "") -> None:
        self.deadline = deadline
        """When the host gives up, in Unix seconds."""
        self.armed = armed
        """Whether the host has recorded that this call may commit."""
        self.proxy = proxy
        """The proxy for this call's requests, which tells the host whose they
        are. It is a secret."""
        self.log = log
        self.notes: list[Note] = []
        self.commits = 0
        self._lock = threading.Lock()
        self._under_way: set[Exchange] = set()
        self._over = False

    def fetch(self, url: str, method: str = "GET", **more: Any) -> Answer:
        """Makes one request that may be repeated without harm: a read, an
        upload, a poll. Besides, it takes headers, token, json, form, body
        and noted_as.

        It goes through the host's proxy, follows redirects of GET and HEAD
        only, is never retried, and ends with the call. A request without an
        answer raises a transient fault. For what must happen at most once
        there is `commit`.
        """
        out = outgoing(method, url, **more)
        try:
            for left in range(_MAX_REDIRECTS, -1, -1):
                answer = self.exchange(out, self.deadline)
                to = answer.headers.get("location")
                if left == 0 or to is None or answer.status not in (301, 302, 303, 307, 308):
                    break
                if method not in ("GET", "HEAD"):  # 307 and 308 would send a body a second time
                    break
                out = _moved(out, to)
            return answer
        except Lost as error:
            raise _unreachable(error) from None

    def open(self, url: str, **more: Any) -> Stream:
        """GETs url and returns the answer with its body unread, to be passed as
        the body of an upload: `with ctx.open(media.url) as picture: …`"""
        exchange = Exchange(outgoing("GET", url, **more), self.deadline, self.proxy)
        try:
            return cast(Stream, self._begun(exchange, lambda: Stream(exchange)))
        except Lost as error:
            raise _unreachable(error) from None

    def exchange(self, out: Outgoing, until: float) -> Answer:
        """Makes one request, notes it and reads its answer. It raises Lost."""
        exchange = Exchange(out, until, self.proxy)
        return cast(Answer, self._begun(exchange, exchange.answer))

    def _begun(self, exchange: Exchange, then: Any) -> Any:
        started, begun = datetime.now(timezone.utc), time.monotonic()
        with self._lock:
            if self._over:
                raise Lost("the call is over", connected=False)
            self._under_way.add(exchange)
        try:
            exchange.send()
            return then()
        finally:
            with self._lock:
                self._under_way.discard(exchange)
            self._note(exchange, started, timedelta(seconds=time.monotonic() - begun))

    def _note(self, exchange: Exchange, started: datetime, took: timedelta) -> None:
        out, response = exchange.out, exchange.response
        headers: Mapping[str, str] = headers_of(response) if response is not None else {}
        size = headers.get("content-length", "")
        one = Note(
            host=out.parts.netloc.rpartition("@")[2],
            method=out.method,
            path=(out.noted_as or out.parts.path)[:200],
            status=response.status if response is not None else 0,
            started_at=started,
            took=took,
            bytes_out=len(out.body) if isinstance(out.body, bytes) else 0,
            bytes_in=int(size) if size.isdigit() else 0,
            request_id=headers.get("x-request-id", ""),
        )
        with self._lock:
            if len(self.notes) < _MAX_NOTES:
                self.notes.append(one)

    @property
    def over(self) -> bool:
        """Whether the host has given the call up."""
        return self._over or time.time() >= self.deadline

    def end(self) -> None:
        """Ends what is under way: the host has given the call up."""
        with self._lock:
            self._over, running = True, list(self._under_way)
        for exchange in running:
            exchange.abort()


def _moved(out: Outgoing, to: str) -> Outgoing:
    url = urljoin(out.url, to)
    a, b = urlsplit(url), out.parts
    keep = (a.scheme, a.netloc) == (b.scheme, b.netloc)
    headers = {k: v for k, v in out.headers.items() if keep or k.lower() != "authorization"}
    return Outgoing(out.method, url, headers, out.body, out.noted_as)


def _unreachable(error: Lost) -> Fault:
    return Fault("transient", "network.unreachable", "The platform could not be reached.", source="network", cause=error)


