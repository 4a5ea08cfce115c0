"""Many MQTT 5 clients in one process (asyncio), each with a session that it keeps over connections, for models that count what comes."""
import asyncio
import struct

from packets import CONNACK, DISCONNECT, PUBACK, PUBLISH, SUBACK, packet, split, text
from servers import PATIENCE

PUBREC, PUBREL, PUBCOMP = 5, 6, 7
MOST_IN_FLIGHT = 500


class Refused(Exception):
    pass


class Connection(asyncio.Protocol):
    """One of a client's. What comes by one that it has left behind concerns it no more."""

    def __init__(self, take):
        loop = asyncio.get_running_loop()
        self.welcome, self.ended, self.transport = loop.create_future(), loop.create_future(), None
        self._take, self._input = take, b""

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, _):
        if not self.welcome.done():
            self.welcome.set_exception(ConnectionResetError())
            self.welcome.exception()
        self.ended.set_result(None)

    def data_received(self, data):
        whole, self._input = split(self._input + data)
        for one in whole:
            self._take(self, *one)


class Client:
    def __init__(self, broker, name, on_message=None, expiry=3600, clean=False, will=None, user=None, password=None):
        """`will`: (topic, payload, qos, retain). `on_message(topic, payload, retain)`: of QoS 2 each message once."""
        self._broker, self.name, self._on_message, self._expiry, self._clean = broker, name, on_message or (lambda *_: None), expiry, clean
        self.will, self._user, self._password = will, user, password
        self.trouble = []
        self._knows_session = False
        self._connection, self._is_welcome = None, False
        self._free = list(range(1, MOST_IN_FLIGHT + 1))
        self._room = asyncio.Semaphore(MOST_IN_FLIGHT)
        self._in_flight = {}  # identifier: [topic, payload, qos, retain, whether PUBREC came, future]
        self._received = set()  # identifiers of QoS 2, until PUBREL
        self._asked = []

    # -- what a client does

    @property
    def is_open(self):
        return self._is_welcome and not self._connection.transport.is_closing()

    async def connect(self):
        """Answers whether the broker had its session. A broker that is not there is waited for."""
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE
        self._is_welcome = False
        self._asked.clear()
        while True:
            try:
                _, self._connection = await loop.create_connection(lambda: Connection(self._take), "127.0.0.1", self._broker.port)
                self._send(self._hello())
                present = await asyncio.wait_for(asyncio.shield(self._connection.welcome), PATIENCE)
                break
            except (OSError, asyncio.TimeoutError):  # it is being started again
                self._leave_behind()
                if loop.time() > end:
                    raise
                await asyncio.sleep(0.05)
        if self._knows_session and not present and not self._clean:
            self.trouble.append(f"{self.name}: the broker has forgotten its session")
        self._knows_session = self._is_welcome = True
        if not present:
            self._received.clear()
        for identifier, (topic, payload, qos, retain, was_received, _) in list(self._in_flight.items()):
            if was_received and present:
                self._send(packet(PUBREL << 4 | 2, struct.pack(">H", identifier)))
            else:
                self._send(self._message(topic, payload, qos, retain, identifier, dup=True))
        return present

    async def subscribe(self, *filters, qos=1):
        answer = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self._send(packet(0x82, b"\0\1\0" + b"".join(text(filter) + bytes([qos]) for filter in filters)))
        reasons = await asyncio.wait_for(answer, PATIENCE)
        assert all(reason == qos for reason in reasons), f"SUBACK says {reasons}"

    async def publish(self, topic, payload, qos=1, retain=False):
        """A future that is done when the broker has acknowledged it, over however many connections. Waits for room in its window."""
        if qos == 0:
            self._send(self._message(topic, payload, 0, retain, 0, False))
            return None
        await self._room.acquire()
        identifier = self._free.pop()
        done = asyncio.get_running_loop().create_future()
        self._in_flight[identifier] = [topic, payload, qos, retain, False, done]
        if self.is_open:
            self._send(self._message(topic, payload, qos, retain, identifier, False))
        return done

    def cut(self):
        """Without a word: its Will is published."""
        self._leave_behind()

    async def leave(self):
        self._is_welcome = False
        self._send(b"\xe0\x00")
        await asyncio.wait_for(asyncio.shield(self._connection.ended), PATIENCE)

    async def wait_for_end(self):
        await self._connection.ended

    # -- bytes

    def _hello(self):
        properties = b"\x11" + struct.pack(">I", self._expiry)
        flags = 2 if self._clean else 0
        body = text(self.name)
        if self.will:
            topic, payload, qos, retain = self.will
            flags |= 4 | qos << 3 | (0x20 if retain else 0)
            body += b"\0" + text(topic) + struct.pack(">H", len(payload)) + payload
        if self._user:
            flags |= 0xC0
            body += text(self._user) + text(self._password)
        return packet(0x10, text("MQTT") + bytes([5, flags]) + struct.pack(">H", 0) + bytes([len(properties)]) + properties + body)

    @staticmethod
    def _message(topic, payload, qos, retain, identifier, dup):
        first = 0x30 | qos << 1 | (8 if dup else 0) | (1 if retain else 0)
        return packet(first, text(topic) + (struct.pack(">H", identifier) if qos else b"") + b"\0" + payload)

    def _send(self, data):
        if self._connection is not None and not self._connection.transport.is_closing():
            self._connection.transport.write(data)

    def _leave_behind(self):
        self._is_welcome = False
        if self._connection is not None:
            self._connection.transport.abort()

    def _take(self, connection, kind, flags, body):
        if connection is not self._connection or connection.transport.is_closing():
            return
        if kind == CONNACK:
            if body[1] != 0:
                connection.welcome.set_exception(Refused(f"{self.name}: CONNACK says {body[1]:#x}"))
            else:
                connection.welcome.set_result(body[0] == 1)
        elif kind == PUBLISH:
            self._take_message(flags, body)
        elif kind == SUBACK:
            self._asked.pop(0).set_result(body[3 + body[2]:])
        elif kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
            identifier, = struct.unpack(">H", body[:2])
            reason = body[2] if len(body) > 2 else 0
            if kind == PUBREL:
                self._received.discard(identifier)
                self._send(packet(PUBCOMP << 4, body[:2]))
            elif kind == PUBREC and reason < 0x80:
                if identifier in self._in_flight:
                    self._in_flight[identifier][4] = True
                self._send(packet(PUBREL << 4 | 2, body[:2]))
            elif identifier in self._in_flight:
                self._done(identifier, reason)
        elif kind == DISCONNECT and body[:1] not in (b"", b"\0", b"\x8b"):  # 0x8b: the broker ends
            self.trouble.append(f"{self.name}: DISCONNECT says {body[0]:#x}")

    def _done(self, identifier, reason):
        future = self._in_flight.pop(identifier)[5]
        self._free.insert(0, identifier)
        self._room.release()
        if reason >= 0x80 and reason != 0x92:
            self.trouble.append(f"{self.name}: a message was refused with {reason:#x}")
        future.set_result(reason)

    def _take_message(self, flags, body):
        qos = flags >> 1 & 3
        at = 2 + struct.unpack(">H", body[:2])[0]
        topic, identifier = body[2:at].decode(), body[at:at + 2]
        at += 2 if qos else 0
        payload = body[at + 1 + body[at]:]
        if qos == 2:
            number, = struct.unpack(">H", identifier)
            if number not in self._received:
                self._received.add(number)
                self._on_message(topic, payload, bool(flags & 1))
            self._send(packet(PUBREC << 4, identifier))
            return
        self._on_message(topic, payload, bool(flags & 1))
        if qos == 1:
            self._send(packet(PUBACK << 4, identifier))
