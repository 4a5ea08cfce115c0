# Opens a captured payload: open_payload.py FILE KEY.json TOPIC  (Debian: python3-cryptography, python3-cbor2; KEY.json by `sealmq key export`)
import cbor2, json, sys
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
header, _, sealed = cbor2.load(open(sys.argv[1], "rb")).value; h, topic = cbor2.loads(header), sys.argv[3]  # COSE_Encrypt0
key = next(bytes.fromhex(its["key"]) for its in json.load(open(sys.argv[2]))["keys"] if its["id"] == h[10].hex())
derive = lambda sender, use, size: HKDF(hashes.SHA256(), size, b"", cbor2.dumps([sender, h[10], 1, use, size])).derive(key)
nonce = bytes(a ^ b for a, b in zip(b"\6" + h[4][:6] + h[6].rjust(5, b"\0"), derive(b"", "IV", 12)))  # RFC 8613, section 5.2
aad = cbor2.dumps(["Encrypt0", header, cbor2.dumps(["SealMQ payload 1", topic, 0, b""])])
print(cbor2.loads(AESGCM(derive(h[4], "Key", 16)).decrypt(nonce, sealed, aad)).value[2].decode())  # what the COSE_Sign1 in it says
