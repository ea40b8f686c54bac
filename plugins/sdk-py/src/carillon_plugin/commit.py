"""The one request that must not be made twice."""

from __future__ import annotations

import os
import time
from typing import Any

from .context import Context
from .faults import Fault
from .http import Answer, Lost, Outgoing, outgoing

COMMIT_TIMEOUT = 30.0
"""Bounds an irreversible request, in seconds. A manifest's settle must be longer."""


def commit(ctx: Context, url: str, method: str = "POST", **more: Any) -> Answer:
    """Makes the irreversible request of a commit step: once, on a fresh
    connection, with no redirect and no retry beneath it, for at most
    COMMIT_TIMEOUT and not past the call's deadline, even if this process was
    suspended meanwhile. Besides, it takes headers, token, json, form and body.
    It returns the answer whatever its status; judge it, with `refusal` for what
    is not a success.

    It raises a Fault from the network: transient if no connection came about,
    so that the platform cannot have seen the request, and ambiguous from the
    moment there was one. In a call that the host did not arm it sends nothing,
    and neither does a second commit in one call.
    """
    if not ctx.armed:
        raise Fault("permanent", "plugin.commit_unarmed", "The plugin wanted to publish before its turn.", source="plugin")
    ctx.commits += 1
    if ctx.commits > 1:
        raise RuntimeError("a call commits once")
    until = min(time.time() + COMMIT_TIMEOUT, ctx.deadline)
    try:
        if ctx.over:
            raise Lost("the call is over", connected=False)
        out = outgoing(method, url, **more)
        answer = ctx.exchange(out, until)
        if _stopped(out, answer):
            raise Lost(answer.headers["proxy-status"], connected=False)
        return answer
    except Lost as error:
        raise _lost(error) from None


_NOT_SENT = ("http_request_denied", "destination_ip_prohibited", "destination_unavailable", "connection_limit_reached")


def _stopped(out: Outgoing, answer: Answer) -> bool:
    """Whether this is the egress proxy's own word that it sent nothing (RFC
    9209). Only a plain request passes through it in the open, and the proxy
    removes that header from what others answer."""
    prefix, said = "carillon; error=", answer.headers.get("proxy-status", "")
    plain = out.parts.scheme == "http" and os.environ.get("HTTPS_PROXY", "") != ""
    return plain and said.startswith(prefix) and said[len(prefix) :] in _NOT_SENT


def _lost(error: Lost) -> Fault:
    if error.connected:
        return Fault("ambiguous", "network.lost", "The platform's answer was lost.", source="network", cause=error)
    return Fault("transient", "network.unreachable", "The platform could not be reached.", source="network", cause=error)
