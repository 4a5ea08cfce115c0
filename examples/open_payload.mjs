// Opens a captured payload: node open_payload.mjs FILE KEY.json TOPIC      (npm install cbor-x; KEY.json by `sealmq key export`)
import { readFileSync } from "node:fs";
import { createDecipheriv, hkdfSync } from "node:crypto";
import { Encoder } from "cbor-x";
const cbor = new Encoder({ tagUint8Array: false, mapsAsObjects: false, useRecords: false });
const [file, keyFile, topic] = process.argv.slice(2);
const key = JSON.parse(readFileSync(keyFile));
const [header, , sealed] = cbor.decode(readFileSync(file)).value;                       // COSE_Encrypt0
const h = cbor.decode(header);
const derive = (id, type, n) => Buffer.from(hkdfSync("sha256", Buffer.from(key.key, "hex"), "", cbor.encode([id, h.get(10), 1, type, n]), n));
const nonce = Buffer.concat([Buffer.from([6]), h.get(4), Buffer.alloc(5 - h.get(6).length), h.get(6)]);
derive(Buffer.alloc(0), "IV", 12).forEach((byte, i) => (nonce[i] ^= byte));             // RFC 8613, section 5.2
const aes = createDecipheriv("aes-128-gcm", derive(h.get(4), "Key", 16), nonce);
aes.setAAD(cbor.encode(["Encrypt0", header, cbor.encode(["SealMQ payload 1", topic, 0, Buffer.alloc(0)])]));
aes.setAuthTag(sealed.subarray(-16));
const inside = Buffer.concat([aes.update(sealed.subarray(0, -16)), aes.final()]);       // throws if anything was changed
console.log(cbor.decode(inside).value[2].toString());                                   // what the COSE_Sign1 in it says
