from __future__ import annotations

import unittest
from dataclasses import replace
from typing import Any

from carillon_plugin import Auth, Call, Context, Credential, Fault, Format, Manifest, TextRule
from carillon_plugin.secrets import striker
from carillon_plugin.server import _faulty, _notes

from .fixtures import Raw, call

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"bot": {"type": "string", "format": "password"}, "region": {"type": "string"}}}
MANIFEST = Manifest("org.example", "Example", "1.0.0", Auth("none"), [Format("post", "Post", TextRule("graphemes"))], "none", settings=SCHEMA)
LENT = replace(Call(), credential=Credential("tok/en 1", {"app": 'pass"word', "short": "ab"}), app={"bot": "77:bot-of-all", "region": "europe"})


class Secrets(unittest.TestCase):
    def test_what_a_call_lends_is_struck_in_every_form(self) -> None:
        strike = striker(MANIFEST, LENT)
        for text, want in {
            "tok/en 1 tok%2Fen%201 tok/en%201 tok%2Fen+1": "*** *** *** ***",
            '{"said":"pass\\"word"}': '{"said":"***"}',
            "/bot77:bot-of-all/send and /bot77%3Abot-of-all/send": "/bot***/send and /bot***/send",
            "about europe": "about europe",
        }.items():
            self.assertEqual(strike(text), want)

    def test_a_fault_says_no_secret(self) -> None:
        said = str(_faulty(Fault("invalid", "x.y", "77:bot-of-all", upstream="tok/en 1", cause=ValueError("77:bot-of-all")), striker(MANIFEST, LENT)))
        self.assertNotIn("bot-of-all", said)
        self.assertNotIn("tok/en", said)

    def test_a_note_says_no_secret_and_is_under_the_path_that_the_plugin_gives_it(self) -> None:
        server = Raw(self, {"read": True, "send": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Request-Id: 77:bot-of-all\r\n\r\n", "end": "close"})
        ctx: Context = call()
        ctx.fetch(server.url + "/bot77:bot-of-all/send")
        ctx.fetch(server.url + "/upload/of-its-own", noted_as="/upload/…")
        notes = _notes(ctx, striker(MANIFEST, LENT))["calls"]
        self.assertEqual([(n.path, n.request_id) for n in notes], [("/bot***/send", "***"), ("/upload/…", "***")])
