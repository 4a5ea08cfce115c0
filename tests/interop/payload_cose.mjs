// Payload containers by npm's COSE library, in both directions: `node payload_cose.mjs SEALMQ FOLDER`. Every structure and algorithm
// that it and we have; ends with 1 at the first thing that is wrong.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Encoder } from "cbor-x";

// Required, not imported: Node.js 18 does not see the names that a module under it exports.
const { Encrypt0, Mac0, Sign1, decode } = createRequire(import.meta.url)("@auth0/cose");
const [, , program, folder] = process.argv;
process.chdir(folder);
const cbor = new Encoder({ tagUint8Array: false, mapsAsObjects: false, useRecords: false });
const sha256 = (bytes) => crypto.createHash("sha256").update(bytes).digest();
const sealmq = (...words) => execFileSync(program, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const refused = (...words) => {
  try { sealmq(...words); } catch (error) { return String(error.stderr); }
  assert.fail(`taken: ${words.join(" ")}`);
};

// -- what the specification says, once more

const external = (topic, place = 0, outer = Buffer.alloc(0)) => cbor.encode(["SealMQ payload 1", topic, place, outer]);
const outerOf = (header, readers = []) => sha256(cbor.encode([header, readers]));
const derive = (key, id, alg, type, length) =>
  Buffer.from(crypto.hkdfSync("sha256", Buffer.from(key.key, "hex"), "",
    cbor.encode([id, Buffer.from(key.id, "hex"), alg, type, length]), length));
function nonce(commonIv, sender, number) {
  const id = sender.subarray(0, 6);
  const plain = Buffer.concat([Buffer.from([id.length]), Buffer.alloc(6 - id.length), id, Buffer.alloc(5 - number.length), number]);
  return plain.map((byte, i) => byte ^ commonIv[i]);
}
const claims = () => new Map([[6, Math.floor(Date.now() / 1000)]]);
/// RFC 9679: the hash of the whole key as COSE has it.
const stampId = (point) => {
  const long = Buffer.from(crypto.ECDH.convertKey(point, "prime256v1", undefined, undefined, "uncompressed"));
  return sha256(cbor.encode(new Map([[1, 2], [-1, 1], [-2, long.subarray(1, 33)], [-3, long.subarray(33)]]))).subarray(0, 16);
};
const algorithms = { a128gcm: [1, 16], a256gcm: [3, 32] };

// -- an author of its own, in the form of NAME.pub

const { publicKey, privateKey } = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
const jwk = publicKey.export({ format: "jwk" });
const x = Buffer.from(jwk.x, "base64url");
const y = Buffer.from(jwk.y, "base64url");
const point = Buffer.concat([Buffer.from([2 + (y[31] & 1)]), x]);
const b64 = (bytes) => Buffer.from(bytes).toString("base64url");
writeFileSync("js.pub", `sealmq-identity js device schnorr-p256=${b64(x)} ecdsa-p256=${b64(point)} ecdh-p256=${b64(point)}\n`);

/// Of NAME.pub: the key for signatures, for node and its id.
function author(name) {
  const raw = Buffer.from(/ecdsa-p256=(\S+)/.exec(readFileSync(`${name}.pub`, "utf8"))[1], "base64url");
  const long = crypto.ECDH.convertKey(raw, "prime256v1", undefined, undefined, "uncompressed");
  const key = crypto.createPublicKey({ format: "jwk",
    key: { kty: "EC", crv: "P-256", x: b64(long.subarray(1, 33)), y: b64(long.subarray(33)) } });
  return { key, id: stampId(raw) };
}

/// The library signs without external data, so its structure is signed beside it; it verifies with them.
function sign1(header, place, outer, topic, body) {
  const encoded = cbor.encode(header);
  const bytes = Sign1.Signature1(encoded, external(topic, place, outer), body);
  const signature = crypto.sign("sha256", bytes, { key: privateKey, dsaEncoding: "ieee-p1363" });
  return new Sign1(encoded, new Map(), body, signature).encode();
}

// -- ours, read by the library

async function openEncrypt0(container, key, topic, place, outer) {
  const message = container instanceof Encrypt0 ? container : decode(container, Encrypt0);
  const header = message.protectedHeaders;
  const [alg, size] = algorithms[key.cipher];
  assert.equal(header.get(1), alg);
  assert.deepEqual(header.get(2), [15]);
  assert.equal(Buffer.from(header.get(10)).toString("hex"), key.id);
  const sender = Buffer.from(header.get(4));
  // The library looks for a nonce beside the protected header; what stands there is not authenticated, and ours is derived.
  message.unprotectedHeaders = new Map([[5, nonce(derive(key, Buffer.alloc(0), alg, "IV", 12), sender, Buffer.from(header.get(6)))]]);
  const plaintext = await message.decrypt(derive(key, sender, alg, "Key", size), { externalAAD: external(topic, place, outer) });
  return { plaintext: Buffer.from(plaintext), header: message.encodedProtectedHeaders };
}

async function verifySign1(container, by, topic, place, outer) {
  const message = container instanceof Sign1 ? container : decode(container, Sign1);
  assert.deepEqual(Buffer.from(message.protectedHeaders.get(4)), by.id);
  await message.verify(by.key, { externalAAD: external(topic, place, outer) });
  return message;
}

async function openOurs(container, key, topic, by) {
  if (key.form === "stamp") return Buffer.from((await verifySign1(container, by, topic)).payload);
  if (key.form === "mac") {
    const message = decode(container, Mac0);
    const sender = Buffer.from(message.protectedHeaders.get(4));
    await message.verify(derive(key, sender, 5, "Key", 32), { externalAAD: external(topic) });
    return Buffer.from(message.payload);
  }
  if (key.form === "outside") {
    const stamp = await verifySign1(container, by, topic);
    assert.equal(stamp.protectedHeaders.get(3), 16);
    const inner = await openEncrypt0(stamp.payload, key, topic, 1, outerOf(stamp.encodedProtectedHeaders));
    for (const [outside, inside] of [[6, 6], [10, 4]])  // the same name and number
      assert.deepEqual(stamp.protectedHeaders.get(outside), decode(stamp.payload, Encrypt0).protectedHeaders.get(inside));
    return inner.plaintext;
  }
  const outer = await openEncrypt0(container, key, topic, 0);
  if (key.form === "bare") return outer.plaintext;
  const stamp = await verifySign1(outer.plaintext, by, topic, 1, outerOf(outer.header));
  return Buffer.from(stamp.payload);
}

// -- made by the library, read by us

async function encrypt0(key, topic, place, outer, plaintextFor, sender = crypto.randomBytes(16)) {
  const [alg, size] = algorithms[key.cipher];
  const number = Buffer.from([7]);
  const header = new Map([[1, alg], [2, [15]], [4, sender], [6, number], [10, Buffer.from(key.id, "hex")], [15, claims()]]);
  const encoded = cbor.encode(header);
  const iv = nonce(derive(key, Buffer.alloc(0), alg, "IV", 12), sender, number);
  // As above: the library wants the nonce in a header; it is taken out again.
  const library = await Encrypt0.encrypt(header, new Map([[5, iv]]), plaintextFor(encoded), derive(key, sender, alg, "Key", size),
    external(topic, place, outer));
  return new Encrypt0(encoded, new Map(), library.ciphertext).encode();
}

async function sealTheirs(key, topic, text) {
  const body = Buffer.from(text);
  const stamp = (more = []) => new Map([[1, -7], [2, [15]], ...more, [15, claims()]]);
  if (key.form === "stamp") return sign1(stamp([[4, stampId(point)], [6, Buffer.from([9])], [10, crypto.randomBytes(16)]]), 0, undefined, topic, body);
  if (key.form === "mac") {
    const sender = crypto.randomBytes(16);
    const header = new Map([[1, 5], [2, [15]], [4, sender], [6, Buffer.from([7])], [10, Buffer.from(key.id, "hex")], [15, claims()]]);
    const encoded = cbor.encode(header);
    const tag = crypto.createHmac("sha256", derive(key, sender, 5, "Key", 32))
      .update(cbor.encode(["MAC0", encoded, external(topic), body])).digest();
    return new Mac0(encoded, new Map(), body, tag).encode();
  }
  if (key.form === "outside") {
    const sender = crypto.randomBytes(16);
    const header = stamp([[3, 16], [4, stampId(point)], [6, Buffer.from([7])], [10, sender]]);
    const inner = await encrypt0(key, topic, 1, outerOf(cbor.encode(header)), () => body, sender);
    return sign1(header, 0, undefined, topic, inner);
  }
  return encrypt0(key, topic, 0, undefined, (outer) => key.form === "bare" ? body :
    sign1(stamp([[4, stampId(point)]]), 1, outerOf(outer), topic, body));
}

sealmq("identity", "new", "author");
const ours = author("author");
for (const form of ["inside", "outside", "bare", "mac", "stamp"])
  for (const cipher of Object.keys(algorithms)) {
    const topic = `plant/${form}/${cipher}`;
    const name = `${form}-${cipher}`;
    sealmq("key", "new", topic, "--key", "author.key", "--form", form, "--cipher", cipher);
    sealmq("key", "export", topic, "-o", `${name}.json`);
    const key = JSON.parse(readFileSync(`${name}.json`, "utf8")).keys[0];

    writeFileSync(`${name}.txt`, `from us, ${name}`);
    sealmq("key", "seal", `${name}.txt`, "-t", topic, "--key", "author.key", "-o", `${name}.ours`);
    const container = readFileSync(`${name}.ours`);
    assert.equal((await openOurs(container, key, topic, ours)).toString(), `from us, ${name}`);
    await assert.rejects(openOurs(container, key, topic + "/x", ours));
    await assert.rejects(async () => {
      const changed = Buffer.from(container);
      changed[changed.length - 1] ^= 1;
      await openOurs(changed, key, topic, ours);
    });

    writeFileSync(`${name}.theirs`, await sealTheirs(key, topic, `from the library, ${name}`));
    const opened = sealmq("key", "open", `${name}.theirs`, "-t", topic, "--from", "js.pub", "--unproved");
    assert.equal(opened, `from the library, ${name}`);
    assert.match(refused("key", "open", `${name}.theirs`, "-t", topic + "/x"), /policy|stamp|decrypt/);
    if (["inside", "outside", "stamp"].includes(form))  // the author is none of those who share the key
      assert.match(refused("key", "open", `${name}.theirs`, "-t", topic), /stamp: /);
    console.log(`${name}: ${container.length - `from us, ${name}`.length} bytes added, both directions`);
  }
console.log("done");
