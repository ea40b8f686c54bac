"""What a call lends is said nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from .types import Call, Manifest

_LEAST = 4
"""A shorter value would turn ordinary words into ***."""


def striker(manifest: Manifest, call: Call) -> Callable[[str], str]:
    """What strikes out of a text what a call lends, in every form in which a
    text may have it: the credential, and what the operator set under names that
    the manifest's settings give the format password. The longest goes first:
    one secret may begin with another."""
    lent = [call.credential.access_token, *call.credential.secrets.values()]
    lent += [value for name, value in call.app.items() if _secret(manifest, name)]
    forms: list[str] = []
    for s in lent:
        if len(s) >= _LEAST:
            forms += [s, quote(s), quote(s, safe=""), quote_plus(s), json.dumps(s)[1:-1], json.dumps(s, ensure_ascii=False)[1:-1]]
    forms.sort(key=len, reverse=True)

    def strike(text: str) -> str:
        for form in forms:
            text = text.replace(form, "***")
        return text

    return strike


def _secret(manifest: Manifest, name: str) -> bool:
    schema = manifest.settings if isinstance(manifest.settings, dict) else {}
    members = schema.get("properties")
    member = members.get(name) if isinstance(members, dict) else None
    return isinstance(member, dict) and member.get("format") == "password"
