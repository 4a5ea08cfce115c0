"""The login PMQTT-2, its paper form, HPP1 and HRL1 once more: from the text of schemes/pmqtt/README.md, over Python's
cryptography, without a line of the C++ code."""
import base64
import hashlib
import hmac
import os
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from packets import packet, text

CURVE = ec.SECP256R1()


def decode(value):
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


def encode(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def lp16(value):
    return struct.pack(">H", len(value)) + value


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def mac(key, *parts):
    return hmac.new(key, b"".join(parts), "sha256").digest()


def expand(root, info, size):
    return HKDFExpand(hashes.SHA256(), size, info).derive(root)


def signing_key(path):
    """The ECDSA key in NAME.key."""
    with open(path) as file:
        line = next(line for line in file if line.startswith("SEALMQ-SECRET-KEY-1 "))
    body = decode(line.split()[1])
    at = 2 + body[1]
    keys = {}
    for number in range(body[at]):
        entry = body[at + 1 + 33 * number:][:33]
        keys[entry[0]] = entry[1:]
    return ec.derive_private_key(int.from_bytes(keys[2], "big"), CURVE)


def broker_identity(path):
    """Broker id and ECDSA key in broker.pub."""
    with open(path) as file:
        words = dict(line.split()[:2] for line in file if not line.startswith("#"))
    return words["broker"], ec.EllipticCurvePublicKey.from_encoded_point(CURVE, decode(words["ecdsa-p256"]))


def raw_signature(key, message, algorithm=hashes.SHA256()):
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(algorithm)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify(key, message, raw):
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.verify(der, message, ec.ECDSA(hashes.SHA256()))


class Login:
    def __init__(self, user, password, key, broker, client_id="c", hop=None):
        self.user, self.password, self.key, self.client_id, self.hop = user, password, key, client_id, hop
        self.broker_id, self.broker_key = broker
        self._ephemeral = ec.generate_private_key(CURVE)
        point = self._ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        self.m1 = b"\x02" + os.urandom(32) + point

    def connect(self):
        offer = b"\x26" + text("hop") + text(self.hop) if self.hop else b""
        properties = b"\x15" + text("PMQTT-2") + b"\x16" + lp16(self.m1) + offer
        body = text("MQTT") + b"\x05\x82" + struct.pack(">H", 60) + variable(len(properties)) + properties
        self.packet = packet(0x10, body + text(self.client_id) + text(self.user))
        return self.packet

    def answer(self, m2, verifiers={}):
        """M3. Raises InvalidSignature if this is another broker."""
        head2, signature = m2[:84], m2[84:]
        assert len(signature) == 64, len(m2)
        facts = [self.client_id.encode(), self.user.encode(), self.broker_id.encode(), b"", self.m1, head2]
        transcript = b"PMQTT-2" + b"".join(map(lp16, facts))
        if self.hop:
            transcript += lp16(self.hop.encode()) + sha256(self.packet)
        th1 = sha256(transcript)
        verify(self.broker_key, b"PMQTT-2 B" + th1, signature)
        peer = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, head2[32:65])
        shared = self._ephemeral.exchange(ec.ECDH(), peer)
        root = mac(th1, shared)
        client_key, self._broker_mac_key, self.session_key = (
            expand(root, label, 32) for label in (b"PMQTT-2 client mac", b"PMQTT-2 broker mac", b"PMQTT-2 session"))
        self.th2 = sha256(th1, signature)
        verifier = self.verifier(head2[65:], verifiers)
        self.m3 = raw_signature(self.key, b"PMQTT-2 C" + self.th2) + mac(client_key, self.th2, verifier)
        return self.m3

    def verifier(self, parameters, known):
        if not self.password:
            return bytes(32)
        if (self.password, parameters) not in known:
            salt, (log2_n, r, p) = parameters[:16], parameters[16:]
            known[self.password, parameters] = hashlib.scrypt(
                self.password.encode(), salt=salt, n=1 << log2_n, r=r, p=p, dklen=32, maxmem=1 << 28)
        return known[self.password, parameters]

    def auth(self):
        return self._auth(b"\x18", self.m3)

    def again(self):
        """The first AUTH of another login on the connection."""
        return self._auth(b"\x19", self.m1)

    @staticmethod
    def _auth(reason, data):
        properties = b"\x15" + text("PMQTT-2") + b"\x16" + lp16(data)
        return packet(0xF0, reason + variable(len(properties)) + properties)

    def confirms(self, m4, choice=""):
        bound = lp16(choice.encode()) if self.hop else b""
        return hmac.compare_digest(m4, mac(self._broker_mac_key, sha256(self.th2, self.m3, bound)))


def variable(value):
    out = b""
    while True:
        value, digit = divmod(value, 128)
        out += bytes([digit | (0x80 if value else 0)])
        if not value:
            return out


def properties_of(body, at):
    """Of CONNACK and AUTH, as far as a login needs them: number -> values."""
    size, shift = 0, 0
    while True:
        digit = body[at]
        size |= (digit & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not digit & 0x80:
            break
    end, found = at + size, {}
    sizes = {0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}

    def field():
        nonlocal at
        size = struct.unpack_from(">H", body, at)[0]
        value = body[at + 2:at + 2 + size]
        at += 2 + size
        return value

    while at < end:
        number = body[at]
        at += 1
        if number in sizes:
            value, at = body[at:at + sizes[number]], at + sizes[number]
        elif number == 0x26:
            value = (field().decode(), field().decode())
        else:
            value = field()
        found.setdefault(number, []).append(value)
    return found


class Epochs:
    """The keys of one direction of a hop layer."""

    def __init__(self, layer, session_key, way, suffix=b""):
        root = mac(layer, session_key)
        key, self._iv, self._update = (
            expand(root, layer + part + way + suffix, size) for part, size in ((b" key ", 16), (b" iv ", 12), (b" update ", 32)))
        self._layer, self._way, self._key, self._number = layer, way, AESGCM(key), 0

    def go_on(self, new_session_key=None):
        if new_session_key is not None:
            self._update = expand(mac(self._update, new_session_key), b"HRL1 mixed " + self._way, 32)
        key, self._iv, self._update = (
            expand(self._update, self._layer + part, size) for part, size in ((b" key", 16), (b" iv", 12), (b" update", 32)))
        self._key, self._number = AESGCM(key), 0

    def nonce(self, number):
        return bytes(a ^ b for a, b in zip(self._iv, number.to_bytes(12, "big")))

    def next(self):
        self._number += 1
        return self._key, self.nonce(self._number - 1)

    def key(self):
        return self._key


class Records:
    """HRL1, a client's end."""

    def __init__(self, session_key):
        self._out, self._in = (Epochs(b"HRL1", session_key, way) for way in (b"c2b", b"b2c"))

    def seal(self, packets, kind=b"\x17"):
        header = kind + (len(packets) + 16).to_bytes(3, "big")
        key, nonce = self._out.next()
        return header + key.encrypt(nonce, packets, header)

    def update(self, new_session_key=None):
        """The record that ends an epoch; with the key of a new login mixed in."""
        record = self.seal(b"\0" if new_session_key is None else b"\1", b"\x18")
        self._out.go_on(new_session_key)
        return record

    def open(self, record, new_session_key=None):
        key, nonce = self._in.next()
        opened = key.decrypt(nonce, record[4:], record[:4])
        if record[:1] == b"\x17":
            return opened
        assert opened == (b"\0" if new_session_key is None else b"\1"), opened
        self._in.go_on(new_session_key)
        return b""


class Payloads:
    """HPP1, a client's end."""

    def __init__(self, session_key, client_id):
        self._keys = {way: Epochs(b"HPP1", session_key, way, lp16(client_id.encode())) for way in (b"c2b", b"b2c")}
        self._sent = self._epoch = 0

    def update(self):
        """The next payload is of the next epoch."""
        self._keys[b"c2b"].go_on()
        self._epoch, self._sent = self._epoch + 1, (self._epoch + 1) << 40

    def _parts(self, way, number, topic):
        keys = self._keys[way]
        return keys.key(), keys.nonce(number), b"HPP1" + way + struct.pack(">Q", number) + lp16(topic.encode())

    def seal(self, topic, payload):
        number, self._sent = self._sent, self._sent + 1
        key, nonce, aad = self._parts(b"c2b", number, topic)
        return b"\x48\x01" + struct.pack(">Q", number) + key.encrypt(nonce, payload, aad)

    def open(self, topic, payload):
        assert payload[:2] == b"\x48\x01", payload
        key, nonce, aad = self._parts(b"b2c", struct.unpack(">Q", payload[2:10])[0], topic)
        return key.decrypt(nonce, payload[10:], aad)


def paper_connect(user, password, key, client_id="c"):
    """As it is sent; MQTT 3.1.1."""
    head = text("MQTT") + b"\x04"
    rest = struct.pack(">H", 60) + text(client_id)
    signed = packet(0x10, head + b"\xc2" + rest + text(user) + text(password))
    return packet(0x10, head + b"\x82" + rest + text(user + "~" + encode(raw_signature(key, signed, hashes.SHA1()))))


__all__ = ["InvalidSignature", "Login", "Payloads", "Records", "broker_identity", "paper_connect", "properties_of", "signing_key"]
