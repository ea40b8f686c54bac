import assert from "node:assert/strict";
import { test } from "node:test";

import { discreet, striker } from "../src/secrets.js";
import type { Call, Manifest } from "../src/types.js";
import { call, raw } from "./fixtures.js";

const manifest: Manifest = {
  id: "org.example",
  name: "Example",
  version: "1.0.0",
  auth: { kind: "none" },
  formats: [],
  dedup: "none",
  settings: { type: "object", properties: { bot: { type: "string", format: "password" }, region: { type: "string" } } },
};

const lent = {
  credential: { accessToken: "tok/en 1", secrets: { app: 'pass"word', short: "ab" } },
  app: { bot: "77:bot-of-all", region: "europe" },
} as unknown as Call;

test("what a call lends is struck in every form", () => {
  const strike = striker(manifest, lent);
  for (const [text, want] of Object.entries({
    "tok/en 1 tok%2Fen%201 tok/en%201 tok%2Fen+1": "*** *** *** ***",
    '{"said":"pass\\"word"}': '{"said":"***"}',
    "/bot77:bot-of-all/send and /bot77%3Abot-of-all/send": "/bot***/send and /bot***/send",
    "about europe": "about europe",
  })) {
    assert.equal(strike(text), want);
  }
});

test("a note says no secret, and is under the path that the plugin gives it", async (t) => {
  const server = await raw(t, { read: true, send: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Request-Id: 77:bot-of-all\r\n\r\n", end: "close" });
  const ctx = call();
  await ctx.fetch(`${server.url}/bot77:bot-of-all/send`);
  await ctx.fetch(`${server.url}/upload/of-its-own`, { notedAs: "/upload/…" });
  const notes = ctx.notes.map((n) => discreet(n, striker(manifest, lent)));
  assert.deepEqual(notes.map((n) => [n.path, n.requestId]), [["/bot***/send", "***"], ["/upload/…", "***"]]);
});
