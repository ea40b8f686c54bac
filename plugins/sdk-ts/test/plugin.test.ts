import assert from "node:assert/strict";
import { createPublicKey, X509Certificate } from "node:crypto";
import { test } from "node:test";

import { selfSigned } from "../src/certificate.js";
import { describe } from "../src/manifest.js";
import { definePlugin, next, type Plugin } from "../src/plugin.js";
import type { Manifest } from "../src/types.js";

const manifest: Manifest = {
  id: "org.example",
  name: "Example",
  version: "1.0.0",
  auth: { kind: "none" },
  formats: [{ id: "post", name: "Post", text: { count: "graphemes" } }],
  dedup: "none",
};

function plugin(change: Partial<Manifest>, more: Partial<Plugin> = {}): Plugin {
  return definePlugin({ manifest: { ...manifest, ...change }, publish: async () => next({ commit: true }), ...more });
}

test("capabilities are read off the methods", () => {
  const finds = plugin({ capabilities: ["reply"] }, { find: async () => ({ verdict: "absent" }), metrics: async () => [] });
  assert.deepEqual(describe(finds).capabilities, ["find", "metrics.post", "reply"]);
});

for (const [field, change] of Object.entries<Partial<Manifest>>({
  id: { id: "nodots" },
  name: { name: "" },
  version: { version: "1" },
  egress: { egress: ["https://x.com/"] },
  quotas: { quotas: [{ id: "q", scope: "app", limit: 0, window: 1 }] },
  auth: { auth: { kind: "custom" } },
  "auth/oauth2": { auth: { kind: "oauth2" } },
  formats: { formats: [] },
  "formats/1/id": { formats: [...manifest.formats, ...manifest.formats] },
  "formats/0/settings": { formats: [{ ...manifest.formats[0]!, settings: [] }] },
  dedup: { dedup: "find" },
  capabilities: { capabilities: ["refresh"] },
  settings: { settings: [] },
})) {
  test(`a bad ${field} is named`, () => {
    assert.throws(() => describe(plugin(change)), (error: Error) => error.message.startsWith(`manifest.invalid: ${field}: `));
  });
}

test("the certificate is one", () => {
  for (const now of [Date.now(), Date.parse("2019-06-01"), Date.parse("2049-12-31T23:59:59Z")]) {
    const made = selfSigned(now);
    const read = new X509Certificate(made.der);
    assert.ok(read.verify(createPublicKey(made.key)) && read.checkIssued(read) && read.ca);
    assert.equal(read.checkHost("localhost"), "localhost");
    assert.ok(Date.parse(read.validFrom) <= now && Date.parse(read.validTo) > now + 9e11);
    assert.deepEqual(read.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  }
});
