"""What a failure means. Raise a Fault; anything else counts as a broken plugin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Literal

from .http import Answer
from .types import QuotaScope

Kind = Literal[
    "auth_expired",  # refused; the host refreshes once, then repeats the step
    "auth_revoked",  # refused; a person must reconnect
    "permission",  # refused; a scope, role or review is missing
    "rate_limited",  # refused; wait, and it was no attempt
    "invalid",  # refused; the platform will never take it
    "policy",  # refused; the account is restricted
    "duplicate",  # refused because it is already there
    "not_found",  # refused; what it refers to is gone
    "unsupported",  # refused; the plugin cannot do this
    "transient",  # provably not applied; safe to repeat
    "permanent",  # refused, and repeating does not help
    "ambiguous",  # may have been applied; never repeated blindly
]
Source = Literal["platform", "network", "plugin"]


@dataclass
class Violation:
    """One input that breaks one rule."""

    field: str
    """JSON Pointer, "/content/text"."""
    reason: str
    message: str
    limit: float = 0
    actual: float = 0
    warning: bool = False


class Fault(Exception):
    """A failure at a platform. Its kind decides whether a commit may be sent
    again: when in doubt, "ambiguous"."""

    def __init__(
        self,
        kind: Kind,
        key: str,
        message: str,
        *,
        source: Source = "platform",
        violations: list[Violation] | None = None,
        retry_after: timedelta | None = None,
        scope: QuotaScope = "",
        missing: list[str] | None = None,
        http_status: int = 0,
        upstream: str = "",
        cause: object = None,
    ) -> None:
        super().__init__(f"{key} ({kind}): {message}")
        self.kind, self.key, self.message, self.source = kind, key, message, source
        self.violations, self.retry_after = violations or [], retry_after
        self.scope, self.missing = scope, missing or []
        self.http_status, self.upstream, self.cause = http_status, upstream, cause


def violation(key: str, v: Violation) -> Fault:
    """The fault for one input that breaks one rule, known before anything was sent."""
    return Fault("invalid", key, v.message, source="plugin", violations=[v])


def fault_of(error: BaseException, commit: bool) -> Fault:
    """The fault that an exception is. One that is no Fault says that the plugin
    broke: ambiguous if the step was a commit, else transient."""
    if isinstance(error, Fault):
        return error
    cause = f"{type(error).__name__}: {error}"
    kind: Kind = "ambiguous" if commit else "transient"
    return Fault(kind, "plugin.broken", "The connection to this platform failed.", source="plugin", cause=cause)


def refusal(answer: Answer, commit: bool, key: str) -> Fault:
    """Reads an answer that is not a success the way HTTP means it, for
    platforms that keep to it; key is the fault's slug, such as "chirp.refused".

    In a commit step, what does not say that the request was refused is
    ambiguous: every 5xx but 501 and 505, 408, 425, redirects and successes.
    """
    kind = _kind(answer.status, commit)
    return Fault(
        kind,
        key,
        _SAYINGS[kind],
        http_status=answer.status,
        retry_after=retry_after(answer.headers.get("retry-after"), datetime.now(timezone.utc)),
        scope="account" if kind == "rate_limited" else "",
        upstream=answer.text[:4096],  # the wire cuts it to 2 KiB
    )


# What a refusal means, for people; the same in every SDK.
_SAYINGS: dict[Kind, str] = {
    "auth_expired": "The platform does not accept the sign-in any more.",
    "permission": "The platform does not allow this account to do that.",
    "not_found": "The platform does not know what this refers to.",
    "unsupported": "The platform cannot do that.",
    "duplicate": "The platform says that it has this already.",
    "rate_limited": "The platform asks to wait.",
    "invalid": "The platform refuses this.",
    "transient": "The platform has trouble at the moment.",
    "ambiguous": "The platform does not say what became of this.",
}

_KINDS: dict[int, Kind] = {
    401: "auth_expired",
    403: "permission",
    404: "not_found",
    405: "unsupported",
    409: "duplicate",
    410: "not_found",
    429: "rate_limited",
    501: "unsupported",
    505: "unsupported",
}


def _kind(status: int, commit: bool) -> Kind:
    if status in _KINDS:
        return _KINDS[status]
    if 400 <= status < 500 and status not in (408, 425):
        return "invalid"
    return "ambiguous" if commit else "transient"


def retry_after(raw: str | None, now: datetime) -> timedelta:
    """Reads Retry-After, in seconds or as a date (RFC 9110, 10.2.3): from 0 to a day."""
    wait, day = timedelta(), timedelta(days=1)
    if raw is None:
        return wait
    if raw.strip().isascii() and raw.strip().isdigit():
        return timedelta(seconds=min(int(raw[:12]), 86400))
    try:
        at = parsedate_to_datetime(raw)
        wait = at.replace(tzinfo=at.tzinfo or timezone.utc) - now
    except (ValueError, TypeError, OverflowError):
        return wait
    return min(max(wait, timedelta()), day)
