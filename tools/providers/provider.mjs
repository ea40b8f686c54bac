// A real OpenID provider (npm oidc-provider) on this machine, for tests:
//
//   node provider.mjs NUMBER CALLBACK
//
// It runs NUMBER providers, each at an address of its own, prints the addresses
// as one line of JSON and ends with its standard input. People sign in there
// with any name: "ann" has the confirmed address ann@example.test, who begins
// with "unverified" has one that is not, and who begins with "nobody" has none.
//
// Two addresses besides make it misbehave as real ones do, or as a thief would:
//
//   POST /-/rotate          signs with a new key from now on
//   POST /-/next   {…}      changes the next ID token: "claims" are set in it and
//                           it is signed again, by "key": "own" (if not said),
//                           "stranger", "secret" (the client's, HS256) or "none";
//                           "replay": true hands out the one before instead
import { createServer } from "node:http";
import { decodeJwt, exportJWK, generateKeyPair, importJWK, SignJWT } from "jose";
import Provider from "oidc-provider";

console.warn = console.info = () => {}; // it warns of being for practice, which it is

const client = { id: "carillon", secret: "a secret of the client that is long enough" };
const [number, callback] = process.argv.slice(2);

async function newKey() {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, use: "sig", alg: "RS256", kid: crypto.randomUUID() };
}

async function account(_ctx, id) {
  const profile = { sub: id, name: id[0].toUpperCase() + id.slice(1) };
  const email = id.startsWith("nobody") ? {} : { email: `${id}@example.test`, email_verified: !id.startsWith("unverified") };
  return { accountId: id, claims: async () => ({ ...profile, ...email }) };
}

async function forge(token, key, next) {
  const claims = { ...decodeJwt(token), ...next.claims };
  for (const name of Object.keys(claims)) if (claims[name] === null) delete claims[name];
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  switch (next.key) {
    case "none":
      return `${part({ alg: "none", typ: "JWT" })}.${part(claims)}.`;
    case "secret":
      return new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(client.secret));
  }
  const signer = next.key === "stranger" ? await newKey() : key;
  return new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: key.kid }).sign(await importJWK(signer, "RS256"));
}

async function start(server, name) {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let key, handler, next, last;
  const rotate = async () => {
    key = await newKey();
    const provider = new Provider(issuer, {
      clients: [{ client_id: client.id, client_secret: client.secret, redirect_uris: [`${callback}/${name}`], grant_types: ["authorization_code"] }],
      jwks: { keys: [key] }, findAccount: account, cookies: { keys: ["practice"] },
      claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
      pkce: { required: () => true },
      features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: false } },
    });
    provider.use(async (ctx, pass) => {
      await pass();
      if (ctx.oidc?.route !== "token" || !ctx.body?.id_token) return;
      const real = ctx.body.id_token;
      if (next) ctx.body = { ...ctx.body, id_token: next.replay ? last : await forge(real, key, next) };
      [last, next] = [real, undefined];
    });
    handler = provider.callback();
  };
  await rotate();
  server.on("request", async (req, res) => {
    if (!req.url.startsWith("/-/")) return handler(req, res);
    let body = "";
    for await (const chunk of req) body += chunk;
    if (req.url === "/-/rotate") await rotate();
    else next = JSON.parse(body);
    res.end();
  });
  return issuer;
}

const names = Array.from({ length: Number(number) }, (_, i) => `provider-${i + 1}`);
const issuers = await Promise.all(names.map(async (name) => {
  const server = createServer();
  await new Promise((up) => server.listen(0, "127.0.0.1", up));
  return { name, issuer: await start(server, name), client_id: client.id, client_secret: client.secret };
}));
process.stdout.write(`${JSON.stringify(issuers)}\n`);
process.stdin.on("end", () => process.exit(0)).resume();
