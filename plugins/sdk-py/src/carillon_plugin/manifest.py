"""What a manifest may say. The rules are the host's, and those of the other SDKs."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from .types import Auth, Format, Json, Manifest, MediaRule, OAuth2

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+")
_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", re.ASCII)
_SLUG = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:\d{1,5})?", re.ASCII)
_COUNTS = ("codepoints", "graphemes", "utf16", "bytes", "x_weighted")

_MAX_NAME, _MAX_LIST, _MAX_SCHEMA = 100, 200, 64 << 10
_MAX_FIGURE, _MAX_STATE_VERSION = 1 << 40, 1 << 30


class InvalidManifest(ValueError):
    """A manifest that a host would refuse."""


def want(ok: bool, field: str, why: str) -> None:
    if not ok:
        raise InvalidManifest(f"manifest.invalid: {field}: {why}")


def check(m: Manifest) -> None:
    """Raises InvalidManifest for the first field that a host could not rely on."""
    _check_identity(m)
    _check_auth(m.auth, m.capabilities)
    _check_egress(m.egress)
    want(len(m.quotas) <= _MAX_LIST, "quotas", "over 200")
    for q in m.quotas:
        sound = _is(_SLUG, q.id) and q.scope in ("app", "tenant", "account") and q.limit > 0 and q.window.total_seconds() > 0
        want(sound, "quotas", f'"{q.id}" needs a slug, a known scope, a limit and a window')
    _check_formats(m.formats)
    _check_recovery(m)
    _check_states(m)
    if m.settings is not None:
        _check_schema("settings", m.settings)


def _is(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.fullmatch(text) is not None


def _size(text: str) -> int:
    return len(text.encode())


def _check_identity(m: Manifest) -> None:
    want(_size(m.id) <= _MAX_NAME and _is(_ID, m.id), "id", f'"{m.id}" is not a reverse domain name')
    want(0 < _size(m.name) <= _MAX_NAME, "name", "need 1 to 100 bytes")
    want(_size(m.version) <= _MAX_NAME and _is(_VERSION, m.version), "version", f'"{m.version}" is not a semantic version')
    want(_size(m.summary) <= 1000, "summary", "over 1000 bytes")
    want(not m.homepage or _is_url(m.homepage), "homepage", f'"{m.homepage}" is not an https address')
    want(len(m.capabilities) <= _MAX_LIST, "capabilities", "over 200")
    for c in m.capabilities:
        want(_is(_SLUG, c), "capabilities", f'"{c}" is not a slug')
    want(len(m.capability_scopes) <= _MAX_LIST, "capability_scopes", "over 200")
    for need in m.capability_scopes:
        sound = need.capability in m.capabilities and 1 <= len(need.scopes) <= _MAX_LIST
        want(sound, "capability_scopes", f'"{need.capability}" needs to be declared, and 1 to 200 scopes')
    want("status" not in m.capabilities or "find" in m.capabilities, "capabilities", '"status" needs "find"')


def _check_egress(hosts: list[str]) -> None:
    want(len(hosts) <= _MAX_LIST, "egress", "over 200 hosts")
    for h in hosts:
        if h == "{instance}":
            continue
        want(_size(h) <= 260 and _is(_HOST, h), "egress", f'"{h}" is not a host')
        name = h.partition(":")[0]
        want(not name.startswith("*.") or "." in name[2:], "egress", f'"{h}" is every name of a top-level domain')


def _check_auth(auth: Auth, can: list[str]) -> None:
    want(auth.kind in ("none", "oauth2", "form", "custom"), "auth/kind", f'"{auth.kind}" is unknown')
    if auth.kind == "oauth2":
        _check_oauth2(auth.oauth2)
    if auth.kind in ("form", "custom"):
        want("connect" in can, "auth", f"{auth.kind} needs connect")
        if auth.kind == "form" or auth.form is not None:
            _check_schema("auth/form", auth.form)


def _check_oauth2(o: OAuth2 | None) -> None:
    if o is None:
        raise InvalidManifest("manifest.invalid: auth/oauth2: missing")
    for field, url in (("authorize_url", o.authorize_url), ("token_url", o.token_url)):
        want(_is_url(url), f"auth/oauth2/{field}", f'"{url}" is not an address')
    for field, url in (("revoke_url", o.revoke_url), ("register_url", o.register_url)):
        want(not url or _is_url(url), f"auth/oauth2/{field}", f'"{url}" is not an address')
    want(max(len(o.scopes), len(o.authorize_params)) <= _MAX_LIST, "auth/oauth2", "over 200 scopes or parameters")


def _is_url(text: str) -> bool:
    """https anywhere, http on loopback; "{instance}" stands for a host."""
    try:
        url = urlsplit(text.replace("{instance}", "instance.invalid"))
        host = url.hostname
    except ValueError:
        return False
    if not host or "@" in url.netloc or _size(text) > 2000:
        return False
    return url.scheme == "https" or url.scheme == "http" and host in ("localhost", "127.0.0.1", "::1")


def _check_formats(formats: list[Format]) -> None:
    want(1 <= len(formats) <= 50, "formats", "need 1 to 50")
    seen: set[str] = set()
    for i, f in enumerate(formats):
        want(_is(_SLUG, f.id) and f.id not in seen, f"formats/{i}/id", f'"{f.id}" is not a slug of its own')
        seen.add(f.id)
        _check_format(f"formats/{i}", f)


def _check_format(at: str, f: Format) -> None:
    text, media = f.text, f.media or MediaRule()
    want(text.count in _COUNTS, f"{at}/text/count", f'"{text.count}" is unknown')
    figures = (text.max, text.max_bytes, text.url_weight, media.max, media.max_bytes, media.max_width, media.max_height, media.max_alt)
    want(all(0 <= n <= _MAX_FIGURE for n in figures), at, "a limit is negative or absurd")
    want(max(len(media.mimes), len(f.scopes)) <= _MAX_LIST, at, "over 200 media types or scopes")
    for k in media.kinds:
        want(k in ("image", "video", "audio"), f"{at}/media/kinds", f'"{k}" is unknown')
    if f.settings is not None:
        _check_schema(f"{at}/settings", f.settings)


def _check_recovery(m: Manifest) -> None:
    want(m.dedup in ("native_key", "find", "none"), "dedup", f'"{m.dedup}" is unknown')
    want(m.dedup == "none" or "find" in m.capabilities, "dedup", f"{m.dedup} needs find")
    life = m.key_life.total_seconds() if m.key_life else 0
    want(m.dedup != "native_key" or life > 0, "key_life", "native_key must say how long a key is remembered")
    want(life >= 0 and (m.settle is None or m.settle.total_seconds() >= 0), "settle", "negative")


def _check_states(m: Manifest) -> None:
    why = f"need 0 to {_MAX_STATE_VERSION}"
    want(0 <= m.state_version <= _MAX_STATE_VERSION, "state_version", why)
    want(len(m.reads_state) <= _MAX_LIST and all(0 <= v <= _MAX_STATE_VERSION for v in m.reads_state), "reads_state", why)


def _check_schema(field: str, v: Json) -> None:
    want(isinstance(v, dict), field, "not a JSON object")
    want(_size(json.dumps(v, ensure_ascii=False)) <= _MAX_SCHEMA, field, "over 64 KiB")
