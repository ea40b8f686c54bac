"""What a plugin is."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

from .context import Context
from .manifest import check, want
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


def describe(plugin: Plugin) -> Manifest:
    """The manifest with the capabilities that the plugin's methods show. It
    raises InvalidManifest for one that a host would refuse: the rules are those
    of the host."""
    m = plugin.manifest
    have = [c for method, c in _SHOWN.items() if callable(getattr(plugin, method, None))]
    for c in m.capabilities:
        want(c not in _SHOWN.values() or c in have, "capabilities", f'"{c}" is declared, but the plugin has no method for it')
    m = replace(m, capabilities=have + [c for c in m.capabilities if c not in have])
    check(m)
    return m
