// Bluesky's reference server with a directory of identities beside it, on this
// machine alone. It prints one line of JSON once it answers, and ends with its
// standard input.
//
//   node pds.cjs FOLDER [ORIGIN]
//
// FOLDER keeps what it stores. ORIGIN is the address it gives as its own, for a
// proxy before it; without one, its real one.
const { randomBytes } = require('node:crypto')
const { mkdirSync } = require('node:fs')
const net = require('node:net')
const path = require('node:path')

// Both servers listen on every interface and offer no setting for it.
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (at, ...rest) {
  return listen.call(this, typeof at === 'number' ? { port: at, host: '127.0.0.1' } : at, ...rest)
}

const secret = () => randomBytes(32).toString('hex')

// The server wants to know its port before it has one.
const freePort = () => new Promise((resolve, reject) => {
  const s = net.createServer().once('error', reject)
  s.listen(0, () => { const { port } = s.address(); s.close(() => resolve(port)) })
})

async function startDirectory() {
  const { PlcServer, Database } = require('@did-plc/server')
  const server = await PlcServer.create({ db: Database.mock(), port: await freePort() }).start()
  return `http://127.0.0.1:${server.address().port}`
}

async function startServer(folder, directory, origin) {
  mkdirSync(path.join(folder, 'blobs'), { recursive: true })
  const port = await freePort()
  Object.assign(process.env, {
    PDS_HOSTNAME: 'localhost', PDS_PORT: String(port), PDS_DEV_MODE: '1',
    PDS_DATA_DIRECTORY: folder, PDS_BLOBSTORE_DISK_LOCATION: path.join(folder, 'blobs'),
    PDS_DID_PLC_URL: directory, PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX: secret(),
    PDS_JWT_SECRET: secret(), PDS_DPOP_SECRET: secret(), PDS_ADMIN_PASSWORD: secret(),
    PDS_INVITE_REQUIRED: '0', PDS_RATE_LIMITS_ENABLED: '0', PDS_SERVICE_HANDLE_DOMAINS: '.test',
    PDS_DISABLE_SSRF_PROTECTION: '1', // the directory is on this machine
    LOG_ENABLED: '0',
  })
  const { PDS, readEnv, envToCfg, envToSecrets } = require('@atproto/pds')
  const env = readEnv()
  const config = envToCfg(env)
  if (origin) config.service.publicUrl = origin
  await (await PDS.create(config, envToSecrets(env))).start()
  return `http://127.0.0.1:${port}`
}

async function main([folder, origin]) {
  if (!folder) throw new Error('usage: node pds.cjs FOLDER [ORIGIN]')
  process.stdin.resume().on('end', () => process.exit(0))
  const url = await startServer(folder, await startDirectory(), origin)
  const { version } = require('@atproto/pds/package.json')
  console.log(JSON.stringify({ url, server: '@atproto/pds', version, node: process.version }))
}

main(process.argv.slice(2)).catch(err => { console.error(err); process.exit(1) })
