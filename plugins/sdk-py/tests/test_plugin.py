from __future__ import annotations

import unittest
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509

from carillon_plugin import (
    Auth, Context, Credential, Format, InvalidManifest, Manifest, Next, OAuth2, PublishRequest, Quota, TextRule, describe,
    retry_after,
)  # fmt: skip
from carillon_plugin.certificate import self_signed

GOOD = Manifest("org.example", "Example", "1.0.0", Auth("none"), [Format("post", "Post", TextRule("graphemes"))], "none")


class Plain:
    def __init__(self, **change: Any) -> None:
        self.manifest = replace(GOOD, **change)

    def publish(self, req: PublishRequest, ctx: Context) -> Next:
        return Next(commit=True)


class Finding(Plain):
    def find(self, req: Any, ctx: Any) -> Any: ...

    def metrics(self, req: Any, ctx: Any) -> Any: ...


class Plugins(unittest.TestCase):
    def test_capabilities_are_read_off_the_methods(self) -> None:
        self.assertEqual(describe(Finding(capabilities=["reply"])).capabilities, ["find", "metrics.post", "reply"])

    def test_what_is_bad_in_a_manifest_is_named(self) -> None:
        cases: dict[str, dict[str, Any]] = {
            "id": {"id": "nodots"},
            "name": {"name": ""},
            "version": {"version": "1"},
            "egress": {"egress": ["https://x.com/"]},
            "quotas": {"quotas": [Quota("q", "app", 0, timedelta(1))]},
            "auth": {"auth": Auth("custom")},
            "auth/oauth2": {"auth": Auth("oauth2")},
            "formats": {"formats": []},
            "formats/1/id": {"formats": GOOD.formats * 2},
            "formats/0/settings": {"formats": [replace(GOOD.formats[0], settings=[])]},
            "dedup": {"dedup": "find"},
            "capabilities": {"capabilities": ["refresh"]},
            "settings": {"settings": []},
        }
        for field, change in cases.items():
            with self.subTest(field), self.assertRaisesRegex(InvalidManifest, f"^manifest.invalid: {field}: "):
                describe(Plain(**change))
        describe(Plain(auth=Auth("oauth2", OAuth2("https://a.example/", "https://b.example/", ["post"]))))

    def test_a_credential_hides_itself(self) -> None:
        self.assertNotIn("hush", f"{Credential('hush', {'k': 'hush'})!r} {Credential('hush')}")

    def test_the_certificate_is_one(self) -> None:
        made = x509.load_der_x509_certificate(self_signed().der)
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["localhost"])

    def test_retry_after_is_bounded(self) -> None:
        now = datetime(2026, 11, 23, tzinfo=timezone.utc)
        for raw in ("7", "-1", "9" * 40, "", "²", "Mon, 23 Nov 2026 00:00:07 GMT", "Mon, 23 Nov 2026 00:00:07 -0000", "x"):
            with self.subTest(raw):
                self.assertLessEqual(timedelta(), retry_after(raw, now))
                self.assertLessEqual(retry_after(raw, now), timedelta(days=1))
        self.assertEqual(retry_after("Mon, 23 Nov 2026 00:00:07 GMT", now), timedelta(seconds=7))
