"""Where an account's own server is."""

from __future__ import annotations

import re

_LOOPBACK = re.compile(r"(127(\.\d{1,3}){3}|localhost|\[::1\]):\d+")


def instance_url(instance: str) -> str:
    """The address of an account's own server, without a slash at the end. The
    host hands that server over as a name, "mastodon.example", in
    credential.public["instance"] and input["instance"]; it is reached by https.
    On a development machine it may be a loopback address with a port, such as
    "127.0.0.1:19755", which is reached by http."""
    host = instance.removeprefix("https://").removeprefix("http://").rstrip("/")
    return ("http://" if _LOOPBACK.fullmatch(host) else "https://") + host
