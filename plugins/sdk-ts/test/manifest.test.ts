import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { describe } from "../src/manifest.js";
import type { Plugin } from "../src/plugin.js";

interface Case {
  name: string;
  set: Record<string, unknown>;
  has: string[];
  field: string;
}

// The manifests that all SDKs judge alike.
const { base, cases } = JSON.parse(readFileSync("../sdk/testdata/manifests.json", "utf8")) as { base: object; cases: Case[] };

function put(at: any, [first = "", ...rest]: string[], value: unknown): void {
  if (rest.length === 0) at[first] = value;
  else put(at[first], rest, value);
}

/** Names of the wire, as this SDK has them. */
function camel(v: unknown): unknown {
  if (Array.isArray(v)) return v.map(camel);
  if (typeof v !== "object" || v === null) return v;
  return Object.fromEntries(Object.entries(v).map(([k, x]) => [k.replace(/_(.)/g, (_, c: string) => c.toUpperCase()), camel(x)]));
}

assert.ok(cases.length > 40);
for (const { name, set, has, field } of cases) {
  test(name, () => {
    const tree = structuredClone(base);
    for (const [path, value] of Object.entries(set)) put(tree, path.split("."), value);
    const plugin = { manifest: camel(tree), publish: () => undefined } as unknown as Plugin;
    for (const method of has) Object.assign(plugin, { [method]: () => undefined });
    let refused = "";
    try {
      describe(plugin);
    } catch (error) {
      refused = /^manifest\.invalid: ([^:]*):/.exec((error as Error).message)?.[1] ?? String(error);
    }
    assert.equal(refused, field === "settings_schema" ? "settings" : field); // as it is called here
  });
}
