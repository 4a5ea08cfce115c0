// SCACAuth as published, by MQTT.js and Node's own cryptography, written from its specification alone: what the product sends and
// takes is what the specification says, and nothing besides.
//
//   node scacauth.mjs keys UID FOLDER           makes UID.json (private) and UID.pub for `sealmq identity enroll`
//   node scacauth.mjs run PORT UID FOLDER N     N messages each way, a new key for each; "done" at the end
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import mqtt from 'mqtt';

const METHOD = 'SCACAuth-RSAPKCS1-2048-AES-128';
const KEY = 16; // octets of RN1, RNp and RNs
const { RSA_PKCS1_PADDING, RSA_NO_PADDING } = crypto.constants;

// -- what the publication calls Cpr, Cpu and BCE

const sealWithPrivate = (key, m) => crypto.privateEncrypt({ key, padding: RSA_PKCS1_PADDING }, m);
const openWithPublic = (key, c) => crypto.publicDecrypt({ key, padding: RSA_PKCS1_PADDING }, c);
const encryptFor = (key, m) => crypto.publicEncrypt({ key, padding: RSA_PKCS1_PADDING }, m);
function decrypt(key, c) { // 00 02, octets that are not zero, 00, message
  const block = crypto.privateDecrypt({ key, padding: RSA_NO_PADDING }, c);
  assert.equal(block[0], 0);
  assert.equal(block[1], 2);
  const end = block.indexOf(0, 2);
  assert.ok(end >= 10);
  return block.subarray(end + 1);
}
function bce(key, plain, how) {
  const cipher = how(`aes-${KEY * 8}-cbc`, key, Buffer.alloc(16));
  cipher.setAutoPadding(false);
  return Buffer.concat([cipher.update(plain), cipher.final()]);
}
const seal = (key, ...parts) => {
  const plain = Buffer.concat(parts);
  return bce(key, Buffer.concat([plain, Buffer.alloc((16 - (plain.length % 16)) % 16)]), crypto.createCipheriv);
};
const open = (key, c) => bce(key, c, crypto.createDecipheriv);
const u16 = (n) => Buffer.from([n >> 8, n & 255]);
const withLength = (data) => Buffer.concat([u16(data.length), data]);

function publicKey(modulus) {
  return crypto.createPublicKey({ format: 'jwk', key: { kty: 'RSA', n: modulus.toString('base64url'), e: 'AQAB' } });
}

function makeKeys(uid, folder) {
  const { privateKey, publicKey: own } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 65537 });
  fs.writeFileSync(path.join(folder, `${uid}.json`), JSON.stringify(privateKey.export({ format: 'jwk' })), { mode: 0o600 });
  const { n } = own.export({ format: 'jwk' });
  fs.writeFileSync(path.join(folder, `${uid}.pub`),
    `sealmq-identity ${uid} device schnorr-p256=- ecdsa-p256=- ecdh-p256=- rsa=${n}\n`);
}

// -- the client

class CardClient extends mqtt.MqttClient {
  constructor(port, uid, own, broker) {
    const step1 = () => Buffer.concat([uid, withLength(sealWithPrivate(own, Buffer.concat([uid, rn1])))]);
    const rn1 = crypto.randomBytes(KEY);
    super(() => net.connect({ port, host: '127.0.0.1', noDelay: true }), {
      protocolVersion: 5, clientId: uid.toString(), clean: true, reconnectPeriod: 0, connectTimeout: 20000, keepalive: 60,
      properties: { authenticationMethod: METHOD, authenticationData: step1(), receiveMaximum: 1 },
    });
    Object.assign(this, { uid, own, broker, rn1, keysSeen: new Set(), received: [], longest: 0 });
    this.on('packetreceive', (packet) => this.take(packet));
  }

  handleAuth(packet, done) {
    assert.equal(packet.reasonCode, 0x18);
    assert.equal(packet.properties.authenticationMethod, METHOD);
    const data = packet.properties.authenticationData;
    assert.equal(data.length, 516);
    assert.equal(data.readUInt16BE(0), 256);
    assert.equal(data.readUInt16BE(258), 256);
    assert.deepEqual(openWithPublic(this.broker, data.subarray(2, 258)), Buffer.concat([this.uid, this.rn1]));
    const keys = decrypt(this.own, data.subarray(260));
    assert.equal(keys.length, 8 + 2 * KEY);
    assert.deepEqual(keys.subarray(0, 8), this.uid);
    this.rnp = keys.subarray(8, 8 + KEY);
    this.rns = keys.subarray(8 + KEY);
    const step3 = withLength(encryptFor(this.broker, Buffer.concat([this.uid, this.rn1, this.rnp, this.rns])));
    done(undefined, {
      cmd: 'auth', reasonCode: 0x18, properties: { authenticationMethod: METHOD, authenticationData: step3 },
    });
  }

  // What goes out: there is no public hook for PUBREL.
  _sendPacket(packet, ...rest) {
    if (packet.cmd === 'publish') packet.payload = seal(this.rnp, this.uid, withLength(Buffer.from(packet.payload)));
    if (packet.cmd === 'pubrel') {
      this.next = crypto.randomBytes(KEY);
      packet.properties = { userProperties: { Np: seal(this.rnp, this.uid, this.next).toString('hex') } };
    }
    return super._sendPacket(packet, ...rest);
  }

  take(packet) {
    if (packet.cmd === 'connack') {
      assert.equal(packet.reasonCode, 0);
      assert.equal(packet.properties.receiveMaximum, 1);
      assert.equal(packet.properties.authenticationMethod, METHOD);
    } else if (packet.cmd === 'pubcomp') {
      assert.equal(packet.reasonCode ?? 0, 0);
      this.rnp = this.next;
    } else if (packet.cmd === 'publish') {
      assert.equal(packet.qos, 2);
      const plain = open(this.rns, packet.payload);
      assert.deepEqual(plain.subarray(0, 8), this.uid);
      const length = plain.readUInt16BE(8);
      const padding = plain.subarray(10 + length);
      assert.ok(padding.length < 16 && padding.every((octet) => octet === 0));
      this.arrived = plain.subarray(10, 10 + length).toString();
    } else if (packet.cmd === 'pubrel') {
      const value = packet.properties.userProperties.Ns;
      assert.match(value, /^[0-9a-f]{64}$/);
      assert.ok(!this.keysSeen.has(value), 'a next key came twice');
      this.keysSeen.add(value);
      const plain = open(this.rns, Buffer.from(value, 'hex'));
      assert.deepEqual(plain.subarray(0, 8), this.uid);
      assert.ok(plain.subarray(8 + KEY).every((octet) => octet === 0));
      this.rns = plain.subarray(8, 8 + KEY);
      this.received.push(this.arrived);
      this.emit('opened');
    }
  }
}

async function run(port, uid, folder, count) {
  const own = crypto.createPrivateKey({ format: 'jwk', key: JSON.parse(fs.readFileSync(path.join(folder, `${uid}.json`))) });
  const lines = fs.readFileSync(path.join(folder, 'broker.pub'), 'utf8').split('\n');
  const broker = publicKey(Buffer.from(lines.find((line) => line.startsWith('rsa ')).split(' ')[1], 'base64url'));
  const client = new CardClient(port, Buffer.from(uid), own, broker);
  const failed = new Promise((resolve, reject) => {
    client.on('error', reject);
    client.on('disconnect', (packet) => reject(new Error(`DISCONNECT ${packet.reasonCode} ${packet.properties?.reasonString}`)));
    client.on('close', () => reject(new Error('the connection was closed')));
  });
  const work = (async () => {
    await new Promise((resolve) => client.once('connect', resolve));
    await client.subscribeAsync('cards/+', { qos: 2 });
    for (let i = 0; i < count; ++i) {
      const here = client.received.length > i ? Promise.resolve() : new Promise((resolve) => client.once('opened', resolve));
      await client.publishAsync('cards/temperature', `${i} `.repeat(1 + (i % 20)), { qos: 2 });
      await here;
    }
    assert.deepEqual(client.received, Array.from({ length: count }, (_, i) => `${i} `.repeat(1 + (i % 20))));
    assert.equal(client.keysSeen.size, count);
  })();
  await Promise.race([work, failed]);
  await Promise.race([client.endAsync(), new Promise((resolve) => setTimeout(resolve, 2000))]);
}

const [what, ...args] = process.argv.slice(2);
if (what === 'keys') {
  makeKeys(...args);
} else {
  await run(Number(args[0]), args[1], args[2], Number(args[3]));
  console.log('done');
  process.exit(0);
}
