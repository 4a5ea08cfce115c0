#!/usr/bin/env python3
"""Checks Schnorr signatures made by the C++ code against the text of the specification, with nothing but this file and hashlib.

usage: check_schnorr.py FILE...              checks signatures in JSON files
       check_schnorr.py --fresh PROGRAM      runs PROGRAM and checks the signature it prints

For each signature: it verifies; the same key, list and chance lead to exactly this signature (so the nonce is the hedged one);
and with any one bit of it flipped it does not verify. Exit status 0 if all of that holds, else 1.
"""
import hashlib
import hmac
import json
import subprocess
import sys

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
Q = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def add(a, b):
    """The group law on points (x, y); None is the neutral element."""
    if a is None:
        return b
    if b is None:
        return a
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(k, point):
    result = None
    while k:
        if k & 1:
            result = add(result, point)
        point = add(point, point)
        k >>= 1
    return result


def point_of_id(id_bytes):
    """The point with this x and an even y, or None."""
    x = int.from_bytes(id_bytes, 'big')
    if x >= P:
        return None
    square = (x * x * x - 3 * x + B) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        return None
    return x, y if y % 2 == 0 else P - y


def sec1c(point):
    return bytes([2 + point[1] % 2]) + point[0].to_bytes(32, 'big')


def hash_list(elements):
    return hashlib.sha3_256(b''.join(len(e).to_bytes(4, 'big') + e for e in elements)).digest()


def verify(id_bytes, elements, z_bytes, e_bytes):
    z, e = int.from_bytes(z_bytes, 'big'), int.from_bytes(e_bytes, 'big') % Q
    key = point_of_id(id_bytes)
    if key is None or not 0 < z < Q or e == 0:
        return False
    commitment = add(multiply(z, G), multiply(e, key))
    return commitment is not None and hash_list([*elements, sec1c(commitment), sec1c(G)]) == e_bytes


def hkdf(key, info, length):
    """RFC 5869 with SHA-256 and no salt."""
    prk = hmac.new(bytes(32), key, hashlib.sha256).digest()
    out = block = b''
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([len(out) // 32 + 1]), hashlib.sha256).digest()
        out += block
    return out[:length]


def sign(secret_key, elements, chance):
    a = int.from_bytes(secret_key, 'big')
    nonce = int.from_bytes(hkdf(secret_key + chance, b'nonce' + hash_list(elements), 48), 'big') % Q
    e_bytes = hash_list([*elements, sec1c(multiply(nonce, G)), sec1c(G)])
    z = (nonce - int.from_bytes(e_bytes, 'big') * a) % Q
    return z.to_bytes(32, 'big'), e_bytes


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def complaints(made):
    """What is wrong with one signature, in words."""
    secret_key, chance, id_bytes, z, e = (bytes.fromhex(made[k]) for k in ('secret_key', 'random', 'id', 'z', 'e'))
    elements = [bytes.fromhex(x) for x in made['elements']]
    if [len(secret_key), len(chance), len(id_bytes), len(z), len(e)] != [32] * 5:
        return ['a field has the wrong length']
    found = []
    public = multiply(int.from_bytes(secret_key, 'big'), G)
    if public != point_of_id(id_bytes):
        found.append('the id is not that of the secret key')
    if not verify(id_bytes, elements, z, e):
        found.append('does not verify')
    if sign(secret_key, elements, chance) != (z, e):
        found.append('key, list and chance lead to another signature')
    for bit in (0, 7, 100, 255):
        if verify(id_bytes, elements, flipped(z, bit), e):
            found.append(f'verifies with bit {bit} of z flipped')
        if verify(id_bytes, elements, z, flipped(e, bit)):
            found.append(f'verifies with bit {bit} of e flipped')
    for i, element in enumerate(elements):
        other = flipped(element, 0) if element else b'\0'
        if verify(id_bytes, [*elements[:i], other, *elements[i + 1:]], z, e):
            found.append(f'verifies with element {i} changed')
    return found


def main(arguments):
    if len(arguments) == 2 and arguments[0] == '--fresh':
        printed = subprocess.run([arguments[1]], check=True, capture_output=True, text=True).stdout
        signatures = {'fresh signature': json.loads(printed)}
    elif arguments and not arguments[0].startswith('-'):
        signatures = {}
        for name in arguments:
            with open(name, encoding='utf-8') as file:
                signatures[name] = json.load(file)
    else:
        sys.exit(__doc__)
    wrong = False
    for name, made in signatures.items():
        found = complaints(made)
        wrong = wrong or bool(found)
        print(f'{name}: {"; ".join(found) or "right"}')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
