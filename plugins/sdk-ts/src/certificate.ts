import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

/**
 * A certificate for one life of the plugin, made and signed by itself: the host
 * pins it from the handshake line. Node can read X.509 but not write it, and
 * the libraries that can cost a tenth of a second at each start, so these few
 * fields are written here, in DER.
 */
export interface Certificate {
  der: Buffer;
  /** PEM. */
  certificate: string;
  /** PEM. */
  key: string;
}

const YEAR = 365 * 24 * 3600 * 1000;

/** Makes a certificate for "localhost", the name that hosts of go-plugin ask for. */
export function selfSigned(now = Date.now()): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = seq(oid("2a8648ce3d040302")); // ecdsa-with-SHA256
  const name = seq(set(seq(oid("550403"), der(0x0c, Buffer.from("localhost")))));
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40; // positive, and of full length
  const body = seq(
    der(0xa0, der(0x02, Buffer.of(2))), // version 3
    der(0x02, serial),
    algorithm,
    name,
    seq(time(now - 60_000), time(now + 30 * YEAR)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, seq(...extensions())),
  );
  const whole = seq(body, algorithm, bits(sign("sha256", body, privateKey)));
  return { der: whole, certificate: pem(whole), key: privateKey.export({ type: "pkcs8", format: "pem" }) as string };
}

function extensions(): Buffer[] {
  const critical = der(0x01, Buffer.of(0xff));
  return [
    seq(oid("551d13"), critical, octets(seq(critical))), // basic constraints: an authority, its own
    seq(oid("551d0f"), critical, octets(der(0x03, Buffer.of(2, 0x84)))), // digitalSignature, keyCertSign
    seq(oid("551d25"), octets(seq(oid("2b06010505070301"), oid("2b06010505070302")))), // server, client
    seq(oid("551d11"), octets(seq(der(0x82, Buffer.from("localhost"))))),
  ];
}

function der(tag: number, content: Buffer): Buffer {
  const n = content.length;
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return Buffer.concat([Buffer.of(tag, ...length), content]);
}

const seq = (...parts: Buffer[]): Buffer => der(0x30, Buffer.concat(parts));
const set = (...parts: Buffer[]): Buffer => der(0x31, Buffer.concat(parts));
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, "hex"));
const octets = (b: Buffer): Buffer => der(0x04, b);
const bits = (b: Buffer): Buffer => der(0x03, Buffer.concat([Buffer.of(0), b]));

/** UTCTime until 2049, then GeneralizedTime (RFC 5280, 4.1.2.5). */
function time(ms: number): Buffer {
  const stamp = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(0, 14) + "Z";
  return stamp < "2050" ? der(0x17, Buffer.from(stamp.slice(2))) : der(0x18, Buffer.from(stamp));
}

function pem(b: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${b.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}
