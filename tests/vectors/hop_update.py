#!/usr/bin/env python3
"""The keys of the epochs of HRL1 and HPP1 once more, from the text of schemes/pmqtt/login.md: what src/crypto/epochs.h and hop.h
have to agree with. --check FILE compares; without it the vectors are printed."""
import hashlib
import hmac
import json
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def expand(key, info, size):
    return mac(key, info + b"\x01")[:size]  # none of them is longer than one block


def made_up(label):
    return hashlib.sha512(b"specs test seed" + bytes(4) + label).digest()[:32]


def number(value, size):
    return value.to_bytes(size, "big")


def with_length(data):
    return number(len(data), 2) + data


def sealed(key, iv, count, aad, plaintext):
    nonce = bytes(a ^ b for a, b in zip(iv, number(count, 12)))
    return AESGCM(key).encrypt(nonce, plaintext, aad)


def record(kind, key, iv, count, plaintext):
    header = number(kind, 1) + number(len(plaintext) + 16, 3)
    return header + sealed(key, iv, count, header, plaintext)


def keys_of(layer, update):
    return {"update_secret": update, "key": expand(update, layer + b" key", 16), "iv": expand(update, layer + b" iv", 12)}


def epochs(layer, session_key, direction, suffix):
    """Of epochs 1 and 2."""
    update = expand(mac(layer, session_key), layer + b" update " + direction + suffix, 32)
    found = []
    for epoch in (1, 2):
        found.append({"epoch": epoch, **keys_of(layer, update)})
        update = expand(update, layer + b" update", 32)
    return found


def vectors():
    session_key, again, client = made_up(b"hop session key"), made_up(b"hop session key again"), b"client-1"
    root = mac(b"HRL1", session_key)
    key, iv = expand(root, b"HRL1 key c2b", 16), expand(root, b"HRL1 iv c2b", 12)
    first, second = epochs(b"HRL1", session_key, b"c2b", b"")
    mixed = expand(mac(second["update_secret"], again), b"HRL1 mixed c2b", 32)
    payloads = epochs(b"HPP1", session_key, b"c2b", with_length(client))
    topic, text, count = b"plant/7/temp", b"21.5", 7
    its_number = number(1, 3) + number(count, 5)
    aad = b"HPP1c2b" + its_number + with_length(topic)
    payload = sealed(payloads[0]["key"], payloads[0]["iv"], int.from_bytes(its_number, "big"), aad, text)
    return {
        "session_key": session_key, "client_id": client.decode(), "direction": "c2b",
        "HRL1": {
            "epochs": [first, second],
            "record_update_at_number_1_of_epoch_0": record(0x18, key, iv, 1, b"\x00"),
            "record_pingreq_at_number_0_of_epoch_1": record(0x17, first["key"], first["iv"], 0, b"\xc0\x00"),
            "session_key_of_a_new_login": again,
            "record_update_mixed_at_number_1_of_epoch_1": record(0x18, first["key"], first["iv"], 1, b"\x01"),
            "epoch_2_mixed": keys_of(b"HRL1", mixed),
        },
        "HPP1": {"epochs": payloads, "topic": topic.decode(), "plaintext": text.decode(), "epoch": 1, "count": count,
                 "number": its_number, "payload": b"\x48\x01" + its_number + payload},
    }


def readable(value):
    if isinstance(value, dict):
        return {name: readable(part) for name, part in value.items()}
    if isinstance(value, list):
        return [readable(part) for part in value]
    return value.hex() if isinstance(value, bytes) else value


if __name__ == "__main__":
    made = readable(vectors())
    if sys.argv[1:2] != ["--check"]:
        print(json.dumps(made, indent=1))
        sys.exit(0)
    with open(sys.argv[2], encoding="utf-8") as file:
        sys.exit(0 if json.load(file) == made else "the vectors differ")
