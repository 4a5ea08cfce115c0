#!/usr/bin/env python3
"""The hardened frames of SL3, join and revocation, computed from their specification and from nothing of the C++ code.

usage: sl3_hardened.py --write FILE     writes the vectors
       sl3_hardened.py --check FILE     exit status 0 if FILE holds exactly what this script computes

The C++ tests make the same frames from the same keys, times and chance, and open these. Needs python3-cryptography for AES-GCM.
"""
import hashlib
import hmac
import json
import sys

from check_schnorr import G, Q, multiply, point_of_id, sec1c, sign, verify
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TIME = 1767225600000
CHANCE = b'\x11' * 32  # what the hedged nonces of all signatures are made with
BROKER_ID = b'broker-1'
TOPIC, FILTER = b'plant/7/temp', b'plant/#'
MESSAGE = b'{"c":21.5}'


def u8(n):
    return n.to_bytes(1, 'big')


def u16(n):
    return n.to_bytes(2, 'big')


def u32(n):
    return n.to_bytes(4, 'big')


def u64(n):
    return n.to_bytes(8, 'big')


def lp16(b):
    return u16(len(b)) + b


def lp32(b):
    return u32(len(b)) + b


def sha256(*parts):
    return hashlib.sha256(b''.join(parts)).digest()


def expand(prk, info, length):
    out = block = b''
    while len(out) < length:
        block = hmac.new(prk, block + info + u8(len(out) // 32 + 1), hashlib.sha256).digest()
        out += block
    return out[:length]


def hkdf(key, salt, info, length):
    return expand(hmac.new(salt or bytes(32), key, hashlib.sha256).digest(), info, length)


def gcm(key_and_iv, aad, plaintext, counter=0):
    iv = bytes(a ^ b for a, b in zip(key_and_iv[16:], bytes(4) + u64(counter)))
    return AESGCM(key_and_iv[:16]).encrypt(iv, plaintext, aad)


def scalar(name):
    return int.from_bytes(sha256(b'sl3 hardened ' + name.encode()), 'big') % (Q - 1) + 1


def x_of(k, point):
    return multiply(k, point)[0].to_bytes(32, 'big')


def ecdsa(key, message):
    digest = int.from_bytes(hashlib.sha256(message).digest(), 'big')
    nonce = int.from_bytes(sha256(b'nonce', key.to_bytes(32, 'big'), message), 'big') % Q
    r = multiply(nonce, G)[0] % Q
    s = pow(nonce, -1, Q) * (digest + r * key) % Q
    return r.to_bytes(32, 'big') + s.to_bytes(32, 'big')


class Party:
    """Three keys, as every identity has."""

    def __init__(self, name):
        a = scalar(name + ' schnorr')
        self.schnorr = a if multiply(a, G)[1] % 2 == 0 else Q - a
        self.ecdsa, self.agreement = scalar(name + ' ecdsa'), scalar(name + ' agreement')
        self.id = x_of(self.schnorr, G)
        self.ecdsa_public, self.agreement_public = sec1c(multiply(self.ecdsa, G)), sec1c(multiply(self.agreement, G))

    def sign(self, kind, topic, message, time, sequence):
        elements = [b'MALINA-2', u8(kind), b'\x01', BROKER_ID, topic, self.id, message, u64(time), u64(sequence)]
        z, e = sign(self.schnorr.to_bytes(32, 'big'), elements, CHANCE)
        assert verify(self.id, elements, z, e)
        return z + e

    def secrets(self):
        return {'schnorr': '%064x' % self.schnorr, 'ecdsa': '%064x' % self.ecdsa, 'agreement': '%064x' % self.agreement,
                'id': self.id.hex()}


broker, publisher, subscriber, authority = (Party(n) for n in ('broker', 'publisher', 'subscriber', 'authority'))
KB = multiply(broker.agreement, G)


def session(kind, who, topic, name, sequence):
    """A request, its answer, and the master that both sides come to."""
    e, f, sub = scalar(name + ' e'), scalar(name + ' f'), sha256(b'sub', name.encode())[:8]
    start = bytes([2, kind, 1])
    point_e, point_f = sec1c(multiply(e, G)), sec1c(multiply(f, G))
    th1 = sha256(start, point_e, lp16(BROKER_ID), sec1c(KB))
    static = x_of(e, KB)
    body = u64(TIME) + u64(sequence) + lp16(topic) + who.id + who.sign(kind, topic, th1, TIME, sequence)
    request = start + point_e + gcm(hkdf(static, th1, b'MALINA-2 sl3 req', 28), th1, body)
    th2 = sha256(th1, request, point_f)
    master = hkdf(static + x_of(e, multiply(f, G)), th2, b'MALINA-2 sl3 master', 32)
    answer = bytes([2, kind + 7, 1]) + point_f + gcm(expand(master, b'resp', 28), th2, sub + u64(TIME + 3))
    return {'e': '%064x' % e, 'f': '%064x' % f, 'sub': sub.hex(), 'sequence': sequence, 'topic': topic.decode(),
            'request': request.hex(), 'answer': answer.hex(), 'master': master.hex()}


def in_session(made, kind, counter, body):
    direction = b'data c2b' if kind == 0x33 else b'data b2c'
    header = bytes([2, kind, 1]) + bytes.fromhex(made['sub']) + u64(counter)
    return header + gcm(expand(bytes.fromhex(made['master']), direction, 28), header, body, counter)


def vectors():
    out = {'broker_id': BROKER_ID.decode(), 'time': TIME, 'chance': CHANCE.hex(), 'topic': TOPIC.decode(),
           'filter': FILTER.decode(), 'message': MESSAGE.decode(), 'broker': broker.secrets(), 'publisher': publisher.secrets(),
           'subscriber': subscriber.secrets(), 'authority': authority.secrets()}
    publishing = session(0x32, publisher, TOPIC, 'publisher', 7)
    subscribing = session(0x31, subscriber, FILTER, 'subscriber', 3)

    def signed(sequence):
        return publisher.sign(0x33, TOPIC, MESSAGE, TIME, sequence)

    def message_in(sequence):
        return lp16(TOPIC) + lp32(MESSAGE) + u64(TIME) + u64(sequence) + signed(sequence)

    def message_out(sequence):
        return lp16(TOPIC) + publisher.id + lp32(MESSAGE) + u64(TIME) + u64(sequence) + signed(sequence)

    publishing['SL3_3'] = [in_session(publishing, 0x33, n, message_in(8 + n)).hex() for n in range(2)]
    subscribing['SL3_4'] = in_session(subscribing, 0x34, 0, message_out(8)).hex()
    group, secret, epoch = sha256(b'group')[:16], sha256(b'group secret'), 1
    subscribing['SL3_5'] = in_session(subscribing, 0x35, 1, group + u32(epoch) + secret + u32(1024)).hex()
    out['publishing'], out['subscribing'] = publishing, subscribing

    key = hkdf(secret, b'', b'MALINA-2 sl3 group' + group + u32(epoch), 28)
    frames = []
    for counter in range(2):
        header = bytes([2, 0x36, 1]) + group + u32(epoch) + u64(counter)
        body = message_out(8 + counter)
        sig = ecdsa(broker.ecdsa, b'MALINA-2 group message' + lp16(BROKER_ID) + header + body)
        frames.append((header + gcm(key, header, body + sig, counter)).hex())
    # The same message again, under the signature of somebody who holds the group's key and is not the broker.
    header = bytes([2, 0x36, 1]) + group + u32(epoch) + u64(5)
    forged = ecdsa(subscriber.ecdsa, b'MALINA-2 group message' + lp16(BROKER_ID) + header + message_out(8))
    insider = (header + gcm(key, header, message_out(8) + forged, 5)).hex()
    out['group'] = {'id': group.hex(), 'secret': secret.hex(), 'epoch': epoch, 'SL3_6': frames, 'SL3_6_by_an_insider': insider}

    r, ticket, start = scalar('join r'), sha256(b'ticket')[:16], bytes([2, 0x41, 1])
    point = sec1c(multiply(r, G))
    th = sha256(start, point, lp16(BROKER_ID), sec1c(KB))
    topics = u16(2) + lp16(b'plant/7/#') + lp16(b'plant/8/+')
    role = u8(1)
    sig = publisher.sign(0x41, b'', th + role + ticket + publisher.ecdsa_public + publisher.agreement_public + topics, TIME, 1)
    body = (role + ticket + publisher.id + publisher.ecdsa_public + publisher.agreement_public + topics + u64(TIME) + u64(1) + sig)
    shared = x_of(r, KB)
    request = start + point + gcm(hkdf(shared, th, b'MALINA-2 join', 28), th, body)
    th2, iv = sha256(th, request), sha256(b'join iv')[:12]
    answer = (bytes([2, 0x42, 1]) + iv + AESGCM(hkdf(shared, th2, b'MALINA-2 join answer', 16))
              .encrypt(iv, u8(0) + publisher.id + u64(TIME + 4), th2))
    out['join'] = {'r': '%064x' % r, 'ticket': ticket.hex(), 'iv': iv.hex(), 'request': request.hex(), 'answer': answer.hex()}

    def request_of(evidence, number):
        frame = (bytes([2, 0x51, 1]) + subscriber.ecdsa_public + u64(number) + u64(TIME + 5) + evidence + lp16(b'nonsense'))
        return (frame + ecdsa(subscriber.ecdsa, b'MALINA-2 revocation request' + frame)).hex()

    evidence = lp16(BROKER_ID) + lp16(TOPIC) + lp32(MESSAGE) + u64(TIME)
    order = bytes([2, 0x52, 1]) + u64(12) + u64(TIME + 6) + u8(1) + publisher.id + u8(4)
    paper = b'RVK1' + u64(13) + u64(TIME + 6) + u8(2) + publisher.id + u8(0)
    out['revocation'] = {
        'request_sl3': request_of(u8(3) + evidence + publisher.id + u64(8) + signed(8), 4),
        'request_sl2': request_of(u8(2) + evidence + lp16(b'an escrow'), 5),
        'order': (order + ecdsa(authority.ecdsa, b'MALINA-2 revocation order' + order)).hex(),
        'paper_order': (paper + ecdsa(authority.ecdsa, paper)).hex()}
    return json.dumps(out, indent=1) + '\n'


def write_or_check(arguments, usage, text):
    """What the scripts of this kind do when they are called."""
    if len(arguments) != 2 or arguments[0] not in ('--write', '--check'):
        sys.exit(usage)
    if arguments[0] == '--write':
        with open(arguments[1], 'w', encoding='utf-8') as file:
            file.write(text)
        return 0
    with open(arguments[1], encoding='utf-8') as file:
        right = file.read() == text
    print('right' if right else 'not what the specification leads to')
    return 0 if right else 1


if __name__ == '__main__':
    assert point_of_id(publisher.id) == multiply(publisher.schnorr, G)
    sys.exit(write_or_check(sys.argv[1:], __doc__, vectors()))
