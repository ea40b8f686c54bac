from __future__ import annotations

import typing
import unittest
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from carillon_plugin import types as t
from carillon_plugin import wire
from carillon_plugin.faults import Violation

NAMES: dict[str, Any] = {"TextRule": t.TextRule, "MediaRule": t.MediaRule, "Format": t.Format, "Quota": t.Quota, "OAuth2": t.OAuth2,
         "Auth": t.Auth, "Credential": t.Credential, "Call": t.Call, "Account": t.Account, "Limits": t.Limits,
         "Content": t.Content, "Media": t.Media, "Ref": t.Ref, "Next": t.Next, "Receipt": t.Receipt,
         "PublishRequest": t.PublishRequest, "FindRequest": t.FindRequest, "ConnectRequest": t.ConnectRequest,
         "MetricsRequest": t.MetricsRequest, "MetricSet": t.MetricSet, "Violation": Violation}  # fmt: skip


def full(hint: Any, name: str = "") -> Any:
    """A value with every field set, as a plugin would write it."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return typing.cast(Any, hint)(**{f.name: full(hints[f.name], f.name) for f in fields(hint)})
    if origin is typing.Literal:
        return args[0]
    if origin is list:
        return [full(args[0]), full(args[0])]
    if origin is dict:
        if name == "settings":
            return {"a": [1, None, "é"]}
        return {"k": full(args[1]), "é漢🙂": full(args[1])}
    if type(None) in args:
        return full(next(a for a in args if a is not type(None)), name)
    plain = {str: "aé漢🙂", int: 1 << 40, float: 1.5, bool: True, Any: {"a": [1, None, "é"]}, timedelta: timedelta(seconds=90.5),
             datetime: datetime(2026, 11, 23, 14, 30, 15, 250, tzinfo=timezone.utc)}  # fmt: skip
    return plain[hint]


class TheWire(unittest.TestCase):
    def test_every_field_survives(self) -> None:
        for name, cls in NAMES.items():
            with self.subTest(name):
                value = full(cls)
                self.assertEqual(wire.decode(name, wire.encode(name, value), cls), value)

    def test_every_field_has_a_place(self) -> None:
        for name, cls in [*NAMES.items(), ("Manifest", t.Manifest)]:
            known = {f.name for f in fields(cls)} | {"model", "model_besides", "social"}
            for f in wire.message(name).DESCRIPTOR.fields:
                self.assertIn(wire._name(f), known, name)

    def test_every_message_may_be_empty(self) -> None:
        for name in ("PublishRequest", "FindRequest", "ConnectRequest", "MetricsRequest"):
            with self.subTest(name):
                empty = wire.decode(name, b"", NAMES[name])
                self.assertEqual(empty.call, t.Call())

    def test_what_is_no_message_is_told(self) -> None:
        for raw in (b"\xff\xff", wire.message("PublishRequest")(state=b"{").SerializeToString()):
            with self.assertRaises(ValueError):
                wire.decode("PublishRequest", raw, t.PublishRequest)

    def test_nothing_reaches_the_journal_that_it_cannot_hold(self) -> None:
        bad = "a\0b\ud800"
        fault = wire.message("Fault").FromString(wire.encode("Fault", {"kind": "teapot", "message": bad, "upstream": "é" * 4096}))
        self.assertEqual((fault.kind, fault.message), (0, "ab?"))
        self.assertEqual(len(fault.upstream.encode()), 2048)
        sets = wire.message("MetricSet").FromString(wire.encode("MetricSet", t.MetricSet(t.Ref("1"), {"n": float("nan"), "m": 2})))
        self.assertEqual(dict(sets.values), {"m": 2})

    def test_durations_may_be_negative_and_times_old(self) -> None:
        step = t.Next(after=timedelta(seconds=-1.5))
        self.assertEqual(wire.decode("Next", wire.encode("Next", step), t.Next), step)
        old = replace(full(t.Receipt), published_at=datetime(1969, 12, 31, 23, 59, 58, 500, tzinfo=timezone.utc))
        self.assertEqual(wire.decode("Receipt", wire.encode("Receipt", old), t.Receipt), old)
