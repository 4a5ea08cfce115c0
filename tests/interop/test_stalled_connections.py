"""Peers that stop, dawdle, babble or break off: they are ended in time, and nobody else notices anything."""
import os
import resource
import socket
import struct
import threading
import time
import unittest
import urllib.request

import packets
from packets import CONNACK, DISCONNECT, PUBACK, PUBLISH, SUBACK, Raw, logged_in
from servers import PATIENCE, Broker, wait_until

LIMITS = """
[admin]
url = "http://127.0.0.1:0"
[limits]
connect_timeout = 1500
maximum_packet_size = 100000
outbox_high_water = 1000000
maximum_queued_bytes = 1000000
"""
PACKET_TOO_LARGE = 0x95
KEEP_ALIVE_TIMEOUT = 0x8D
SESSION_TAKEN_OVER = 0x8E


def resident_bytes(broker):
    with open(f"/proc/{broker.pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def reset(client):
    """Ends a connection with RST instead of FIN."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


class StalledConnections(unittest.TestCase):
    def setUp(self):
        self.broker = Broker("--allow-plain", configuration=LIMITS)
        self.addCleanup(self.broker.stop)
        self._stop = threading.Event()
        self._trouble = []
        self._rounds = 0
        self._bystanders = threading.Thread(target=self._talk, daemon=True)
        self._bystanders.start()
        self.addCleanup(self._bystanders_noticed_nothing)

    def metrics(self):
        with urllib.request.urlopen(self.broker.admin_url + "/metrics", timeout=PATIENCE) as answer:
            return dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))

    def figures(self):
        """Clients, sessions and subscriptions, as an operator sees them."""
        metrics = self.metrics()
        return [metrics["sealmq_" + name] for name in ("clients_connected", "sessions", "subscriptions")]

    def _talk(self):
        """Two ordinary clients that talk to each other all the time."""
        try:
            with logged_in(self.broker, "bystander-reads") as reads, logged_in(self.broker, "bystander-writes") as writes:
                reads.send(packets.subscribe("bystanders"))
                reads.expect(SUBACK)
                while not self._stop.is_set():
                    writes.send(packets.publish("bystanders", b"%d" % self._rounds, 1))
                    writes.expect(PUBACK)
                    body = reads.expect(PUBLISH)
                    assert body.endswith(b"\0%d" % self._rounds), body
                    self._rounds += 1
                    time.sleep(0.005)
        except Exception as trouble:
            self._trouble.append(trouble)

    def _bystanders_noticed_nothing(self):
        before = self._rounds
        wait_until(lambda: self._rounds > before or self._trouble)
        self._stop.set()
        self._bystanders.join()
        self.assertEqual(self._trouble, [])
        self.assertGreater(self._rounds, before)

    def assert_ends_within(self, client, at_least, at_most):
        begin = time.monotonic()
        self.assertTrue(client.ends())
        taken = time.monotonic() - begin
        self.assertGreater(taken, at_least)
        self.assertLess(taken, at_most)

    def test_who_says_nothing_is_ended(self):
        with Raw(self.broker) as client:
            self.assert_ends_within(client, 1.0, 10)

    def test_a_hundred_who_say_half_a_connect_are_ended(self):
        begin = time.monotonic()
        clients = [Raw(self.broker, packets.connect(f"half-{number}")[:9]) for number in range(100)]
        for client in clients:
            self.assertTrue(client.ends())
            client.close()
        self.assertLess(time.monotonic() - begin, 5)

    def test_a_connect_that_comes_byte_by_byte_is_welcome_in_time(self):
        with Raw(self.broker) as client:
            for byte in packets.connect("slow"):
                client.send(bytes([byte]))
                time.sleep(0.005)
            self.assertEqual(client.expect(CONNACK)[1], 0)

    def test_a_connect_that_never_ends_is_ended(self):
        with Raw(self.broker) as client:
            begin = time.monotonic()
            with self.assertRaises(ConnectionError):
                for byte in packets.connect("x" * 20000):
                    client.send(bytes([byte]))
                    time.sleep(0.005)
            self.assertLess(time.monotonic() - begin, 20)

    def test_who_is_silent_beyond_its_keep_alive_is_told_and_ended(self):
        with logged_in(self.broker, "silent", keep_alive=1) as client:
            begin = time.monotonic()
            self.assertEqual(client.expect(DISCONNECT)[0], KEEP_ALIVE_TIMEOUT)
            self.assertTrue(client.ends())
            self.assertGreater(time.monotonic() - begin, 1.4)  # [MQTT-3.1.2-22]

    def test_garbage_ends_its_connection_only(self):
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00" + bytes(512), b"\x10\xff\xff\xff\xff\xff", b"\xf0\x00",
                        bytes(1000)):
            with self.subTest(garbage=garbage[:10]), Raw(self.broker, garbage) as client:
                while client.read() is not None:
                    pass

    def test_who_sends_too_much_at_once_can_still_read_why_it_is_ended(self):
        with logged_in(self.broker, "big") as client:
            whole = packets.publish("big", bytes(8_000_000))
            sender = threading.Thread(target=lambda: self._send_all(client, whole))
            sender.start()
            self.assertEqual(client.expect(DISCONNECT)[0], PACKET_TOO_LARGE)
            self.assertTrue(client.ends())
            sender.join()

    @staticmethod
    def _send_all(client, data):
        try:
            client.send(data)
        except ConnectionError:
            pass  # the broker need not read it to the end

    def test_who_is_taken_over_is_told(self):
        with logged_in(self.broker, "twice") as first, logged_in(self.broker, "twice"):
            self.assertEqual(first.expect(DISCONNECT)[0], SESSION_TAKEN_OVER)
            self.assertTrue(first.ends())

    def test_who_stays_after_its_goodbye_is_ended(self):
        with logged_in(self.broker, "stays") as client:
            client.send(b"\xe0\x00")
            self.assertTrue(client.ends())

    def test_a_subscriber_that_never_reads_costs_little_and_delays_nobody(self):
        with logged_in(self.broker, "never-reads") as stalled, logged_in(self.broker, "reads") as reads, \
                logged_in(self.broker, "floods") as floods:
            for client, qos in ((stalled, 0), (reads, 1)):
                client.send(packets.subscribe("flood", qos))
                client.expect(SUBACK)
            before = resident_bytes(self.broker)
            for number in range(1, 2001):  # 100 MB
                floods.send(packets.publish("flood", bytes(50_000), number))
                floods.expect(PUBACK)
                body = reads.expect(PUBLISH)
                reads.send(packets.packet(0x40, body[7:9]))
            self.assertLess(resident_bytes(self.broker) - before, 60_000_000)

    def test_connections_that_are_reset_leave_nothing_behind(self):
        def open_files():
            return int(self.metrics()["process_open_fds"])  # /proc/PID/fd of a process that holds keys is root's
        self.assertTrue(wait_until(lambda: self._rounds > 0 or self._trouble))
        before, sessions = open_files(), self.figures()
        for number in range(300):
            reset(Raw(self.broker, packets.connect(f"reset-{number % 10}") if number % 2 else b""))
        with logged_in(self.broker, "after") as client:
            client.send(b"\xc0\x00")
            client.expect(13)
        self.assertTrue(wait_until(lambda: open_files() <= before), f"{open_files()} open files, {before} before")
        self.assertTrue(wait_until(lambda: self.figures() == sessions), f"{self.figures()}, before {sessions}")


class NoDescriptorsLeft(unittest.TestCase):
    def test_newcomers_wait_until_somebody_leaves_and_the_log_says_so_once(self):
        with Broker("--allow-plain") as broker:
            resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (60, 60))
            inside = logged_in(broker, "inside")
            crowd = [Raw(broker) for _ in range(100)]
            self.assertTrue(broker.log.wait_for(lambda lines: any("cannot accept" in line for line in lines)))
            inside.send(b"\xc0\x00")
            inside.expect(13)  # those who are in are served
            for client in crowd:
                client.close()
            with logged_in(broker, "after"):
                pass
            self.assertEqual(sum("cannot accept" in line for line in broker.log.all()), 1)
            inside.close()


if __name__ == "__main__":
    unittest.main()
