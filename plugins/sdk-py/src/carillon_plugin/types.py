"""What a plugin is told and what it answers.

Fields that the host did not fill are "", 0, False, [] or {}; only those whose
type says so are None. Times are aware datetimes, sizes bytes and pixels. State
and settings are JSON values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

Json = Any
"""A value that survives JSON."""

QuotaScope = Literal["app", "tenant", "account", ""]
MediaKind = Literal["image", "video", "audio", ""]


@dataclass
class OAuth2:
    """In URLs "{instance}" stands for the account's own server."""

    authorize_url: str
    token_url: str
    scopes: list[str]
    revoke_url: str = ""
    register_url: str = ""
    pkce: bool = False
    authorize_params: dict[str, str] = field(default_factory=dict)
    basic_client_auth: bool = False
    single_use_refresh: bool = False


@dataclass
class Auth:
    kind: Literal["none", "oauth2", "form", "custom"]
    oauth2: OAuth2 | None = None
    form: Json = None
    """JSON Schema of the first form; fields with format "password" are sealed."""


@dataclass
class Quota:
    id: str
    scope: QuotaScope
    limit: int
    window: timedelta


@dataclass
class TextRule:
    count: Literal["codepoints", "graphemes", "utf16", "bytes", "x_weighted"]
    max: int = 0
    max_bytes: int = 0
    url_weight: int = 0
    optional: bool = False


@dataclass
class MediaRule:
    kinds: list[MediaKind] = field(default_factory=list)
    max: int = 0
    mimes: list[str] = field(default_factory=list)
    max_bytes: int = 0
    max_width: int = 0
    max_height: int = 0
    max_alt: int = 0


@dataclass
class Format:
    id: str
    name: str
    text: TextRule
    media: MediaRule | None = None
    settings: Json = None
    """JSON Schema of Content.settings."""
    scopes: list[str] = field(default_factory=list)


@dataclass
class CapabilityScopes:
    """The scopes that one capability needs."""

    capability: str
    scopes: list[str]


@dataclass
class Manifest:
    """What the host knows of a platform without calling the plugin."""

    id: str
    """Reverse DNS, immutable: "org.joinmastodon"."""
    name: str
    version: str
    auth: Auth
    formats: list[Format]
    dedup: Literal["native_key", "find", "none"]
    """How a lost commit is resolved: by the platform's key, by looking, by a person."""
    summary: str = ""
    homepage: str = ""
    egress: list[str] = field(default_factory=list)
    """The hosts that the plugin may talk to: "api.x.com", "*.googleapis.com", "{instance}"."""
    quotas: list[Quota] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)
    """Only those that no method shows, such as "reply"."""
    settle: timedelta | None = None
    """How long after a lost commit "absent" is not yet believed."""
    key_life: timedelta | None = None
    api_version: str = ""
    sunset: datetime | None = None
    state_version: int = 0
    """The shape of a step's state, raised when an older version of the plugin could not read it."""
    reads_state: list[int] = field(default_factory=list)
    """The shapes that this version goes on with; empty means state_version alone."""
    capability_scopes: list[CapabilityScopes] = field(default_factory=list)
    """What capabilities need besides: one is off where the sign-in did not bring it, and the rest works."""
    settings: Json = None
    """JSON Schema of what an operator sets for everybody, such as a client id. It comes in Call.app."""


@dataclass
class Credential:
    """Lent for one call: do not keep it, do not log it."""

    access_token: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    public: dict[str, str] = field(default_factory=dict)
    scopes: list[str] = field(default_factory=list)
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return "Credential(***)"


@dataclass
class Call:
    """What every request carries."""

    tenant: str = ""
    credential: Credential = field(default_factory=Credential)
    app: dict[str, str] = field(default_factory=dict)
    locale: str = ""
    idempotency_key: str = ""
    """Set on each call that may have an effect, the same on every retry of it."""


@dataclass
class Limits:
    max_text: int = 0
    max_media: int = 0
    max_media_bytes: int = 0
    max_alt: int = 0
    url_weight: int = 0


@dataclass
class Account:
    id: str = ""
    handle: str = ""
    name: str = ""
    avatar_url: str = ""
    url: str = ""
    type: str = ""
    formats: list[str] = field(default_factory=list)
    limits: Limits | None = None
    public: dict[str, str] = field(default_factory=dict)


@dataclass
class Ref:
    id: str = ""
    url: str = ""
    extra: dict[str, str] = field(default_factory=dict)


@dataclass
class Media:
    """One attachment. Its url answers GET and HEAD with ranges, for this call only."""

    id: str = ""
    kind: MediaKind = ""
    mime: str = ""
    bytes: int = 0
    sha256: str = ""
    width: int = 0
    height: int = 0
    duration: timedelta | None = None
    alt: str = ""
    url: str = ""


@dataclass
class Content:
    """Exactly one object on a platform."""

    format: str = ""
    text: str = ""
    media: list[Media] = field(default_factory=list)
    settings: dict[str, Json] | None = None
    reply_to: Ref | None = None
    root: Ref | None = None
    languages: list[str] = field(default_factory=list)
    at: datetime | None = None


@dataclass
class PublishRequest:
    call: Call
    account: Account
    content: Content
    state: Json = None
    """What the previous step left; None on the first."""
    commit: bool = False
    """The host has recorded durably that this step is the commit."""
    attempt: int = 0


@dataclass
class Next:
    """Asks for another call."""

    state: Json = None
    """JSON, at most 16 KiB, persisted before the next step."""
    after: timedelta | None = None
    """Do not call earlier."""
    commit: bool = False
    """The next step is irreversible."""
    label: str = ""


@dataclass
class Receipt:
    """The platform's proof of publication."""

    ref: Ref
    status: Literal["live", "processing", "in_review"] = "live"
    published_at: datetime | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass
class FindRequest:
    call: Call
    account: Account
    content: Content
    state: Json = None
    since: datetime | None = None
    ref: Ref | None = None
    """Set only for a plugin with the capability "status": the object is known, and the question is how public it is
    now. "absent" means that the platform took it back."""
    taken: list[str] = field(default_factory=list)
    """Names of objects that stand for other posts. Who goes by what an object looks like passes over them: two posts
    may say the same."""
    restored: bool = False
    """State and key may not be those of the commit: a restored copy of the database does not know what happened after
    it was made, and the commit may have been at any time since `since`. Who does not find it by them looks for what
    looks like it."""


@dataclass
class Finding:
    verdict: Literal["found", "absent", "unsure"]
    receipt: Receipt | None = None
    """With "found"."""
    after: timedelta | None = None
    """With "unsure": ask again after."""


@dataclass
class ConnectRequest:
    call: Call
    state: Json = None
    input: dict[str, str] = field(default_factory=dict)
    """Form values, or the callback's query."""
    redirect_uri: str = ""


@dataclass
class ConnectStep:
    """Set one of redirect_url, form and done."""

    redirect_url: str = ""
    form: Json = None
    done: Credential | None = None
    state: Json = None


@dataclass
class MetricsRequest:
    call: Call
    account: Account
    posts: list[Ref] = field(default_factory=list)


@dataclass
class MetricSet:
    ref: Ref
    values: dict[str, float]
    """impressions, reach, likes, comments, shares, saves, clicks"""
    at: datetime | None = None
