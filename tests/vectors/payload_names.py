#!/usr/bin/env python3
"""A payload under a symmetric topic key, with names of 16 bytes: keys, nonce, ids, container and window, computed from the
specification and from nothing of the C++ code.

usage: payload_names.py --write FILE     writes the vectors
       payload_names.py --check FILE     exit status 0 if FILE holds what this script computes

Needs python3-cryptography for AES-GCM and ECDSA, python3-cbor2 for CBOR.
"""
import hashlib
import hmac
import json
import sys

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
TOPIC_KEY = bytes.fromhex('2c291659b96282cc13aa4688bf3e0164edfe4a1c226836f1be452b89b3cc10c1')
KEY_ID = bytes.fromhex('f63160228de5d409')
NAME = bytes.fromhex('a24c4ab15f7c7c162b831f706589aeb3')
AUTHOR = 0x4e11bd7de1dada4f52514b666649820c377517a0d555acc7bbd29f87dcb38920
NUMBER, TOPIC, TEXT, TIME = b'\x05', 'plant/7/temp', b'21.5', 1767225600


def sha256(data):
    return hashlib.sha256(data).digest()


def hkdf(secret, info, size):
    prk = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(prk, info + b'\x01', hashlib.sha256).digest()[:size]  # at most one block


def cbor(value):
    return cbor2.dumps(value, canonical=True)


def header(pairs):
    return cbor({**pairs, 2: [15], 15: {6: TIME}})


def sign(message):
    """The signature is kept in the file, and verified: it has chance in it."""
    r, s = utils.decode_dss_signature(ec.derive_private_key(AUTHOR, ec.SECP256R1()).sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, 'big') + min(s, N - s).to_bytes(32, 'big')


def verify(message, signature):
    pair = (int.from_bytes(part, 'big') for part in (signature[:32], signature[32:]))
    ec.derive_private_key(AUTHOR, ec.SECP256R1()).public_key().verify(utils.encode_dss_signature(*pair), message, ec.ECDSA(hashes.SHA256()))


def vectors(kept_signature):
    point = ec.derive_private_key(AUTHOR, ec.SECP256R1()).public_key().public_numbers()
    x, y = point.x.to_bytes(32, 'big'), point.y.to_bytes(32, 'big')
    compressed = bytes([2 + point.y % 2]) + x
    author_kid = sha256(cbor({1: 2, -1: 1, -2: x, -3: y}))[:16]  # RFC 9679
    key = hkdf(TOPIC_KEY, cbor([NAME, KEY_ID, 1, 'Key', 16]), 16)  # RFC 8613
    common = hkdf(TOPIC_KEY, cbor([b'', KEY_ID, 1, 'IV', 12]), 12)
    nonce = bytes(a ^ b for a, b in zip(b'\x06' + NAME[:6] + NUMBER.rjust(5, b'\0'), common))
    outer = header({1: 1, 4: NAME, 6: NUMBER, 10: KEY_ID})
    inner = header({1: -7, 4: author_kid})
    bound = sha256(cbor([outer, []]))
    signed = cbor(['Signature1', inner, cbor(['SealMQ payload 1', TOPIC, 1, bound]), TEXT])
    signature = kept_signature or sign(signed)
    verify(signed, signature)
    stamped = cbor(cbor2.CBORTag(18, [inner, {}, TEXT, signature]))
    sealed = AESGCM(key).encrypt(nonce, stamped, cbor(['Encrypt0', outer, cbor(['SealMQ payload 1', TOPIC, 0, b''])]))
    window = sha256(cbor([b'key', sha256(compressed), NAME, KEY_ID, TOPIC]))
    values = {'topic_key': TOPIC_KEY, 'key_id': KEY_ID, 'sender_name': NAME, 'key': key, 'common_iv': common, 'nonce': nonce,
              'author': compressed, 'author_kid': author_kid, 'signature': signature,
              'container': cbor(cbor2.CBORTag(16, [outer, {}, sealed])), 'window': window}
    return {'number': NUMBER[0], 'time': TIME, 'topic': TOPIC, 'plaintext': TEXT.decode(), **{name: value.hex() for name, value in values.items()}}


def main(arguments):
    if len(arguments) != 2 or arguments[0] not in ('--write', '--check'):
        sys.exit(__doc__)
    if arguments[0] == '--write':
        with open(arguments[1], 'w') as file:
            file.write(json.dumps(vectors(None), indent=1) + '\n')
        return 0
    with open(arguments[1]) as file:
        kept = json.load(file)
    return 0 if kept == vectors(bytes.fromhex(kept['signature'])) else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
