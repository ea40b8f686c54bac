"""What a plugin is, and its manifest."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Protocol, runtime_checkable

from .context import Context
from .types import (
    Account,
    Call,
    ConnectRequest,
    ConnectStep,
    Credential,
    Finding,
    FindRequest,
    Manifest,
    MetricSet,
    MetricsRequest,
    Next,
    PublishRequest,
    Receipt,
)


class Plugin(Protocol):
    """What every plugin can do. It is stateless: all it may know of an account
    arrives in the request. Methods run in threads, many at a time.

    Its capabilities are read off which of the other methods it has: `find`,
    `metrics`, `accounts`, `connect` and `refresh`, as the protocols below.
    """

    manifest: Manifest

    def publish(self, req: PublishRequest, ctx: Context) -> Next | Receipt:
        """Takes one step. Without req.commit it may be repeated at any time with
        the same state, so it must have no effect that a second call could
        double. Before the irreversible request it answers Next(commit=True);
        the host records that durably and calls again with req.commit. In that
        step the plugin makes exactly one request, with `commit`."""
        ...


@runtime_checkable
class Finder(Protocol):
    def find(self, req: FindRequest, ctx: Context) -> Finding:
        """Tells whether a commit happened. It has no effect."""
        ...


@runtime_checkable
class Meter(Protocol):
    def metrics(self, req: MetricsRequest, ctx: Context) -> list[MetricSet]:
        """Answers for each post it knows and leaves out the others."""
        ...


@runtime_checkable
class Lister(Protocol):
    def accounts(self, call: Call, ctx: Context) -> list[Account]:
        """Turns a credential into the accounts it can post to."""
        ...


@runtime_checkable
class Connector(Protocol):
    def connect(self, req: ConnectRequest, ctx: Context) -> ConnectStep:
        """Runs one screen of a sign-in that is not plain OAuth 2."""
        ...


@runtime_checkable
class Refresher(Protocol):
    def refresh(self, call: Call, ctx: Context) -> Credential:
        """Renews a credential where the platform's way is not OAuth 2's."""
        ...


_SHOWN = {"find": "find", "connect": "connect", "accounts": "accounts", "refresh": "refresh", "metrics": "metrics.post"}
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+")
_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", re.ASCII)
_SLUG = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:\d{1,5})?", re.ASCII)


class InvalidManifest(ValueError):
    """A manifest that a host would refuse."""


def describe(plugin: Plugin) -> Manifest:
    """The manifest with the capabilities that the plugin's methods show. It
    raises InvalidManifest for one that a host would refuse; the host checks
    more than this."""
    m = plugin.manifest
    have = [c for method, c in _SHOWN.items() if callable(getattr(plugin, method, None))]
    for c in m.capabilities:
        _want(c not in _SHOWN.values() or c in have, "capabilities", f'"{c}" is declared, but the plugin has no method for it')
    m = replace(m, capabilities=have + [c for c in m.capabilities if c not in have])
    _check(m)
    return m


def _want(ok: bool, field: str, why: str) -> None:
    if not ok:
        raise InvalidManifest(f"manifest.invalid: {field}: {why}")


def _check(m: Manifest) -> None:
    _want(_ID.fullmatch(m.id) is not None, "id", f'"{m.id}" is not a reverse domain name')
    _want(m.name != "", "name", "need 1 to 100 bytes")
    _want(_VERSION.fullmatch(m.version) is not None, "version", f'"{m.version}" is not a semantic version')
    for h in m.egress:
        _want(h == "{instance}" or _HOST.fullmatch(h) is not None, "egress", f'"{h}" is not a host')
    for q in m.quotas:
        sound = _SLUG.fullmatch(q.id) is not None and q.limit > 0 and q.window.total_seconds() > 0
        _want(sound, "quotas", f'"{q.id}" needs a slug, a limit and a window')
    _want(m.settings is None or isinstance(m.settings, dict), "settings", "not a JSON object")
    _check_auth(m)
    _check_formats(m)
    _want(m.dedup == "none" or "find" in m.capabilities, "dedup", f"{m.dedup} needs find")
    known = m.key_life is not None and m.key_life.total_seconds() > 0
    _want(m.dedup != "native_key" or known, "key_life", "native_key must say how long a key is remembered")


def _check_auth(m: Manifest) -> None:
    if m.auth.kind == "oauth2":
        _want(m.auth.oauth2 is not None, "auth/oauth2", "missing")
    if m.auth.kind in ("form", "custom"):
        _want("connect" in m.capabilities, "auth", f"{m.auth.kind} needs connect")
        _want(m.auth.kind == "custom" or isinstance(m.auth.form, dict), "auth/form", "not a JSON object")


def _check_formats(m: Manifest) -> None:
    _want(1 <= len(m.formats) <= 50, "formats", "need 1 to 50")
    for i, f in enumerate(m.formats):
        own = f.id not in [other.id for other in m.formats[:i]]
        _want(own and _SLUG.fullmatch(f.id) is not None, f"formats/{i}/id", f'"{f.id}" is not a slug of its own')
        _want(f.settings is None or isinstance(f.settings, dict), f"formats/{i}/settings", "not a JSON object")
