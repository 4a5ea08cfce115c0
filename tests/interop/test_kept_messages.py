"""A client with a store: whatever is killed, the client or the broker, what publish() has taken arrives, and nothing of QoS 2 twice.

The client publishes as fast as its disk lets it, and either end is killed (SIGKILL) at random moments and started again, the broker
on the same port and with its data. Then everything is counted. ROUNDS kills, 12 if the environment does not say. PUBLISHER is the
client: keeping_publisher.cpp.
"""
import os
import random
import socket
import struct
import subprocess
import threading
import time
import unittest

from packets import CONNACK, PUBLISH, SUBACK, packet, text
from servers import PATIENCE, SEALMQ, Broker, Lines, require, sessions_stored, wait_until

ROUNDS = int(os.environ.get("ROUNDS", "12"))
SEED = int(os.environ.get("SEED", str(random.randrange(1 << 30))))
PUBREL = 6
FOREVER = b"\x05\x11\xff\xff\xff\xff"  # Session Expiry Interval
LIMITS = 'durability = "disk"\n[limits]\nmaximum_queued_messages = 1000000\nmaximum_queued_bytes = 1000000000\n'


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Publisher:
    def __init__(self, broker, *keys):
        self.url, self.store, self.keys = f"mqtt://127.0.0.1:{broker.port}", broker.path("messages"), keys
        self.taken, self.complaints = set(), []
        self.start()

    def start(self, what=None):
        # The one under way when it was killed may be in the store: its number is not used again.
        first = str(max(self.taken, default=0) + 10) if what is None else what
        self.process = subprocess.Popen([os.environ["PUBLISHER"], self.url, self.store, first, *self.keys],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said, self.complained = Lines(self.process.stdout), Lines(self.process.stderr)

    def takes(self, count):
        enough = len(self.said.all()) + count
        assert self.said.wait_for(lambda lines: len(lines) >= enough), (self.said.all()[-3:], self.complained.all())

    def kill(self):
        self.process.kill()
        self.process.wait()
        for lines in (self.said, self.complained):
            lines.wait_for(lambda _: False)  # to the end of what it has said
        self.taken |= {int(line) for line in self.said.all()}
        self.complaints += self.complained.all()
        self.process.stdout.close()
        self.process.stderr.close()


class Reader(threading.Thread):
    """A session of QoS 2 that lasts, and connects again whenever the broker has been killed. A PUBLISH of QoS 2 whose identifier is
    not released yet is the same message again."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.port, self.numbers, self.unreleased, self.subscribed, self.mistake = broker.port, [], set(), threading.Event(), None
        self.start()
        assert self.subscribed.wait(PATIENCE)

    def run(self):
        while self.mistake is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as connection:
                    self.talk(connection, connection.makefile("rb"))
            except (OSError, EOFError):
                time.sleep(0.05)

    def talk(self, connection, incoming):
        def exactly(size):
            data = incoming.read(size)
            if len(data) < size:
                raise EOFError
            return data

        connection.sendall(packet(0x10, text("MQTT") + b"\5\0\0\0" + FOREVER + text("reader")))
        while True:
            first, size, shift = exactly(1)[0], 0, 0
            while True:
                digit = exactly(1)[0]
                size |= (digit & 0x7F) << shift
                shift += 7
                if not digit & 0x80:
                    break
            answer = self.take(first >> 4, first >> 1 & 3, exactly(size))
            if answer:
                connection.sendall(answer)

    def take(self, kind, qos, body):
        if kind == CONNACK:
            if body[1] != 0 or (self.subscribed.is_set() and body[0] != 1):
                self.mistake = f"CONNACK {body}"
            return None if self.subscribed.is_set() else packet(0x82, b"\0\1\0" + text("kept/#") + b"\2")
        if kind == SUBACK:
            self.subscribed.set()
        elif kind == PUBLISH:
            rest = body[2 + struct.unpack(">H", body[:2])[0]:]
            identifier = rest[:2]
            if qos == 1 or identifier not in self.unreleased:
                self.numbers.append(int(rest[3 + rest[2]:]))
            if qos == 2:
                self.unreleased.add(identifier)
            return packet(0x40 if qos == 1 else 0x50, identifier)
        elif kind == PUBREL:
            self.unreleased.discard(body)
            return packet(0x70, body)
        return None


class KeptMessages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        require(os.environ["PUBLISHER"])

    def kill_at_random(self, broker, publisher, reader):
        chance = random.Random(SEED)
        print(f"{ROUNDS} kills, seed {SEED}", flush=True)
        self.addCleanup(broker.kill)
        self.addCleanup(lambda: publisher.process.kill())
        # Where the broker has lost the session, whether a message of QoS 2 arrived is not known, and its publisher is told.
        self.assertTrue(wait_until(lambda: "keeper" in sessions_stored(broker)))
        for _ in range(ROUNDS):
            publisher.takes(chance.randrange(1, 60))
            what = chance.choice(["client", "broker", "both"])
            if what != "client":
                broker.kill()
            if what != "broker":
                publisher.kill()
                publisher.start()
            if what == "both":  # there is nobody to give them to
                publisher.takes(10)
            if what != "client":
                broker.start()
        publisher.takes(5)
        publisher.kill()
        publisher.start("rest")
        end = time.monotonic() + 4 * PATIENCE
        while not publisher.taken <= set(reader.numbers) and time.monotonic() < end and reader.mistake is None:
            time.sleep(0.1)
        publisher.kill()
        numbers = list(reader.numbers)
        lost = sorted(publisher.taken - set(numbers))
        twice = sorted({n for n in numbers if n % 2 == 0 and numbers.count(n) > 1})
        self.assertEqual((publisher.complaints[:5], reader.mistake), ([], None))
        self.assertEqual((len(lost), lost[:5], twice[:5]), (0, [], []))
        self.assertGreater(len(publisher.taken), 10 * ROUNDS, "too little was published to prove anything")

    def test_what_was_taken_arrives_and_nothing_of_qos_2_comes_twice(self):
        broker = Broker("--allow-plain", configuration=LIMITS, port=free_port())
        reader = Reader(broker)  # who subscribes later has no claim to what came before
        self.kill_at_random(broker, Publisher(broker), reader)
        broker.stop()

    def test_signed_messages_too(self):
        rule = '[[topic]]\nfilter = "kept/#"\npublish = ["sl1"]\nsubscribe = ["plain"]\n'
        broker = Broker(configuration=LIMITS + rule, port=free_port())

        def sealmq(*arguments):
            subprocess.run([SEALMQ, *arguments], check=True, capture_output=True, cwd=broker.path(""))

        sealmq("identity", "new", "keeper")
        sealmq("identity", "enroll", "keeper.pub", "--data", broker.data, "--publish", "kept/#")
        reader = Reader(broker)
        publisher = Publisher(broker, broker.path("keeper.key"), os.path.join(broker.data, "broker.pub"))
        self.kill_at_random(broker, publisher, reader)
        with open(publisher.store, "rb") as store:
            self.assertNotIn(b"kept/", store.read())
        broker.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
