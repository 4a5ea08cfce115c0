"""Attacks on a broker with little memory: it stays under the bound that follows from its configuration, and two bystanders go on
talking. docs/overload.md says what each limit does. Each takes 2 seconds if the environment does not say; `./dev endurance` says 20.
"""
import contextlib
import multiprocessing
import os
import re
import socket
import struct
import subprocess
import threading
import time
import unittest
import urllib.request
import warnings

import packets
from packets import CONNACK, PUBACK, PUBLISH, SUBACK, Raw, logged_in, packet, text
from servers import PATIENCE, SEALMQ, THREADS, Broker, wait_until

SECONDS = float(os.environ.get("SEALMQ_OVERLOAD_SECONDS", "2"))
MEGABYTE = 1 << 20
MEMORY = 32 * MEGABYTE
QUOTA_EXCEEDED = 0x97
ATTACKER = "127.0.0.2"  # the bystanders are at 127.0.0.1
WEEK = 7 * 86400
IP_BIND_ADDRESS_NO_PORT = 24  # of Linux

CONFIGURATION = f"""
durability = "%(durability)s"

[[listener]]
url = "mqtt://127.0.0.1:0"
[[listener]]
url = "ws://127.0.0.1:0"
[[listener]]
url = "mqtt://127.0.0.1:0"
proxy_protocol = true
[admin]
url = "http://127.0.0.1:0"

[limits]
maximum_memory = {MEMORY}
connect_timeout = 1000
%(rate)s
%(limits)s
"""
# What is not counted: with what the allocator and the estimates miss, a quarter as much again, and for each shard the buffers of its
# thread, and what one read of the smallest messages becomes on its way to the other shards.
IS_SANITIZED = bool(os.environ.get("SEALMQ_SANITIZE"))
OVERHEAD = 2 if IS_SANITIZED else 1  # a sanitizer's allocator puts more around small pieces than is in them
ALLOWANCE = OVERHEAD * MEMORY * 5 // 4
PER_SHARD = OVERHEAD * 12 * MEGABYTE
FREE_OF_MEMORY = OVERHEAD * 8 * MEGABYTE  # of an attack that nothing is kept of
LONGEST_GAP = 60 if IS_SANITIZED else 1  # seconds that the bystanders may wait for an answer


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def metrics_of(broker):
    with urllib.request.urlopen(broker.admin_url + "/metrics", timeout=PATIENCE) as answer:
        return answer.read().decode()


# -- what attackers send

def connect(name, expiry=0, keep_alive=0):
    properties = b"\x11" + struct.pack(">I", expiry) if expiry else b""
    body = text("MQTT") + b"\5\2" + struct.pack(">H", keep_alive) + bytes([len(properties)]) + properties + text(name)
    return packet(0x10, body)


def subscribe(filters, qos=0):
    return packet(0x82, b"\0\1\0" + b"".join(text(f) + bytes([qos]) for f in filters))


def publish(topic, payload, number=None, retain=False):
    first = 0x30 | (1 if retain else 0) | (0 if number is None else 2)
    identifier = b"" if number is None else struct.pack(">H", number)
    return packet(first, text(topic) + identifier + b"\0" + payload)


def publish_alias(topic, alias):
    return packet(0x30, text(topic) + b"\3\x23" + struct.pack(">H", alias) + b"x")


class Attacker:
    """Connections that are given up silently; what does not get through counts."""

    def __init__(self, ports, seconds, count, admin=None, data=None):
        self.ports = ports
        self.admin = admin  # the port for operators
        self.data = data  # the broker's folder, of an attacker who is on the list
        self.source = ATTACKER
        self._end = time.monotonic() + seconds
        self._count = count
        self._open = {}  # in order

    def goes_on(self):
        return time.monotonic() < self._end

    def counts(self, number=1):
        self._count.value += number

    def dial(self, port=0):
        made = socket.socket()
        # Many connections in a short time: no port waits after the end, and none is taken for all destinations.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        made.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        try:
            made.bind((self.source, 0))
            made.settimeout(5)
            made.connect(("127.0.0.1", self.ports[port]))
        except OSError:
            made.close()
            return None
        made.settimeout(0.5)
        self._open[made] = None
        if len(self._open) > 5000:
            self.close(next(iter(self._open)))
        return made

    def send(self, connection, data):
        """False when the broker takes no more of it."""
        try:
            connection.sendall(data)
            return True
        except OSError:
            return False

    def login(self, name, expiry=0):
        connection = self.dial()
        if connection is None or not self.send(connection, connect(name, expiry)):
            return None
        try:
            answer = connection.recv(4096)
        except OSError:
            return None
        return connection if len(answer) > 3 and answer[0] >> 4 == CONNACK and answer[3] == 0 else None

    def swallow(self, connection):
        try:
            connection.setblocking(False)
            while connection.recv(1 << 16):
                pass
        except OSError:
            pass
        finally:
            try:
                connection.settimeout(0.5)
            except OSError:
                pass

    def close(self, connection):
        self._open.pop(connection, None)
        connection.close()


def connection_flood(a):
    while a.goes_on():
        if (made := a.dial()) is not None:
            a.send(made, b"\x10")
            a.counts()


def half_open(a):
    while a.goes_on():
        for port, first in ((0, connect("half")[:7]), (1, b"GET /mqtt HTTP/1.1\r\nHost: x\r\n"), (2, b"\r\n\r\n\0\r\nQUIT\n")):
            if (made := a.dial(port)) is not None:
                a.send(made, first)
                a.counts()


def fresh_sessions(a):
    number = 0
    while a.goes_on():
        number += 1
        connection = a.login(f"fresh-{number}-" + "x" * 200, WEEK)
        if connection is None:
            time.sleep(0.001)
            continue
        a.send(connection, subscribe([f"s/{number}"], 1))
        a.counts()
        a.close(connection)


def deep_subscriptions(a):
    number = 0
    while a.goes_on():
        connection = a.login(f"deep-{os.getpid()}-{number}")
        if connection is None:
            time.sleep(0.01)
            continue
        for _ in range(20):
            filters = []
            for _ in range(50):
                number += 1
                levels = ["+" if number >> bit & 1 else "a" for bit in range(16)] + [str(number)] + ["x"] * 150
                filters.append("/".join(levels))
            if not a.send(connection, subscribe(filters)):
                break
            a.swallow(connection)
            a.counts(50)


def retained_flood(a):
    connection, number = a.login("retains"), 0
    while a.goes_on() and connection is not None:
        number += 1
        topic = f"retained/{number}/" + "x" * (number % 20_000)
        if not a.send(connection, publish(topic, bytes(number % 10_000 + 1), 1, retain=True)):
            break
        a.swallow(connection)
        a.counts()


def queue_flood(a):
    for number in range(50):
        if (absent := a.login(f"absent-{number}", WEEK)) is not None:
            a.send(absent, subscribe([f"q/{number}"], 1))
            a.swallow(absent)
            time.sleep(0.005)
            a.close(absent)
    connection, number = a.login("fills"), 0
    while a.goes_on() and connection is not None:
        number += 1
        if not a.send(connection, publish(f"q/{number % 50}", bytes(20_000), 1)):
            break
        a.swallow(connection)
        a.counts()


def slow_consumers(a):
    everybody = [c for c in (a.login(f"stalled-{number}") for number in range(20)) if c is not None]
    for number, stalled in enumerate(everybody):
        a.send(stalled, subscribe(["big/#"], number % 2))
    connection, number = a.login("big"), 0
    # Enough for every buffer of the system between the two to be full, however long that takes here.
    while connection is not None and (number < 80 or a.goes_on()):
        number += 1
        if not a.send(connection, publish(f"big/{number}", bytes(500_000), 1 if number % 2 else None)):
            break
        a.swallow(connection)
        a.counts()
    time.sleep(5)  # slow_consumer_timeout and time for a busy machine; they still do not read


def unread_answers(a):
    """Asks and does not read what it is answered."""
    asking = [c for c in (a.login(f"asks-{number}") for number in range(50)) if c is not None]
    for c in asking:
        c.setblocking(False)
    block = b"\xc0\0" * 30_000
    while a.goes_on():
        for c in asking:
            try:
                a.counts(c.send(block) // 2)
            except OSError:
                pass


def topic_aliases(a):
    number = 0
    while a.goes_on():
        number += 1
        if (connection := a.login(f"alias-{number}")) is None:
            time.sleep(0.01)
            continue
        for alias in range(1, 33):
            if not a.send(connection, publish_alias("x" * 60_000 + str(alias), alias)):
                break
            a.counts()


def cut_short(a):
    whole = publish("cut", bytes(1_000_000))
    number = 0
    while a.goes_on():
        number += 1
        if (connection := a.login(f"cut-{number}")) is None:
            time.sleep(0.01)
            continue
        if a.send(connection, whole[:-1]):
            a.counts()


def publish_flood(a):
    connections = [c for c in (a.login(f"floods-{number}") for number in range(8)) if c is not None]
    block = b"".join(publish(f"flood/{number % 7}", b"x" * (number % 30)) for number in range(2000))
    block += b"".join(publish("flood/q", b"x", number) for number in range(1, 100))
    for c in connections:
        c.settimeout(0.05)
    while a.goes_on():
        for c in connections:
            try:
                a.counts(c.send(block) * 2100 // len(block))
            except OSError:
                pass
            a.swallow(c)
            c.settimeout(0.05)


def reconnect_storm(a):
    number = 0
    while a.goes_on():
        crowd = []
        for _ in range(2000):
            number += 1
            made = a.dial()
            if made is not None:
                a.send(made, connect(f"storm-{number % 2000}") + subscribe([f"storm/{number}/+/#", "storm/#"]))
                crowd.append(made)
            if not a.goes_on():
                break
        for made in crowd:
            a.close(made)
        a.counts(len(crowd))


def sl2_requests(a, addresses):
    """Requests with numbers made up by chance: each costs the broker a Rabin root."""
    def request():
        return publish("$sl/sub", b"\2\x21\1\2\0" + bytes([os.urandom(1)[0] & 0x7F]) + os.urandom(511 + 64), 1)

    everybody = {}
    for number in range(200):
        everybody[number] = None
    while a.goes_on():
        for number, connection in everybody.items():
            if connection is None:
                a.source = f"127.0.2.{number % addresses + 1}"
                connection = everybody[number] = a.login(f"roots-{number}")
                if connection is None:
                    continue
            try:
                connection.setblocking(False)
                connection.send(request())
                a.counts()
                while connection.recv(4096):
                    pass
                raise ConnectionResetError
            except BlockingIOError:
                pass
            except OSError:
                a.close(connection)
                everybody[number] = None
        time.sleep(0.005)


def sl2_requests_of_one_address(a):
    sl2_requests(a, 1)


def sl2_requests_of_many_addresses(a):
    sl2_requests(a, 100)


class Bystanders:
    """Two clients that talk to each other all the time, and, if they should get in, newcomers."""

    def __init__(self, broker, newcomers):
        self._broker = broker
        self._newcomers = newcomers
        self._stop = threading.Event()
        self.trouble = []
        self.rounds = 0
        self.longest_gap = 0  # seconds between two rounds
        self.came = 0
        self._threads = [threading.Thread(target=self._talk, daemon=True)]
        if newcomers:
            self._threads.append(threading.Thread(target=self._come, daemon=True))
        for thread in self._threads:
            thread.start()

    def _talk(self):
        try:
            with logged_in(self._broker, "bystander-reads") as reads, logged_in(self._broker, "bystander-writes") as writes:
                reads.send(packets.subscribe("bystanders", 1))
                reads.expect(SUBACK)
                last = time.monotonic()
                while not self._stop.is_set():
                    writes.send(packets.publish("bystanders", b"%d" % self.rounds, 1))
                    reason = writes.expect(PUBACK)[2:3]
                    assert reason in (b"", b"\0", b"\x10"), f"PUBACK says {reason}"
                    body = reads.expect(PUBLISH)
                    assert body.endswith(b"\0%d" % self.rounds), f"round {self.rounds} got {body[-20:]}"
                    reads.send(packet(0x40, body[12:14]))
                    self.rounds += 1
                    now = time.monotonic()
                    self.longest_gap, last = max(self.longest_gap, now - last), now
                    time.sleep(0.005)
        except Exception as trouble:
            self.trouble.append(trouble)

    def _come(self):
        try:
            while not self._stop.wait(0.1):
                with logged_in(self._broker, f"newcomer-{self.came}"):
                    self.came += 1
        except Exception as trouble:
            self.trouble.append(trouble)

    def stop(self):
        before = self.rounds
        wait_until(lambda: self.rounds > before + 3 or self.trouble)
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        return before


def run_attack(attack, ports, seconds, count, admin=None, data=None):
    warnings.simplefilter("ignore", ResourceWarning)  # of the sockets that are still open
    attack(Attacker(ports, seconds, count, admin, data))


class Overload(unittest.TestCase):
    table = []

    @classmethod
    def tearDownClass(cls):
        print(f"\n{'attack':22} {'done':>9} {'at rest':>8} {'peak RSS':>9} {'bound':>7}   (MB, {THREADS} shards, "
              f"maximum_memory {MEMORY // MEGABYTE})", flush=True)
        for name, done, rest, peak, bound in cls.table:
            print(f"{name:22} {done:9} {rest / MEGABYTE:8.1f} {peak / MEGABYTE:9.1f} {bound / MEGABYTE:7.1f}", flush=True)

    def under(self, attack, limits="", newcomers=True, durability="memory", said=None, seconds=SECONDS, least=1, costs=None,
              afterwards=None):
        """Runs it. `said`: what the log says about it. `least`: so many a second it has to get done, or it was none. `costs`: of
        memory at most. `afterwards`: a look at the broker that has withstood it."""
        rate = "" if "connects_per_second" in limits else "connects_per_second_per_address = 0"  # other limits are meant
        options = {"limits": limits, "durability": durability, "rate": rate}
        with Broker("--allow-plain", configuration=CONFIGURATION % options, own_listeners=True) as broker:
            self.measure(broker, attack.__name__, lambda count: multiprocessing.Process(
                target=run_attack, args=(attack, broker.ports, seconds, count)), newcomers, said, least, costs)
            if afterwards is not None:
                afterwards(broker)

    def measure(self, broker, name, make_process, newcomers, said, least, costs=None):
        bystanders = Bystanders(broker, newcomers)
        self.assertTrue(wait_until(lambda: bystanders.rounds > 5 or bystanders.trouble))
        begun = bystanders.rounds
        rest = peak = resident_bytes(broker.pid)
        bound = rest + (ALLOWANCE + PER_SHARD * int(THREADS) if costs is None else costs)
        count = multiprocessing.Value("Q", 0)
        process = make_process(count)
        process.start()
        while process.exitcode is None:
            peak = max(peak, resident_bytes(broker.pid))
            process.join(0.02)
        before = bystanders.stop()
        self.table.append((name, count.value, rest, peak, bound))
        self.assertEqual(process.exitcode, 0)
        self.assertEqual(bystanders.trouble, [])
        self.assertGreater(before, begun)
        self.assertGreater(bystanders.rounds, before)
        self.assertLess(bystanders.longest_gap, LONGEST_GAP, "seconds until the bystanders were served")
        self.assertGreater(count.value, least * SECONDS)
        self.assertLess(peak, bound)
        if said is not None:
            self.assertTrue(broker.log.wait_for(lambda lines: any(re.search(said, line) for line in lines)), broker.log.all()[:40])

    def test_connection_flood(self):
        self.under(connection_flood, "connections_per_address = 300", said="too many connections", least=500, costs=FREE_OF_MEMORY)

    def test_connecting_too_fast(self):
        self.under(connection_flood, "connects_per_second_per_address = 20", said="connecting too fast", least=500, costs=FREE_OF_MEMORY)

    def test_behind_a_proxy_its_clients_are_counted_and_not_the_proxy(self):
        with Broker("--allow-plain", configuration=CONFIGURATION % {"limits": "connections_per_address = 3", "durability": "memory", "rate": ""},
                    own_listeners=True) as broker:
            def enters(source, number):
                made = socket.create_connection(("127.0.0.1", broker.ports[2]), PATIENCE)
                self.addCleanup(made.close)
                header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", 12) + socket.inet_aton(source) + bytes(4) + bytes(4)
                made.sendall(header + connect(f"{source}-{number}"))
                try:
                    return made.recv(1)[:1] == b"\x20"
                except ConnectionResetError:
                    return False

            self.assertEqual([enters("192.0.2.1", number) for number in range(5)], [True] * 3 + [False] * 2)
            self.assertEqual([enters("192.0.2.2", number) for number in range(4)], [True] * 3 + [False])
            self.assertTrue(broker.log.wait_for(lambda lines: any("too many connections: \"192.0.2.1" in line for line in lines)))

    def test_half_open(self):
        self.under(half_open, "connections_per_address = 1000", least=500, costs=FREE_OF_MEMORY)

    def test_fresh_sessions(self):
        # Those of the attacker stay for a week, and it gets no more. Others get some: all strangers come from one address.
        def who_has_one_gets_in_and_some_strangers(broker):
            with contextlib.ExitStack() as present:
                def answers(name, source):
                    return present.enter_context(Raw(broker, packets.connect(name), source)).expect(CONNACK)[1]
                more = [answers(f"more-{number}", ATTACKER) for number in range(40)]
                self.assertLessEqual(more.count(0), 2, "the places of the bystanders, who have left")
                self.assertEqual(more.count(0) + more.count(QUOTA_EXCEEDED), 40, more)
                reasons = [answers(f"stranger-{number}", "127.0.0.1") for number in range(40)]
                self.assertEqual(reasons[0], 0)
                self.assertLessEqual(reasons.count(0), 4 * int(THREADS), reasons)
                self.assertEqual(reasons.count(0) + reasons.count(QUOTA_EXCEEDED), 40, reasons)
                self.assertEqual(answers("fresh-1-" + "x" * 200, ATTACKER), 0)
        self.under(fresh_sessions, "maximum_sessions = 200", newcomers=False, least=50, afterwards=who_has_one_gets_in_and_some_strangers)

    def test_deep_subscriptions(self):
        self.under(deep_subscriptions, said="limit reached", least=50)

    def test_retained_flood(self):
        self.under(retained_flood, said="limit reached", least=500)

    def test_queue_flood(self):
        self.under(queue_flood, least=500)

    def test_queue_flood_with_a_disk(self):
        self.under(queue_flood, durability="disk", least=500)

    def test_slow_consumers(self):
        self.under(slow_consumers, "outbox_high_water = 1000000\nslow_consumer_timeout = 1", said="slow consumer",
                   seconds=SECONDS + 3, least=30)

    def test_unread_answers(self):
        self.under(unread_answers, "outbox_high_water = 100000\nmaximum_packet_size = 100000", least=50_000)

    def test_topic_aliases(self):
        self.under(topic_aliases, least=200)

    def test_cut_short(self):
        self.under(cut_short, least=50)

    def test_publish_flood(self):
        rate = 2000
        begin = time.monotonic()
        def what_was_let_in_keeps_to_the_rate(broker):
            allowed = 8 * rate * (time.monotonic() - begin + 1) + 1000  # a second's worth at once; and the bystanders
            received = sum(float(value) for value in re.findall(r"^sealmq_messages_received_total\S* (\S+)$", metrics_of(broker), re.M))
            self.assertLess(received, allowed)
            self.assertGreater(received, 8 * rate * SECONDS / 4)
        self.under(publish_flood, f"publish_rate = {rate}", least=20_000, afterwards=what_was_let_in_keeps_to_the_rate)

    def test_publish_flood_without_a_rate(self):
        self.under(publish_flood, least=20_000)

    def test_reconnect_storm(self):
        self.under(reconnect_storm, least=500)

    ASKS_FOR_ROOTS = """
[[topic]]
filter = "hidden/#"
publish = ["sl2"]
subscribe = ["sl2"]
"""

    def test_sl2_requests_of_one_address(self):
        self.under(sl2_requests_of_one_address, self.ASKS_FOR_ROOTS, said="verification failed", least=500, costs=2 * FREE_OF_MEMORY)

    def test_sl2_requests_of_many_addresses(self):
        self.under(sl2_requests_of_many_addresses, self.ASKS_FOR_ROOTS, said="verification failed", least=500, costs=2 * FREE_OF_MEMORY)

    def test_replayed_frames(self):
        with Broker("--allow-plain", configuration=CONFIGURATION % {"limits": "", "durability": "memory", "rate": ""},
                    own_listeners=True) as broker:
            frame = signed_frame(broker)

            def replayed_frames(a):
                number = 0
                while a.goes_on():
                    number += 1
                    if (connection := a.login(f"replays-{number}")) is None:
                        continue
                    block = frame * 500
                    while a.goes_on() and a.send(connection, block):
                        a.swallow(connection)
                        a.counts(500)

            self.measure(broker, "replayed_frames", lambda count: multiprocessing.Process(
                target=run_attack, args=(replayed_frames, broker.ports, SECONDS, count)), True, "replay", 1000, FREE_OF_MEMORY)


def signed_frame(broker):
    """A signed PUBLISH as the broker has seen it, recorded by somebody in between."""
    def sealmq(*arguments):
        return subprocess.run([SEALMQ, *arguments], cwd=os.path.dirname(broker.data), check=True, timeout=PATIENCE, capture_output=True)

    sealmq("identity", "new", "signer")
    sealmq("identity", "enroll", "signer.pub", "--publish", "#", "--subscribe", "#", "--data", broker.data)
    recorded = b""
    with socket.create_server(("127.0.0.1", 0)) as between:
        port = between.getsockname()[1]
        client = subprocess.Popen([SEALMQ, "pub", "-h", "127.0.0.1", "-p", str(port), "--scheme", "sl1", "--key", "signer.key",
                                   "--broker-key", os.path.join(broker.data, "broker.pub"), "-t", "signed", "-m", "x"],
                                  cwd=os.path.dirname(broker.data), stderr=subprocess.PIPE)
        between.settimeout(PATIENCE)
        near, _ = between.accept()
        far = socket.create_connection(("127.0.0.1", broker.port))

        def back():
            while data := far.recv(1 << 16):
                near.sendall(data)
            near.shutdown(socket.SHUT_WR)

        answers = threading.Thread(target=back)
        answers.start()
        while data := near.recv(1 << 16):
            recorded += data
            far.sendall(data)
        far.shutdown(socket.SHUT_WR)
        answers.join()
        near.close()
        far.close()
        _, trouble = client.communicate(timeout=PATIENCE)
        assert client.returncode == 0, trouble
    while recorded:
        size, shift, at = 0, 0, 1
        while True:
            digit = recorded[at]
            size |= (digit & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not digit & 0x80:
                break
        if recorded[0] >> 4 == PUBLISH:
            return recorded[:at + size]
        recorded = recorded[at + size:]
    raise AssertionError("nothing was published")


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    unittest.main()
