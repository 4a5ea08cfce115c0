#!/usr/bin/env python3
"""JOIN and REQUEST as published, and JOIN with both roles, computed from their specification and from nothing of the C++ code.

usage: joining_and_asking.py --write FILE     writes the vectors
       joining_and_asking.py --check FILE     exit status 0 if FILE holds exactly what this script computes

Keys, time and chance are those of sl3_hardened.py. The C++ tests make the same frames and open these. Needs python3-cryptography.
"""
import hashlib
import json
import sys

from check_schnorr import G, multiply, sec1c, sign, verify
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sl3_hardened import (BROKER_ID, CHANCE, KB, MESSAGE, TIME, TOPIC, gcm, hkdf, lp16, lp32, publisher, scalar, sha256,
                          u8, u16, u64, write_or_check, x_of)

PUBLISH, SUBSCRIBE = [b'plant/7/#', b'plant/8/+'], [b'orders/+']
RIGHTS = {'publisher': (PUBLISH, []), 'subscriber': ([], SUBSCRIBE), 'both': (PUBLISH, SUBSCRIBE), 'all': ([], [])}
ROLES = {'publisher': 1, 'subscriber': 2, 'both': 3, 'all': 3}


def listed(topics):
    return u16(len(topics)) + b''.join(lp16(topic) for topic in topics)


def topics_of(name):
    publish, subscribe = RIGHTS[name]
    return {1: listed(publish), 2: listed(subscribe), 3: listed(publish) + listed(subscribe)}[ROLES[name]]


def signed(elements):
    z, e = sign(publisher.schnorr.to_bytes(32, 'big'), elements, CHANCE)
    assert verify(publisher.id, elements, z, e)
    return z + e


def paper_key(shared):
    """X9.63 with SHA3-256 and no shared info."""
    return hashlib.sha3_256(shared + bytes([0, 0, 0, 1])).digest()[:16]


def paper_join(name):
    r, ticket = scalar('paper join ' + name), sha256(b'ticket', name.encode())[:16]
    iv, answer_iv = sha256(b'iv', name.encode())[:12], sha256(b'answer iv', name.encode())[:12]
    role, topics, time = u8(ROLES[name]), topics_of(name), u64(TIME)
    signature = signed([b'JOIN', role, ticket, publisher.id, topics, time])
    aead = AESGCM(paper_key(x_of(r, KB)))
    body = role + ticket + publisher.id + topics + time + signature
    request = b'JOIN_' + sec1c(multiply(r, G)) + iv + aead.encrypt(iv, body, None)
    answers = [(b'JOIN+' + answer_iv + aead.encrypt(answer_iv, u8(status) + publisher.id + u64(TIME + 4), None)).hex()
               for status in range(2)]
    return {'r': '%064x' % r, 'ticket': ticket.hex(), 'iv': iv.hex(), 'answer_iv': answer_iv.hex(), 'request': request.hex(),
            'accepted': answers[0], 'refused': answers[1]}


def hardened_join(name):
    r, ticket, start = scalar('join ' + name), sha256(b'ticket', name.encode())[:16], bytes([2, 0x41, 1])
    point, role, topics = sec1c(multiply(r, G)), u8(ROLES[name]), topics_of(name)
    th = sha256(start, point, lp16(BROKER_ID), sec1c(KB))
    keys = publisher.ecdsa_public + publisher.agreement_public
    signature = publisher.sign(0x41, b'', th + role + ticket + keys + topics, TIME, 1)
    body = role + ticket + publisher.id + keys + topics + u64(TIME) + u64(1) + signature
    return {'r': '%064x' % r, 'ticket': ticket.hex(),
            'request': (start + point + gcm(hkdf(x_of(r, KB), th, b'MALINA-2 join', 28), th, body)).hex()}


def paper_request(kind):
    """Somebody shows the authority a message of this level."""
    tag = b'SL%d_2' % kind
    signature = signed([tag, TOPIC, publisher.id, MESSAGE, u64(TIME)])
    names = publisher.id if kind != 2 else b''
    return (u8(kind) + lp16(TOPIC) + lp32(MESSAGE) + u64(TIME) + signature + names + lp16(b'nonsense')).hex()


def vectors():
    out = {'publish': [t.decode() for t in PUBLISH], 'subscribe': [t.decode() for t in SUBSCRIBE],
           'paper_join': {name: paper_join(name) for name in ROLES},
           'hardened_join': {name: hardened_join(name) for name in ROLES},
           'paper_request': {'sl%d' % kind: paper_request(kind) for kind in (1, 2, 3)}}
    return json.dumps(out, indent=1) + '\n'


if __name__ == '__main__':
    sys.exit(write_or_check(sys.argv[1:], __doc__, vectors()))
