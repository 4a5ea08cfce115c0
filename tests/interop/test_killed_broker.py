"""A broker that is killed at any moment loses no acknowledged message and delivers no QoS 2 message twice.

Publishers and subscribers with sessions of their own keep a load up while the broker is killed (SIGKILL) at random moments and
started again with its data. Then everything is counted. ROUNDS kills, 15 if the environment does not say; `./dev endurance` says 200.
"""
import os
import random
import selectors
import socket
import struct
import time

from packets import CONNACK, PUBACK, PUBLISH, SUBACK, packet, split, text
from servers import PATIENCE, Broker

ROUNDS = int(os.environ.get("ROUNDS", "15"))
SEED = int(os.environ.get("SEED", str(random.randrange(1 << 30))))
PUBREC, PUBREL, PUBCOMP = 5, 6, 7
WINDOW = 20  # messages unacknowledged of one publisher
FOREVER = b"\x05\x11\xff\xff\xff\xff"  # Session Expiry Interval


def ack(kind, number):
    return packet(kind << 4 | (2 if kind == PUBREL else 0), struct.pack(">H", number))


class Client:
    """One session. What it must remember over connections, it remembers; what it had not sent is lost with a connection."""

    def __init__(self, name):
        self.name, self.socket, self.buffer, self.online = name, None, b"", False

    def dial(self, port):
        self.buffer, self.online = b"", False
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(packet(0x10, text("MQTT") + b"\5\0\0\0" + FOREVER + text(self.name)))

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # killed meanwhile: it ends with the next read

    def read(self):
        """False at the end of the connection."""
        try:
            data = self.socket.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self.socket.close()
            self.online = False
            return False
        whole, self.buffer = split(self.buffer + data)
        for one in whole:
            self.take(*one)
        return True

    def take(self, kind, flags, body):
        if kind == CONNACK:
            assert body[1] == 0, f"{self.name}: CONNACK says {body[1]:#x}"
            self.online = True
            self.came_back(body[0] == 1)
        else:
            self.got(kind, flags, body)


class Publisher(Client):
    def __init__(self, name, qos):
        super().__init__(name)
        self.qos, self.sent, self.done, self.quiet = qos, 0, set(), False
        self.in_flight = {}  # identifier: [message number, whether PUBREC came]
        self.free = list(range(1, WINDOW + 1))

    def message(self, identifier, number, dup):
        # Every tenth message is retained, so that retained messages are counted too.
        first = 0x30 | self.qos << 1 | (8 if dup else 0) | (1 if number % 10 == 0 else 0)
        return packet(first, text(f"kill/{self.qos}/{self.name}") + struct.pack(">H", identifier) + b"\0" + b"%d" % number)

    def came_back(self, session_present):
        received = [n for n, pubrec in self.in_flight.values() if pubrec]
        assert session_present or not received, f"{self.name}: the session is gone, but PUBREC had come for {received}"
        for identifier, (number, pubrec) in self.in_flight.items():
            self.send(ack(PUBREL, identifier) if pubrec else self.message(identifier, number, True))
        self.fill()

    def fill(self):
        out = b""
        while self.free and not self.quiet:
            identifier, number = self.free.pop(), self.sent
            self.sent += 1
            self.in_flight[identifier] = [number, False]
            out += self.message(identifier, number, False)
        if out:
            self.send(out)

    def got(self, kind, flags, body):
        identifier = struct.unpack(">H", body[:2])[0]
        if kind == PUBREC:
            assert len(body) == 2 or body[2] < 0x80, f"{self.name}: PUBREC {body[2]:#x}"
            if identifier in self.in_flight:
                self.in_flight[identifier][1] = True
            self.send(ack(PUBREL, identifier))
        elif kind in (PUBACK, PUBCOMP) and identifier in self.in_flight:
            assert len(body) == 2 or body[2] < 0x80 or kind == PUBCOMP, f"{self.name}: PUBACK {body[2]:#x}"
            self.done.add(self.in_flight.pop(identifier)[0])
            self.free.insert(0, identifier)
            self.fill()


class Subscriber(Client):
    def __init__(self, name, topic, qos):
        super().__init__(name)
        self.topic, self.qos, self.subscribed = topic, qos, False
        self.seen = {}  # (publisher, qos): message numbers in the order of their coming
        self.unreleased = set()

    def came_back(self, session_present):
        if self.subscribed:
            assert session_present, f"{self.name}: the session is gone"
        else:
            self.send(packet(0x82, b"\0\1\0" + text(self.topic) + bytes([self.qos | 0x20])))  # no retained messages

    def got(self, kind, flags, body):
        if kind == SUBACK:
            self.subscribed = True
        elif kind == PUBLISH:
            qos, size = flags >> 1 & 3, struct.unpack(">H", body[:2])[0]
            topic, rest = body[2:2 + size].decode(), body[2 + size:]
            identifier = struct.unpack(">H", rest[:2])[0]
            publisher = topic.rsplit("/", 1)[1]
            if qos == 1 or identifier not in self.unreleased:
                self.seen.setdefault((publisher, qos), []).append(int(rest[3:]))
            if qos == 2:
                self.unreleased.add(identifier)
            self.send(ack(PUBACK if qos == 1 else PUBREC, identifier))
        elif kind == PUBREL:
            identifier = struct.unpack(">H", body[:2])[0]
            self.unreleased.discard(identifier)
            self.send(ack(PUBCOMP, identifier))


def run(clients, until, patience):
    """Lets clients talk until `until()` or the end of patience. Answers which of the two."""
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
    end = time.monotonic() + patience
    while not until():
        left = end - time.monotonic()
        if left <= 0:
            return False
        for key, _ in selector.select(min(left, 0.05)):
            if not key.data.read():
                selector.unregister(key.fileobj)
    return True


def main():
    chance = random.Random(SEED)
    print(f"{ROUNDS} kills, seed {SEED}", flush=True)
    publishers = [Publisher(f"publisher-{i}", 1 + i % 2) for i in range(4)]
    readers = [Subscriber("reader-1", "kill/#", 2), Subscriber("reader-2", "kill/2/+", 2), Subscriber("reader-3", "kill/1/+", 1)]
    workers = [Subscriber(f"worker-{i}", "$share/workers/kill/#", 2) for i in range(2)]
    subscribers = readers + workers
    limits = 'durability = "disk"\n[limits]\nmaximum_queued_messages = 1000000\nmaximum_queued_bytes = 1000000000\n'
    broker = Broker("--allow-plain", configuration=limits)
    for client in subscribers:
        client.dial(broker.port)
    assert run(subscribers, lambda: all(s.subscribed for s in subscribers), PATIENCE), "no SUBACK"

    for round_number in range(ROUNDS + 1):
        for client in publishers if round_number == 0 else publishers + subscribers:
            client.dial(broker.port)
        if round_number == ROUNDS:
            break
        everybody = publishers + subscribers
        run(everybody, lambda: False, chance.choice([0.0, 0.005, 0.02, 0.05, 0.1, 0.3]) * chance.random() + 0.005)
        broker.kill()
        run([c for c in everybody if c.socket.fileno() >= 0], lambda: all(c.socket.fileno() < 0 for c in everybody), PATIENCE)
        broker.start()
        if (round_number + 1) % 20 == 0:
            print(f"{round_number + 1} kills, {sum(len(p.done) for p in publishers)} messages acknowledged", flush=True)

    # In peace: what is in flight is finished, then what is queued comes.
    for publisher in publishers:
        publisher.quiet = True

    def numbers(subscriber, publisher, qos):
        return subscriber.seen.get((publisher.name, qos), [])

    def complete():
        if any(p.in_flight for p in publishers):
            return False
        return (all(p.done <= set(numbers(readers[0], p, p.qos)) for p in publishers)
                and all(p.done <= {n for w in workers for n in numbers(w, p, p.qos)} for p in publishers)
                and all(p.done <= set(numbers(r, p, p.qos)) for r in readers[1:] for p in publishers if f"kill/{p.qos}" in r.topic))

    finished = run(publishers + subscribers, complete, PATIENCE * 4)
    late = Subscriber("late", "kill/#", 2)
    late.dial(broker.port)
    late.came_back = lambda _: late.send(packet(0x82, b"\0\1\0" + text("kill/#") + b"\2"))
    run([late], lambda: len(late.seen) == len(publishers), 5)
    broker.stop()

    mistakes = []
    for publisher in publishers:
        qos = publisher.qos
        for reader in [r for r in readers if r.topic == "kill/#" or f"kill/{qos}" in r.topic]:
            seen = numbers(reader, publisher, qos)
            lost = publisher.done - set(seen)
            if lost:
                mistakes.append(f"{reader.name} lacks {len(lost)} of {publisher.name}: {sorted(lost)[:5]}")
            if qos == 2 and len(seen) != len(set(seen)):
                mistakes.append(f"{reader.name} got {len(seen) - len(set(seen))} of {publisher.name} twice")
            if qos == 2 and seen != sorted(seen):
                mistakes.append(f"{reader.name} got those of {publisher.name} in another order")
        shared = [n for w in workers for n in numbers(w, publisher, qos)]
        if publisher.done - set(shared):
            mistakes.append(f"the workers lack {len(publisher.done - set(shared))} of {publisher.name}")
        if qos == 2 and len(shared) != len(set(shared)):
            mistakes.append(f"the workers got {len(shared) - len(set(shared))} of {publisher.name} twice")
        retained = numbers(late, publisher, qos)
        last = max((n for n in publisher.done if n % 10 == 0), default=0)
        if retained != [last]:
            mistakes.append(f"the retained message of {publisher.name} is {retained}, not {last}")
    total = sum(len(p.done) for p in publishers)
    print(f"{ROUNDS} kills, {total} messages acknowledged, {len(mistakes)} mistakes", flush=True)
    assert finished and not mistakes, "\n".join(mistakes) or "not everything came"
    assert total > 10 * ROUNDS, "too little was published to prove anything"


main()
