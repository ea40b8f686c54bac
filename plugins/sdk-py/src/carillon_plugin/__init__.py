"""What a Carillon plugin is written with: `serve` runs it, `commit` makes the
one request that must not be made twice, `Fault` and `refusal` say what a
failure means."""

from .commit import COMMIT_TIMEOUT, commit
from .context import Context, Note, Stream
from .faults import Fault, Kind, Source, Violation, fault_of, refusal, retry_after, violation
from .http import MAX_ANSWER, Answer
from .instance import instance_url
from .log import log
from .manifest import InvalidManifest
from .plugin import Connector, Finder, Lister, Meter, Plugin, Refresher, describe
from .serving import DRAIN, serve
from .types import (
    Account,
    Auth,
    Call,
    ConnectRequest,
    ConnectStep,
    Content,
    Credential,
    Finding,
    FindRequest,
    Format,
    Limits,
    Manifest,
    Media,
    MediaRule,
    MetricSet,
    MetricsRequest,
    Next,
    OAuth2,
    PublishRequest,
    Quota,
    Receipt,
    Ref,
    TextRule,
)

__all__ = [
    "COMMIT_TIMEOUT", "DRAIN", "MAX_ANSWER", "Account", "Answer", "Auth", "Call", "ConnectRequest", "ConnectStep",
    "Connector", "Content", "Context", "Credential", "Fault", "FindRequest", "Finder", "Finding", "Format",
    "InvalidManifest", "Kind", "Limits", "Lister", "Manifest", "Media", "MediaRule", "Meter", "MetricSet",
    "MetricsRequest", "Next", "Note", "OAuth2", "Plugin", "PublishRequest", "Quota", "Receipt", "Ref", "Refresher",
    "Source", "Stream", "TextRule", "Violation", "commit", "describe", "fault_of", "instance_url", "log", "refusal", "retry_after",
    "serve", "violation",
]  # fmt: skip
