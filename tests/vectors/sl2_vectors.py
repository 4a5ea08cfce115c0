#!/usr/bin/env python3
"""SL2 from the text of its README alone: makes vectors, and opens what the C++ code sealed. AES-GCM is python3-cryptography's.

usage: sl2_vectors.py                   prints the vectors as JSON
       sl2_vectors.py --check FILE      makes them again and compares with FILE
       sl2_vectors.py --fresh PROGRAM   runs PROGRAM and opens the frames it prints

Exit status 0 if all is right, else 1.
"""
import base64
import hashlib
import hmac
import json
import math
import pathlib
import subprocess
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from check_schnorr import G, P, Q, B, add, multiply, sec1c, sign as schnorr_sign, verify as schnorr_verify

GIVEN = json.loads((pathlib.Path(__file__).parent / 'malina.json').read_text(encoding='utf-8'))


def number(value, size):
    return value.to_bytes(size, 'big')


def prefixed(size, value):
    return number(len(value), size) + value


def chance(label, size=32):
    return hashlib.shake_256(b'sl2 vectors ' + label.encode()).digest(size)


def scalar(label):
    return int.from_bytes(chance(label, 48), 'big') % Q


def sha256(data):
    return hashlib.sha256(data).digest()


def hkdf(key, salt, info, length):
    prk = hmac.new(salt or bytes(32), key, hashlib.sha256).digest()
    out = block = b''
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([len(out) // 32 + 1]), hashlib.sha256).digest()
        out += block
    return out[:length]


def point_of(encoded):
    x = int.from_bytes(encoded[1:], 'big')
    y = pow((x * x * x - 3 * x + B) % P, (P + 1) // 4, P)
    return x, y if y % 2 == encoded[0] - 2 else P - y


def x_of(secret, point):
    return number(multiply(secret, point)[0], 32)


# --- Rabin ---

def roots(c, r, s):
    """The four roots, that which is a square itself first; none if c is no square."""
    root_r, root_s = pow(c, (r + 1) // 4, r), pow(c, (s + 1) // 4, s)
    if root_r * root_r % r != c % r or root_s * root_s % s != c % s:
        return []
    n = r * s
    one = (root_r * s * pow(s, -1, r) + root_s * r * pow(r, -1, s)) % n
    two = (root_r * s * pow(s, -1, r) - root_s * r * pow(r, -1, s)) % n
    return [one, n - one, two, n - two]


def decapsulate(c_bytes, r, s):
    n = r * s
    size = (n.bit_length() + 7) // 8
    c = int.from_bytes(c_bytes, 'big')
    found = roots(c, r, s) if len(c_bytes) == size and 0 < c < n else []
    if not found:
        seed = hkdf(number(r, size // 2) + number(s, size // 2), sha256(number(n, size)), b'MALINA-2 rabin-kem reject', 32)
        return hkdf(seed, b'', b'reject' + c_bytes, 32)
    x = min(found[0], found[1])
    return hkdf(number(x, size), sha256(number(n, size)), b'MALINA-2 rabin-kem' + c_bytes, 32)


def decrypt(c_bytes, r, s):
    """The data of the one root that is padded data."""
    size = len(c_bytes)
    data = []
    for root in roots(int.from_bytes(c_bytes, 'big'), r, s):
        padded = number(root, size)
        zero = padded.find(b'\0', 2)
        if padded[:2] == b'\0\2' and zero >= 18 and hashlib.sha3_256(padded[zero + 1:-8]).digest()[:8] == padded[-8:]:
            data.append(padded[zero + 1:-8])
    assert len(data) == 1, 'not exactly one root is padded data'
    return data[0]


# --- frames ---

def seal(kind, c, key, broker_id, plaintext):
    header = bytes([2, kind, 1]) + prefixed(2, c)
    return header + AESGCM(key[:16]).encrypt(key[16:28], plaintext, header + prefixed(2, broker_id))


def open_sealed(kind, frame, r, s, broker_id):
    assert frame[:3] == bytes([2, kind, 1])
    size = int.from_bytes(frame[3:5], 'big')
    header, c = frame[:5 + size], frame[5:5 + size]
    key = decapsulate(c, r, s)
    return c, AESGCM(key[:16]).decrypt(key[16:28], frame[5 + size:], header + prefixed(2, broker_id))


def delivery_cipher(key, subscription, counter):
    both = hkdf(key, b'', b'MALINA-2 sl2 b2s' + subscription, 28)
    iv = int.from_bytes(both[16:], 'big') ^ counter
    return AESGCM(both[:16]), number(iv, 12)


def deliver(key, subscription, counter, topic, message, time, escrow):
    header = b'\x02\x23\x01' + subscription + number(counter, 8)
    cipher, iv = delivery_cipher(key, subscription, counter)
    return header + cipher.encrypt(iv, prefixed(2, topic) + prefixed(4, message) + time + prefixed(2, escrow), header)


def open_delivery(key, subscription, frame):
    assert frame[:11] == b'\x02\x23\x01' + subscription
    cipher, iv = delivery_cipher(key, subscription, int.from_bytes(frame[11:19], 'big'))
    return cipher.decrypt(iv, frame[19:], frame[:19])


def escrow_cipher(shared, point, authority):
    both = hkdf(shared, point + authority, b'MALINA-2 escrow', 28)
    return AESGCM(both[:16]), both[16:]


def make_escrow(ephemeral, authority, topic, time, authorship):
    point = sec1c(multiply(ephemeral, G))
    cipher, iv = escrow_cipher(x_of(ephemeral, point_of(authority)), point, authority)
    return point + cipher.encrypt(iv, authorship, prefixed(2, topic) + time)


def open_escrow(secret, escrow, topic, time):
    authority = sec1c(multiply(secret, G))
    cipher, iv = escrow_cipher(x_of(secret, point_of(escrow[:33])), escrow[:33], authority)
    return cipher.decrypt(iv, escrow[33:], prefixed(2, topic) + time)


def ecdsa_sign(secret, message, nonce):
    r = multiply(nonce, G)[0] % Q
    return number(r, 32) + number(pow(nonce, -1, Q) * (int.from_bytes(sha256(message), 'big') + r * secret) % Q, 32)


def ecdsa_verify(public, message, signature):
    r, s = int.from_bytes(signature[:32], 'big'), int.from_bytes(signature[32:], 'big')
    w = pow(s, -1, Q)
    sum_of_both = add(multiply(int.from_bytes(sha256(message), 'big') * w % Q, G), multiply(r * w % Q, public))
    return sum_of_both[0] % Q == r


def parameters(broker_id, agreement, modulus, not_after, authority):
    return (b'MALINA-2 parameters' + prefixed(2, broker_id) + agreement + b'\x01' + prefixed(2, modulus) + number(not_after, 8)
            + b''.join(prefixed(1, key) for key in authority))


def hardened_list(kind, broker_id, topic, identity, message, time, sequence):
    return [b'MALINA-2', bytes([kind]), b'\x01', broker_id, topic, identity, message, time, number(sequence, 8)]


def make():
    kem = GIVEN['rabin_kem_3072']
    n, c, key = (bytes.fromhex(kem[k]) for k in ('n', 'c', 'K'))
    r, s = int(kem['r'], 16), int(kem['s'], 16)
    assert decapsulate(c, r, s) == key
    broker_id, topic, message = b'broker-1', GIVEN['T'].encode(), GIVEN['M'].encode()
    time = bytes.fromhex(GIVEN['t'])
    identity = bytes.fromhex(GIVEN['ID_P'])
    sk, cap = chance('SK', 16), chance('capability', 16)
    subscription = sha256(c)[:8]

    elements = hardened_list(0x22, broker_id, topic, identity, message, time, 41)
    signature = b''.join(schnorr_sign(bytes.fromhex(GIVEN['a_P']), elements, chance('schnorr')))
    authorship = identity + number(41, 8) + signature
    broker, agreement, ra, ra_agreement = (scalar(k) for k in ('broker ecdsa', 'broker agreement', 'ra ecdsa', 'ra agreement'))
    public = {name: sec1c(multiply(secret, G)) for name, secret in
              {'ecdsa': broker, 'agreement': agreement, 'ra_ecdsa': ra, 'ra_agreement': ra_agreement}.items()}
    ephemeral = scalar('ephemeral')
    escrow = make_escrow(ephemeral, public['ra_agreement'], topic, time, authorship)

    not_after = 1769817600000
    signed = {}
    for name, authority in {'alone': (b'', b''), 'with_authority': (public['ra_ecdsa'], public['ra_agreement'])}.items():
        text = parameters(broker_id, public['agreement'], n, not_after, authority)
        text += ecdsa_sign(broker, text, scalar('nonce ' + name))
        signed[name] = base64.urlsafe_b64encode(text).rstrip(b'=').decode()

    minus_one = number(r * s - 1, len(c))
    return {
        'broker_id': broker_id.decode(), 'SK': sk.hex(), 'capability': cap.hex(), 'subscription': subscription.hex(),
        'SL2_1_closed': seal(0x21, c, key, broker_id, time + prefixed(2, b'plant/#') + sk + prefixed(1, cap)).hex(),
        'SL2_2': seal(0x22, c, key, broker_id, prefixed(2, topic) + identity + prefixed(4, message) + time + number(41, 8)
                      + signature).hex(),
        'SL2_3_confirmation': deliver(sk, subscription, 0, b'plant/#', b'', time, b'').hex(),
        'SL2_3_message': deliver(sk, subscription, 1, topic, message, time, escrow).hex(),
        'SL2_3_without_escrow': deliver(sk, subscription, 2, topic, message, time, b'').hex(),
        'SL2_3_cover': deliver(sk, subscription, 0x0102030405060708, b'', b'', time, b'').hex(),
        'signature': signature.hex(), 'sequence': 41,
        'authority_agreement_secret': number(ra_agreement, 32).hex(), 'authority_agreement': public['ra_agreement'].hex(),
        'authority_ecdsa': public['ra_ecdsa'].hex(), 'escrow_ephemeral': number(ephemeral, 32).hex(), 'escrow': escrow.hex(),
        'broker_ecdsa_secret': number(broker, 32).hex(), 'broker_ecdsa': public['ecdsa'].hex(),
        'broker_agreement': public['agreement'].hex(), 'not_after': not_after, 'parameters': signed,
        'rejected': [{'c': c.hex(), 'K': decapsulate(c, r, s).hex()} for c in (bytes(len(c)), n, minus_one, b'short')],
    }


def check_fresh(printed):
    """Opens everything that the C++ code sealed; an assertion or a tag that does not fit says what is wrong."""
    made = json.loads(printed)
    get = lambda name: bytes.fromhex(made[name])
    primes = get('rabin_secret')
    r, s = (int.from_bytes(half, 'big') for half in (primes[:len(primes) // 2], primes[len(primes) // 2:]))
    assert r % 4 == s % 4 == 3 and r != s and math.gcd(r, s) == 1
    broker_id, topic, message, time = (get(k) for k in ('broker_id', 'topic', 'message', 'time'))
    identity, sk, sequence = get('id'), get('SK'), made['sequence']

    c, plaintext = open_sealed(0x21, get('SL2_1'), r, s, broker_id)
    assert plaintext == time + prefixed(2, b'plant/#') + sk
    subscription = sha256(c)[:8]
    _, plaintext = open_sealed(0x22, get('SL2_2'), r, s, broker_id)
    head = prefixed(2, topic) + identity + prefixed(4, message) + time + number(sequence, 8)
    assert plaintext[:-64] == head
    signature = plaintext[-64:]
    elements = hardened_list(0x22, broker_id, topic, identity, message, time, sequence)
    assert schnorr_verify(identity, elements, signature[:32], signature[32:])

    assert open_delivery(sk, subscription, get('confirmation')) == prefixed(2, b'plant/#') + prefixed(4, b'') + time + prefixed(2, b'')
    plaintext = open_delivery(sk, subscription, get('SL2_3'))
    escrow = plaintext[-153:]
    assert plaintext == prefixed(2, topic) + prefixed(4, message) + time + prefixed(2, escrow)
    authority = int.from_bytes(get('authority_agreement_secret'), 'big')
    assert open_escrow(authority, escrow, topic, time) == identity + number(sequence, 8) + signature

    assert get('paper_SL2_1')[:5] == b'SL2_1'
    assert decrypt(get('paper_SL2_1')[5:], r, s) == prefixed(2, topic) + sk
    data = decrypt(get('paper_SL2_2')[5:], r, s)
    assert data[:-64] == prefixed(2, topic) + identity + prefixed(4, message) + time
    assert schnorr_verify(identity, [b'SL2_2', topic, identity, message, time], data[-64:-32], data[-32:])
    frame = get('paper_SL2_3')
    assert frame[:5] == b'SL2_3'
    assert AESGCM(sk).decrypt(frame[5:17], frame[17:], b'') == prefixed(2, topic) + prefixed(4, message) + time + data[-64:]

    signed = get('parameters')
    size = (r * s).bit_length() // 8
    assert signed[:-64] == parameters(broker_id, get('broker_agreement'), number(r * s, size), made['not_after'],
                                      (get('authority_ecdsa'), sec1c(multiply(authority, G))))
    assert ecdsa_verify(point_of(get('broker_ecdsa')), signed[:-64], signed[-64:])


def main(arguments):
    if not arguments:
        print(json.dumps(make(), indent=2))
        return 0
    if len(arguments) != 2 or arguments[0] not in ('--check', '--fresh'):
        sys.exit(__doc__)
    if arguments[0] == '--check':
        right = json.loads(pathlib.Path(arguments[1]).read_text(encoding='utf-8')) == make()
        print(f'{arguments[1]}: {"right" if right else "differs"}')
        return 0 if right else 1
    try:
        check_fresh(subprocess.run([arguments[1]], check=True, capture_output=True, text=True).stdout)
    except (AssertionError, InvalidTag, subprocess.CalledProcessError) as wrong:
        print(f'{arguments[1]}: wrong', file=sys.stderr)
        raise wrong
    print(f'{arguments[1]}: right')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
