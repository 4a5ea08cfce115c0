#!/usr/bin/env python3
"""The hardened login of SCACAuth and its ratchet, computed from their specification and from nothing of the C++ code.

usage: scacauth2.py --write FILE     writes the vectors
       scacauth2.py --check FILE     exit status 0 if FILE holds what this script computes

RSA-PSS signatures have chance in them: they are kept in FILE, and verified.
Needs python3-cryptography for AES-GCM and RSA.
"""
import hashlib
import hmac
import json
import os
import sys

from check_schnorr import G, Q, multiply, sec1c
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sl3_hardened import ecdsa, expand, lp16, sha256, u64, x_of

UID, BROKER = b'CLIENTE1', b'broker-1'
TOPIC = b'cards/temperature'
PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


def scalar(name):
    return int.from_bytes(sha256(b'scacauth2 ' + name.encode()), 'big') % (Q - 1) + 1


def rsa_key():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'scacauth.json'), encoding='utf-8') as file:
        known = json.load(file)
    n, e, d = int(known['client_n'], 16), known['e'], int(known['client_d'], 16)
    p, q = rsa.rsa_recover_prime_factors(n, e, d)
    return rsa.RSAPrivateNumbers(p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q),
                                 rsa.RSAPublicNumbers(e, n)).private_key()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def run(method, sign, public, channel_binding=b'', offer=b'', choice=b'', connect=b''):
    broker, x_c, x_b = scalar('broker'), scalar('x_C'), scalar('x_B')
    point_c, point_b = multiply(x_c, G), multiply(x_b, G)
    m1 = b'\x02' + UID + sha256(b'nC') + sec1c(point_c)
    head = sha256(b'nB') + sec1c(point_b)
    seen = b'SCACAuth2' + bytes([len(method)]) + method + UID + lp16(BROKER) + lp16(channel_binding) + m1 + head
    if offer:
        seen += lp16(offer) + sha256(connect)
    th1 = sha256(seen)
    sig_b = ecdsa(broker, b'SCACAuth2 B' + th1)
    m2 = head + lp16(sig_b)
    th2 = sha256(th1 + sig_b)
    shared = x_of(x_c, point_b)
    prk = mac(th2, shared)
    sig_c = sign(b'SCACAuth2 C' + th2)
    m3 = lp16(sig_c) + mac(expand(prk, b'mac C', 32), th2 + sig_c)
    th3 = sha256(th2 + m3 + (lp16(choice) if offer else b''))
    return {
        'method': method.decode(), 'UID': UID.decode(), 'broker_id': BROKER.decode(), 'channel_binding': channel_binding.hex(),
        'hop_offer': offer.decode(), 'hop': choice.decode(), 'CONNECT': connect.hex(),
        'broker_key': '%064x' % broker, 'broker_public': sec1c(multiply(broker, G)).hex(), 'client_public': public.hex(),
        'x_C': '%064x' % x_c, 'x_B': '%064x' % x_b, 'M1': m1.hex(), 'th1': th1.hex(), 'M2': m2.hex(), 'th2': th2.hex(),
        'Z': shared.hex(), 'prk': prk.hex(), 'signature': sig_c.hex(), 'M3': m3.hex(),
        'M4': mac(expand(prk, b'mac B', 32), th3).hex(), 'session_key': expand(prk, b'session', 32).hex(),
    }


def ratchet(session_key, direction, size):
    chain = expand(mac(b'SCACAuth2 ratchet', session_key), direction, 32)
    payloads = []
    for number in range(4):
        key = expand(chain, b'msg', size + 12)
        aad = b'RATCHET1' + direction + u64(number) + lp16(TOPIC)
        payloads.append((b'\x48\x02' + u64(number) + AESGCM(key[:size]).encrypt(key[size:], b'21C', aad)).hex())
        chain = expand(chain, b'next', 32)
    return payloads


def vectors(kept_signature):
    client, card = scalar('client'), rsa_key()
    ecc = run(b'SCACAuth2-ECC-256-AESGCM-128', lambda text: ecdsa(client, text), sec1c(multiply(client, G)))

    def sign(text):
        if kept_signature is not None:
            try:
                card.public_key().verify(kept_signature, text, PSS, hashes.SHA256())
                return kept_signature
            except InvalidSignature:
                pass
        return card.sign(text, PSS, hashes.SHA256())

    modulus = card.public_key().public_numbers().n.to_bytes(256, 'big')
    card_login = run(b'SCACAuth2-RSAPSS-2048-AESGCM-256', sign, modulus, sha256(b'tls-exporter'), b'HPP1,HRL1', b'HRL1',
                     bytes.fromhex('100c00044d5154540500003c00000000'))
    session = bytes.fromhex(ecc['session_key'])
    return {'ecc': ecc, 'rsa': card_login,
            'ratchet': {'session_key': session.hex(), 'topic': TOPIC.decode(), 'plaintext': '21C',
                        'c2b 128': ratchet(session, b'c2b', 16), 'b2c 128': ratchet(session, b'b2c', 16),
                        'c2b 256': ratchet(session, b'c2b', 32)}}


def main(arguments):
    if len(arguments) != 2 or arguments[0] not in ('--write', '--check'):
        sys.exit(__doc__)
    if arguments[0] == '--write':
        with open(arguments[1], 'w', encoding='utf-8') as file:
            file.write(json.dumps(vectors(None), indent=1) + '\n')
        return 0
    with open(arguments[1], encoding='utf-8') as file:
        kept = json.load(file)
    right = kept == vectors(bytes.fromhex(kept['rsa']['signature']))
    print('right' if right else 'not what the specification leads to')
    return 0 if right else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
