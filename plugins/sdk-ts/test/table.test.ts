// The outcomes of a commit that all SDKs agree on.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { commit } from "../src/commit.js";
import type { Context } from "../src/context.js";
import { faultOf } from "../src/fault.js";
import { refusal } from "../src/refusal.js";
import { call, closedPort, env, raw, untrusted, type Raw } from "./fixtures.js";

interface Want {
  id?: string;
  kind?: string;
  key?: string;
  source?: string;
  http_status?: number;
  retry_after_ms?: number;
  scope?: string;
}

const { commits, sayings } = JSON.parse(readFileSync("../sdk/testdata/commits.json", "utf8")) as {
  commits: (Raw & { name: string; at?: string; want: Want })[];
  sayings: Record<string, string>;
};

async function publish(ctx: Context, url: string): Promise<string> {
  const res = await commit(ctx, url, { method: "POST", form: { text: "hi" }, headers: { "Idempotency-Key": "k" } });
  if (res.status >= 300) throw await refusal(res, true, "test.refused");
  return ((await res.json()) as { id: string }).id;
}

assert.ok(commits.length > 40);
for (const { name, at, want, ...does } of commits) {
  test(name, async (t) => {
    const server = await raw(t, does);
    let url = server.url;
    if (at === "closed port") url = await closedPort();
    if (at === "no such host") url = "http://host.invalid:1";
    if (at === "untrusted") url = await untrusted(t);
    if (at === "proxy" || at === "tunnel") {
      env(t, "HTTPS_PROXY", server.url);
      url = at === "proxy" ? "http://platform.example/post" : "https://platform.example/post";
    }
    const outcome = await publish(call(at === "over" ? 0 : 500), url).then(
      (id): Want => ({ id }),
      (error: unknown): Want => {
        const f = faultOf(error, true);
        if (f.key === "test.refused") assert.equal(f.message, sayings[f.kind]);
        const kept: Want = { kind: f.kind, key: f.key, source: f.source };
        if (f.httpStatus) kept.http_status = f.httpStatus;
        if (want.retry_after_ms !== undefined) kept.retry_after_ms = f.retryAfter ?? 0;
        if (f.scope) kept.scope = f.scope;
        return kept;
      },
    );
    assert.deepEqual(outcome, want);
    assert.ok(server.lines() <= 1, `${server.lines()} connections`);
  });
}
