"""MQTT packets by hand, for what no proper client would do."""
import socket
import struct

from servers import PATIENCE

CONNACK, PUBLISH, PUBACK, SUBACK, DISCONNECT = 2, 3, 4, 9, 14


def packet(first_byte, body):
    length, size = b"", len(body)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([first_byte]) + length + body


def text(value):
    return struct.pack(">H", len(value)) + value.encode()


def connect(name, version=5, keep_alive=60):
    return packet(0x10, text("MQTT") + bytes([version, 2]) + struct.pack(">H", keep_alive) + (b"\0" if version == 5 else b"") + text(name))


def subscribe(topic, qos=0):
    return packet(0x82, b"\0\1\0" + text(topic) + bytes([qos]))


def publish(topic, payload, number=None, retain=False):
    """QoS 1 if it has a number. MQTT 5."""
    if number is None:
        return packet(0x30 | retain, text(topic) + b"\0" + payload)
    return packet(0x32 | retain, text(topic) + struct.pack(">H", number) + b"\0" + payload)


def split(data):
    """The whole packets that it begins with, as type, flags and body, and what is left."""
    whole, at = [], 0
    while True:
        size, shift, start = 0, 0, at + 1
        while start < len(data):
            digit = data[start]
            size |= (digit & 0x7F) << shift
            shift, start = shift + 7, start + 1
            if not digit & 0x80:
                break
        else:
            break
        if start + size > len(data):
            break
        whole.append((data[at] >> 4, data[at] & 15, data[start:start + size]))
        at = start + size
    return whole, data[at:]


class Raw:
    """A TCP connection to a broker."""

    def __init__(self, broker, sent=b"", source=None):
        """`source`: the address that it comes from."""
        self.socket = socket.create_connection(("127.0.0.1", broker.port), PATIENCE, source and (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = self.socket.makefile("rb")
        self.send(sent)

    def send(self, data):
        self.socket.sendall(data)

    def read(self):
        """The next packet's type and body; None at the end of the connection."""
        first = self._input.read(1)
        if not first:
            return None
        size, shift = 0, 0
        while True:
            digit = self._input.read(1)[0]
            size |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                return first[0] >> 4, self._input.read(size)

    def expect(self, packet_type):
        seen = self.read()
        assert seen is not None and seen[0] == packet_type, f"expected packet {packet_type}, got {seen}"
        return seen[1]

    def ends(self):
        """True when the peer closes without another word; raises if it does not close at all."""
        try:
            return self._input.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self._input.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def logged_in(broker, name, **options):
    client = Raw(broker, connect(name, **options))
    body = client.expect(CONNACK)
    assert body[1] == 0, f"CONNACK says {body[1]:#x}"
    return client
