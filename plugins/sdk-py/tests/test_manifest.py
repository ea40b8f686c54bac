"""The manifests that all SDKs judge alike."""

from __future__ import annotations

import copy
import json
import unittest
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from carillon_plugin import Auth, Format, Manifest, TextRule
from carillon_plugin.plugin import Plugin, describe
from carillon_plugin.types import CapabilityScopes, MediaRule, OAuth2, Quota

TABLE = json.loads((Path(__file__).parents[2] / "sdk" / "testdata" / "manifests.json").read_text("utf8"))


def put(at: Any, path: list[str], value: Any) -> None:
    first: Any = int(path[0]) if isinstance(at, list) else path[0]
    if len(path) == 1:
        at[first] = value
    else:
        put(at[first], path[1:], value)


def post_format(tree: dict[str, Any]) -> Format:
    made = dict(tree, text=TextRule(**tree["text"]))
    if "media" in made:
        made["media"] = MediaRule(**made["media"])
    return Format(**made)


def quota(tree: dict[str, Any]) -> Quota:
    made = dict(tree, window=timedelta(milliseconds=tree["window"]))
    return Quota(**made)


def manifest(tree: dict[str, Any]) -> Manifest:
    made = dict(tree)
    auth = dict(made["auth"])
    if "oauth2" in auth:
        auth["oauth2"] = OAuth2(**auth["oauth2"])
    made["auth"] = Auth(**auth)
    made["formats"] = [post_format(f) for f in made["formats"]]
    made["quotas"] = [quota(q) for q in made.get("quotas", [])]
    made["capability_scopes"] = [CapabilityScopes(**c) for c in made.get("capability_scopes", [])]
    for name in ("settle", "key_life"):
        if name in made:
            made[name] = timedelta(milliseconds=made[name])
    return Manifest(**made)


def refused(case: dict[str, Any]) -> str:
    tree = copy.deepcopy(TABLE["base"])
    for path, value in case["set"].items():
        put(tree, path.split("."), value)
    plugin = SimpleNamespace(manifest=manifest(tree), **{method: lambda *_: None for method in case["has"]})
    try:
        describe(cast(Plugin, plugin))
    except ValueError as error:
        return str(error).split(": ")[1]
    return ""


class Manifests(unittest.TestCase):
    def test_the_table(self) -> None:
        self.assertGreater(len(TABLE["cases"]), 40)
        for case in TABLE["cases"]:
            with self.subTest(case["name"]):
                self.assertEqual(refused(case), "settings" if case["field"] == "settings_schema" else case["field"])
