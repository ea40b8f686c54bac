import assert from "node:assert/strict";
import type { DescMessage } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { test } from "node:test";

import { file_carillon_plugin_v1_plugin, ManifestSchema } from "../src/gen/carillon/plugin/v1/plugin_pb.js";
import { file_carillon_plugin_v1_social, PublishResponseSchema } from "../src/gen/carillon/plugin/v1/social_pb.js";
import { FaultSchema, file_carillon_plugin_v1_types } from "../src/gen/carillon/plugin/v1/types_pb.js";
import { decode, encode, text, toPlain } from "../src/wire.js";

/** A value for every field of a message, as a plugin would write it. */
function full(desc: DescMessage): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  const taken = new Set<string>();
  for (const f of desc.fields) {
    if (f.oneof && taken.has(f.oneof.name)) continue;
    if (f.oneof) taken.add(f.oneof.name);
    const one = (kind: string): unknown =>
      kind === "enum" ? f.enum!.values[1]!.localName.toLowerCase() : kind === "message" ? fullMessage(f.message!) : scalar(f.scalar!);
    const name = f.scalar === 12 ? f.localName.replace(/(Json|Schema)$/, "") : f.localName;
    if (f.fieldKind === "list") out[name] = [one(f.listKind), one(f.listKind)];
    else if (f.fieldKind === "map") out[name] = { k: one(f.mapKind), "é漢🙂": one(f.mapKind) };
    else out[name] = one(f.fieldKind);
  }
  return out;
}

function fullMessage(desc: DescMessage): unknown {
  if (desc.typeName === "google.protobuf.Timestamp") return new Date("2026-11-23T14:30:15.250Z");
  if (desc.typeName === "google.protobuf.Duration") return 90_500;
  return full(desc);
}

function scalar(type: number): unknown {
  return { 1: 1.5, 3: 1 << 30, 5: 7, 8: true, 9: "aé漢🙂", 12: { a: [1, null, "é"] } }[type];
}

for (const file of [file_carillon_plugin_v1_types, file_carillon_plugin_v1_social, file_carillon_plugin_v1_plugin]) {
  for (const desc of file.messages.filter((m) => m.name !== "Manifest")) {
    test(`every field of ${desc.name} survives the wire`, () => {
      const value = full(desc);
      assert.deepEqual(decode(desc, encode(desc, value)), value);
    });
  }
}

test("every message may be empty", () => {
  const empty = toPlain(PublishResponseSchema, create(PublishResponseSchema));
  assert.deepEqual(empty, {});
  assert.equal((decode(ManifestSchema, encode(ManifestSchema, {})) as { id: string }).id, "");
});

test("nothing reaches the journal that it cannot hold", () => {
  const bad = "a\0b\ud800";
  assert.equal(text(bad), "ab\ufffd");
  const f = decode<Record<string, string>>(FaultSchema, encode(FaultSchema, { kind: "teapot", message: bad, upstream: "é".repeat(4096), key: bad }));
  assert.deepEqual([f["kind"], f["message"], f["key"]], ["", "ab\ufffd", "ab\ufffd"]);
  assert.equal(Buffer.byteLength(f["upstream"]!), 2048);
});
