"""The outcomes of a commit that all SDKs agree on."""

from __future__ import annotations

import json
import unittest
from pathlib import Path
from typing import Any

from carillon_plugin import Context, commit, fault_of, refusal

from .fixtures import Raw, call, closed_port, env, untrusted

TABLE = Path(__file__).parents[2] / "sdk" / "testdata" / "commits.json"


def publish(ctx: Context, url: str) -> str:
    answer = commit(ctx, url, form={"text": "hi"}, headers={"Idempotency-Key": "k"})
    if answer.status >= 300:
        raise refusal(answer, True, "test.refused")
    return str(answer.json()["id"])


class TheTable(unittest.TestCase):
    def address(self, at: str, server: Raw) -> str:
        match at:
            case "closed port":
                return closed_port()
            case "no such host":
                return "http://host.invalid:1"
            case "untrusted":
                return untrusted(self)
            case "proxy" | "tunnel":
                env(self, HTTPS_PROXY=server.url)
                return "http://platform.example/post" if at == "proxy" else "https://platform.example/post"
        return server.url

    def outcome(self, ctx: Context, url: str, want: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"id": publish(ctx, url)}
        except Exception as error:
            f = fault_of(error, True)
        if f.key == "test.refused":
            self.assertEqual(f.message, json.loads(TABLE.read_text("utf8"))["sayings"][f.kind])
        kept: dict[str, Any] = {"kind": f.kind, "key": f.key, "source": f.source}
        if f.http_status:
            kept["http_status"] = f.http_status
        if "retry_after_ms" in want:
            kept["retry_after_ms"] = int(f.retry_after.total_seconds() * 1000) if f.retry_after else 0
        if f.scope:
            kept["scope"] = f.scope
        return kept


def _case(c: dict[str, Any]) -> Any:
    def test(self: TheTable) -> None:
        server = Raw(self, c)
        ctx = call(0 if c.get("at") == "over" else 0.5)
        self.assertEqual(self.outcome(ctx, self.address(c.get("at", ""), server), c["want"]), c["want"])
        self.assertLessEqual(server.lines, 1)

    return test


for _one in json.loads(TABLE.read_text())["commits"]:
    setattr(TheTable, f"test {_one['name']}", _case(_one))

if __name__ == "__main__":
    unittest.main()
