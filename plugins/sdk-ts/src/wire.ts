import { create, toBinary, fromBinary, type DescEnum, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";

/**
 * Maps the values of types.ts to the protobuf messages and back, driven by the
 * messages' own descriptors, so that a field added to the wire needs a line in
 * types.ts and nothing here. The rules: times are Date, durations are
 * milliseconds, whole numbers are number, enumerations are lower-case words,
 * and all bytes are JSON, under a name without the suffix Json or Schema.
 */

/** The largest message either side accepts, in bytes. */
export const MAX_MESSAGE = 4 << 20;

/** What a text may have at most, in bytes, by field: enough to understand a fault, too little to fill a journal. */
const LIMITS: Record<string, number> = {
  "carillon.plugin.v1.Fault.message": 1 << 10,
  "carillon.plugin.v1.Fault.upstream": 2 << 10,
  "carillon.plugin.v1.Fault.cause": 2 << 10,
};

type Plain = Record<string, unknown>;

/** A field's name in types.ts. */
function nameOf(field: DescField): string {
  return bytesLike(field) ? field.localName.replace(/(Json|Schema)$/, "") : field.localName;
}

function bytesLike(field: DescField): boolean {
  return field.fieldKind === "scalar" && field.scalar === 12; // ScalarType.BYTES
}

/** Repairs a text: no lone surrogates, and no NUL, which no column of the database takes. */
export function text(value: unknown): string {
  return String(value ?? "").toWellFormed().replaceAll("\0", "");
}

/** Encodes plain as a message of desc. */
export function encode(desc: DescMessage, plain: object): Uint8Array {
  return toBinary(desc, toMessage(desc, plain));
}

export function toMessage(desc: DescMessage, plain: object): Message {
  const out = reflect(desc, create(desc));
  for (const field of desc.fields) {
    const value = (plain as Plain)[nameOf(field)];
    if (value !== undefined && value !== null) put(out, field, value);
  }
  return out.message;
}

function put(out: ReflectMessage, field: DescField, value: unknown): void {
  switch (field.fieldKind) {
    case "list": {
      const list = out.get(field);
      for (const one of value as unknown[]) list.add(single(field, field.listKind, one));
      return;
    }
    case "map": {
      const map = out.get(field);
      for (const [key, one] of Object.entries(value as Plain)) {
        if (field.scalar === 1 && !Number.isFinite(one)) continue; // JSON cannot hold it
        map.set(text(key), single(field, field.mapKind, one));
      }
      return;
    }
    default:
      out.set(field, single(field, field.fieldKind, value));
  }
}

function single(field: DescField, kind: "scalar" | "enum" | "message", value: unknown): unknown {
  if (kind === "enum") return numberOf(field.enum!, value);
  if (kind === "message") return reflect(field.message!, messageOf(field.message!, value));
  switch (field.scalar) {
    case 9: // STRING
      return cut(text(value), LIMITS[`${field.parent.typeName}.${field.name}`]);
    case 12: // BYTES
      return Buffer.from(JSON.stringify(value));
    case 3: // INT64
      return BigInt(Math.trunc(Number(value)) || 0);
    case 1: // DOUBLE
      return Number.isFinite(value) ? value : 0;
    default:
      return value;
  }
}

function messageOf(desc: DescMessage, value: unknown): Message {
  switch (desc.typeName) {
    case "google.protobuf.Timestamp":
      return span(desc, (value as Date).getTime());
    case "google.protobuf.Duration":
      return span(desc, Number(value));
    default:
      return toMessage(desc, value as object);
  }
}

/** Milliseconds as seconds and nanoseconds; those of a time before 1970 stay positive. */
function span(desc: DescMessage, ms: number): Message {
  const seconds = desc.typeName.endsWith("Timestamp") ? Math.floor(ms / 1000) : Math.trunc(ms / 1000);
  const out = reflect(desc, create(desc));
  out.set(desc.field["seconds"]!, BigInt(seconds || 0));
  out.set(desc.field["nanos"]!, Math.round((ms - seconds * 1000) * 1e6) || 0);
  return out.message;
}

function numberOf(desc: DescEnum, word: unknown): number {
  return desc.values.find((v) => v.localName.toLowerCase() === word)?.number ?? 0;
}

/** Shortens s to at most n bytes, between two characters. */
function cut(s: string, n = Infinity): string {
  if (Buffer.byteLength(s) <= n) return s;
  return new TextDecoder().decode(Buffer.from(s).subarray(0, n), { stream: true });
}

/** Decodes a message of desc. It throws if a field that is JSON is none. */
export function decode<T>(desc: DescMessage, bytes: Uint8Array): T {
  return toPlain(desc, fromBinary(desc, bytes)) as T;
}

export function toPlain(desc: DescMessage, message: Message): object {
  const from = reflect(desc, message);
  const out: Plain = {};
  for (const field of desc.fields) {
    const value = take(from, field);
    if (value !== undefined) out[nameOf(field)] = value;
  }
  return out;
}

function take(from: ReflectMessage, field: DescField): unknown {
  switch (field.fieldKind) {
    case "list":
      return [...from.get(field)].map((one) => plain(field, field.listKind, one));
    case "map":
      return Object.fromEntries([...from.get(field)].map(([key, one]) => [key, plain(field, field.mapKind, one)]));
    default:
      if (!from.isSet(field) && (field.fieldKind === "message" || field.oneof || bytesLike(field))) return undefined;
      return plain(field, field.fieldKind, from.get(field));
  }
}

function plain(field: DescField, kind: "scalar" | "enum" | "message", value: unknown): unknown {
  if (kind === "enum") {
    const found = field.enum!.values.find((v) => v.number === value);
    return found && found.number !== 0 ? found.localName.toLowerCase() : "";
  }
  if (kind === "message") return plainMessage(field.message!, value as ReflectMessage);
  if (field.scalar === 12) return JSON.parse(Buffer.from(value as Uint8Array).toString("utf8"));
  return typeof value === "bigint" ? Number(value) : value;
}

function plainMessage(desc: DescMessage, value: ReflectMessage): unknown {
  if (desc.typeName !== "google.protobuf.Timestamp" && desc.typeName !== "google.protobuf.Duration") {
    return toPlain(desc, value.message);
  }
  const ms = Number(value.get(desc.field["seconds"]!)) * 1000 + Number(value.get(desc.field["nanos"]!)) / 1e6;
  return desc.typeName.endsWith("Timestamp") ? new Date(Math.trunc(ms)) : ms;
}
