"""Answers the wire with a plugin."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import grpc

from . import types as t
from . import wire
from .context import Context
from .faults import Fault, fault_of
from .log import log
from .plugin import Plugin, describe
from .secrets import striker

DEADLINE_KEY = "carillon-deadline"
"""Metadata with the instant at which the host gives a call up, in Unix nanoseconds."""

PROXY_KEY = "carillon-proxy"
"""Metadata with the proxy for the requests of one call: the host wants to know
on whose behalf it is asked."""

THREADS = 72
"""The host has at most 64 calls in flight, and asks for health besides."""

_NEVER = 24 * 3600.0

Run = Callable[[Any, Context], Any]


class Server:
    """The gRPC server of one plugin."""

    def __init__(self, plugin: Plugin) -> None:
        self._manifest = manifest = describe(plugin)
        described = {**vars(manifest), "social": manifest}
        runs: dict[str, tuple[Any, Run]] = {
            "Describe": (None, lambda _, __: {"manifest": described}),
            "Publish": (t.PublishRequest, lambda req, ctx: _outcome(plugin.publish(req, ctx))),
        }
        for name, into, answer in _OPTIONAL:
            method = getattr(plugin, name.lower(), None)
            if callable(method):
                runs[name] = (into, _adapt(method, answer))
        options = [("grpc.max_receive_message_length", wire.MAX_MESSAGE), ("grpc.max_send_message_length", wire.MAX_MESSAGE)]
        self.grpc = grpc.server(ThreadPoolExecutor(THREADS, "call"), options=options)
        self._idle = threading.Condition()
        self._in_flight = 0
        self._leaving = False
        for service in ("PluginService", "SocialService"):
            handlers = {name: self._handler(name, io, runs.get(name)) for name, io in wire.methods(service).items()}
            self._serve("carillon.plugin.v1." + service, handlers)
        # What go-plugin's hosts ask for besides: are you there, and leave.
        self._serve("grpc.health.v1.Health", {"Check": _unary(lambda _, __: b"\x08\x01")})
        self._serve("plugin.GRPCController", {"Shutdown": _unary(lambda _, __: self._shutdown())})
        self.asked = threading.Event()
        """Set when the host asks the plugin to leave."""

    def _serve(self, service: str, handlers: dict[str, Any]) -> None:
        self.grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))

    def _shutdown(self) -> bytes:
        self.asked.set()
        return b""

    def drain(self, seconds: float) -> None:
        """Waits for the calls in flight. One that comes later is not begun."""
        with self._idle:
            self._leaving = True
            self._idle.wait_for(lambda: self._in_flight == 0, seconds)

    def _handler(self, method: str, io: tuple[str, str], run: tuple[Any, Run] | None) -> Any:
        def handle(raw: bytes, context: Any) -> bytes:
            if run is None:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, f"this plugin has no {method}")
            with self._idle:
                if self._leaving:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "the plugin is leaving")
                self._in_flight += 1
            try:
                assert run is not None
                return _answer(method, io, run, raw, context, self._manifest)
            finally:
                with self._idle:
                    self._in_flight -= 1
                    self._idle.notify_all()

        return _unary(handle)


@dataclass
class _JustCall:
    """A request that is nothing but a call."""

    call: t.Call


_OPTIONAL: list[tuple[str, Any, str]] = [
    ("Find", t.FindRequest, ""),
    ("Metrics", t.MetricsRequest, "sets"),
    ("Connect", t.ConnectRequest, ""),
    ("Accounts", t.Call, "accounts"),
    ("Refresh", t.Call, "credential"),
]


def _adapt(method: Run, answer: str) -> Run:
    """A method whose result is the response, or the field of it with that name."""

    def run(req: Any, ctx: Context) -> Any:
        result = method(req, ctx)
        return {answer: result} if answer else vars(result)

    return run


def _unary(handle: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(handle)


def _outcome(step: t.Next | t.Receipt) -> dict[str, Any]:
    if isinstance(step, t.Next):
        return {"next": step}
    if isinstance(step, t.Receipt):
        return {"receipt": step}
    return {}  # it names no outcome, and so proves nothing


def _answer(method: str, io: tuple[str, str], run: tuple[Any, Run], raw: bytes, context: Any, manifest: t.Manifest) -> bytes:
    into, fn = run
    try:
        req = _request(io[0], into, raw)
    except ValueError as error:
        malformed = Fault("invalid", "plugin.request_malformed", "The plugin could not read the request.", source="plugin", cause=error)
        return wire.encode(io[1], {"fault": _faulty(malformed, str)})
    commit = getattr(req, "commit", False)
    call = req if isinstance(req, t.Call) else getattr(req, "call", t.Call())
    strike = striker(manifest, call)
    ctx = Context(_deadline(context), commit, _proxy(context))
    context.add_callback(ctx.end)
    try:
        return wire.encode(io[1], {**fn(req, ctx), "notes": _notes(ctx, strike)})
    except Exception as error:
        fault = fault_of(error, commit)
        if fault is not error:
            log.error("the plugin failed in %s: %s", method, strike(f"{type(error).__name__}: {error}"))
        return wire.encode(io[1], {"fault": _faulty(fault, strike), "notes": _notes(ctx, strike)})


def _request(name: str, into: Any, raw: bytes) -> Any:
    if into is None:
        return None
    if into is not t.Call:
        return wire.decode(name, raw, into)
    return wire.decode(name, raw, _JustCall).call


def _deadline(context: Any) -> float:
    """The earlier of what gRPC and the host's metadata say, in Unix seconds."""
    left: float | None = context.time_remaining()
    until: float = time.time() + (left if left is not None and left < _NEVER else _NEVER)
    for key, value in context.invocation_metadata():
        if key == DEADLINE_KEY and str(value).isdigit():
            until = min(until, int(value) / 1e9)
    return until


def _proxy(context: Any) -> str:
    return next((str(value) for key, value in context.invocation_metadata() if key == PROXY_KEY), "")


def _faulty(f: Fault, strike: Callable[[str], str]) -> dict[str, Any]:
    """A fault as it crosses, without what was lent for the call."""
    return {
        **vars(f),
        "message": strike(f.message),
        "upstream": strike(f.upstream),
        "cause": None if f.cause is None else strike(str(f.cause)),
        "violations": [replace(v, message=strike(v.message)) for v in f.violations],
        "retry_after": f.retry_after or None,
    }


def _notes(ctx: Context, strike: Callable[[str], str]) -> dict[str, Any]:
    """What was requested. Some platforms want a token in the path."""
    return {"calls": [replace(n, host=strike(n.host), path=strike(n.path), request_id=strike(n.request_id)) for n in ctx.notes]}
