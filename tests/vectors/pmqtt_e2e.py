#!/usr/bin/env python3
"""Stages 2 and 3 of hardened PMQTT, computed from their specification and from nothing of the C++ code.

usage: pmqtt_e2e.py --write FILE     writes the vectors
       pmqtt_e2e.py --check FILE     exit status 0 if FILE holds exactly what this script computes

Needs python3-cryptography for AES-GCM.
"""
import hashlib
import hmac
import json
import sys

from check_schnorr import G, Q, multiply, sec1c
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sl3_hardened import ecdsa, expand, lp16, sha256, u8, u64, write_or_check, x_of

TIME = 1767225600000
PATIENT, DOCTOR = b'patient1', b'dr.house'
TOPIC = b'pmqtt/e2e/patient1/dr.house/vitals'
BACK = b'pmqtt/e2e/dr.house/patient1'


def scalar(name):
    return int.from_bytes(sha256(b'pmqtt e2e ' + name.encode()), 'big') % (Q - 1) + 1


def gcm(key_and_iv, number, aad, plaintext):
    iv = bytes(a ^ b for a, b in zip(key_and_iv[32:], bytes(4) + u64(number)))
    return AESGCM(key_and_iv[:32]).encrypt(iv, plaintext, aad)


def signed(key, frame, tag, sender, receiver, context=b''):
    return frame + ecdsa(key, tag + lp16(sender) + lp16(receiver) + context + frame)


def frame(kind, keys, direction, sid, number, topic, plaintext):
    tag = b'PMQTT-2 E2E' if kind == 3 else b'PMQTT-2 receipt'
    aad = tag + direction + sid + u64(number) + lp16(topic)
    return bytes([2, kind]) + sid + u64(number) + gcm(keys[direction], number, aad, plaintext)


def vectors():
    patient, doctor, x_p, x_d = (scalar(n) for n in ('patient', 'doctor', 'x_P', 'x_D'))
    point_p, point_d = multiply(x_p, G), multiply(x_d, G)
    offer = signed(patient, b'\x02\x01' + u64(TIME) + sha256(b'nP') + sec1c(point_p), b'PMQTT-2 KX1', PATIENT, DOCTOR)
    answer = signed(doctor, b'\x02\x02' + u64(TIME + 40) + sha256(b'nD') + sec1c(point_d), b'PMQTT-2 KX2', DOCTOR, PATIENT,
                    hashlib.sha256(offer).digest())
    transcript = hashlib.sha256(offer + answer).digest()
    shared = x_of(x_p, point_d)
    assert shared == x_of(x_d, point_p)
    prk = hmac.new(transcript, shared, hashlib.sha256).digest()
    keys = {d: expand(prk, b'PMQTT-2 e2e ' + d + lp16(PATIENT) + lp16(DOCTOR), 44) for d in (b'pc>dr', b'dr>pc')}
    sid = transcript[:8]
    receipt = u8(2) + u64(1) + u8(0) + u64(2) + u8(1)
    return json.dumps({
        'time': TIME, 'patient': PATIENT.decode(), 'doctor': DOCTOR.decode(), 'topic': TOPIC.decode(), 'back': BACK.decode(),
        'patient_key': '%064x' % patient, 'doctor_key': '%064x' % doctor,
        'patient_public': sec1c(multiply(patient, G)).hex(), 'doctor_public': sec1c(multiply(doctor, G)).hex(),
        'x_P': '%064x' % x_p, 'x_D': '%064x' % x_d, 'KX1': offer.hex(), 'KX2': answer.hex(), 'Z': shared.hex(),
        'prk': prk.hex(), 'sid': sid.hex(), 'key pc>dr': keys[b'pc>dr'].hex(), 'key dr>pc': keys[b'dr>pc'].hex(),
        'greeting': frame(3, keys, b'pc>dr', sid, 0, b'pmqtt/e2e/patient1/dr.house', b'').hex(),
        'plaintext': '{"hr":72,"spo2":98}',
        'message': frame(3, keys, b'pc>dr', sid, 1, TOPIC, b'{"hr":72,"spo2":98}').hex(),
        'receipt': frame(5, keys, b'dr>pc', sid, 0, BACK, receipt).hex(),
        'request': signed(doctor, b'\x02\x04' + u64(TIME + 90) + sid, b'PMQTT-2 KXR', DOCTOR, PATIENT).hex(),
    }, indent=1) + '\n'


if __name__ == '__main__':
    sys.exit(write_or_check(sys.argv[1:], __doc__, vectors()))
