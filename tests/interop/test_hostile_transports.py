"""Peers that stall or break TLS, HTTP, WebSocket and PROXY; and certificates that are replaced while the broker runs."""
import os
import signal
import socket
import ssl
import struct
import time
import unittest

import packets
from packets import CONNACK
from servers import PATIENCE, Broker, wait_until
from transports import PSK_IDENTITY, Transports

HANDSHAKE_PATIENCE = 10  # seconds the broker gives
MOST_HALF_OPEN = 256
PATIENCE_WITH_THE_SILENT = 0.3
UPGRADE = ("GET {path} HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n{more}\r\n")
PROXY = b"\r\n\r\n\0\r\nQUIT\n"


def read_until_end(connection):
    data = b""
    try:
        while part := connection.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    return data


def frame(payload, first=0x82, mask=True):
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65536 else b"\x7f" + struct.pack(">Q", size)
    return bytes([first]) + bytes([length[0] | (0x80 if mask else 0)]) + length[1:] + (b"\0\0\0\0" if mask else b"") + payload


class HostileTransports(unittest.TestCase):
    def setUp(self):
        self.broker = Transports()
        self.addCleanup(self.broker.stop)

    def connect(self, transport, sent=b""):
        connection = socket.create_connection(("127.0.0.1", self.broker.port_of[transport]), PATIENCE)
        self.addCleanup(connection.close)
        connection.sendall(sent)
        return connection

    def websocket(self, transport="ws", path="/mqtt", more=""):
        connection = self.connect(transport, UPGRADE.format(path=path, more=more).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        return connection

    def tls(self, name="tls", certificate=None):
        context = ssl.create_default_context(cafile=self.broker.file("ca.pem"))
        if certificate:
            context.load_cert_chain(self.broker.file(certificate + ".pem"), self.broker.file(certificate + ".key"))
        plain = socket.create_connection(("localhost", self.broker.port_of[name]), PATIENCE)
        self.addCleanup(plain.close)
        wrapped = context.wrap_socket(plain, server_hostname="localhost")
        self.addCleanup(wrapped.close)
        return wrapped

    def serves(self, connection, name, wrap=lambda data: data):
        connection.sendall(wrap(packets.connect(name)))
        self.assertIn(CONNACK << 4, connection.recv(100)[:3])

    def close_code(self, sent):
        connection = self.websocket()
        connection.sendall(sent)
        answer = read_until_end(connection)
        self.assertEqual(answer[:2], b"\x88\x02", answer)
        return struct.unpack(">H", answer[2:4])[0]

    def test_who_stalls_in_a_handshake_is_ended_and_delays_nobody(self):
        begin = time.monotonic()
        stalled = [self.connect("tls"), self.connect("tls", b"\x16\x03\x01\x02\x00\x01"), self.connect("ws", b"GET /mqtt HTTP/1.1\r\nHos"),
                   self.connect("proxy", PROXY[:5]), self.connect("wss"), self.connect("proxy")]
        self.serves(self.tls(), "swift")
        self.assertLess(time.monotonic() - begin, 5, "the others were still at it")
        for connection in stalled:
            self.assertEqual(read_until_end(connection), b"")
        self.assertGreater(time.monotonic() - begin, HANDSHAKE_PATIENCE - 2)

    def test_the_time_for_a_handshake_is_the_configured_one(self):
        configuration = ('[[listener]]\nurl = "ws://127.0.0.1:0/mqtt"\n[limits]\nconnect_timeout = 2000\n',
                         '[[listener]]\nurl = "ws://127.0.0.1:0/mqtt"\n[limits]\nconnect_timeout = 14000\n')
        for text, least, most in zip(configuration, (1.5, 13), (HANDSHAKE_PATIENCE - 1, PATIENCE)):
            with Broker("--allow-plain", configuration=text, own_listeners=True) as broker:
                with socket.create_connection(("127.0.0.1", broker.port), PATIENCE) as stalled:
                    began = time.monotonic()
                    stalled.sendall(b"GET /mqtt HTTP/1.1\r\nHos")
                    self.assertEqual(read_until_end(stalled), b"")
                    took = time.monotonic() - began
            self.assertGreater(took, least)
            self.assertLess(took, most)

    def test_a_crowd_that_stalls_does_not_shut_the_door(self):
        for _ in range(MOST_HALF_OPEN + 50):
            self.connect("tls")
        begin = time.monotonic()
        self.serves(self.websocket(), "elsewhere", frame)  # each listener has its own
        self.serves(self.tls(), "patient")  # after a second, when the oldest have to make room
        self.assertLess(time.monotonic() - begin, HANDSHAKE_PATIENCE / 2, "they had not been ended for their own slowness yet")

    def test_an_address_that_floods_takes_the_places_of_its_own(self):
        def flood():
            made = socket.socket()
            self.addCleanup(made.close)
            made.bind(("127.0.0.2", 0))
            made.setblocking(False)
            made.connect_ex(("127.0.0.1", self.broker.port_of["ws"]))

        for _ in range(2 * MOST_HALF_OPEN):
            flood()
        for number in range(20):
            for _ in range(20):
                flood()
            begin = time.monotonic()
            self.serves(self.websocket(), f"modest-{number}", frame)
            # Nobody's patience is waited for: a flood that has most of the places makes room at once.
            self.assertLess(time.monotonic() - begin, PATIENCE_WITH_THE_SILENT)

    def test_a_request_that_dribbles_is_ended(self):
        connection = self.connect("ws")
        begin = time.monotonic()
        with self.assertRaises(ConnectionError):
            for letter in UPGRADE.format(path="/mqtt", more="X: " + "y" * 5000 + "\r\n"):
                connection.sendall(letter.encode())
                time.sleep(0.05)
        self.assertLess(time.monotonic() - begin, 2 * HANDSHAKE_PATIENCE)

    def test_a_huge_request_is_refused_before_it_ends(self):
        connection = self.connect("ws", b"GET /mqtt HTTP/1.1\r\n" + b"X-Filler: y\r\n" * 800)
        self.assertTrue(read_until_end(connection).startswith(b"HTTP/1.1 400 "))

    def test_requests_are_refused_with_a_status(self):
        for transport, path, more, status in (("ws", "/other", "", b"404"), ("ws", "/mqtt", "Content-Length: 7\r\n", b"400"),
                                              ("origins", "/here", "Origin: https://evil.example\r\n", b"403")):
            answer = read_until_end(self.connect(transport, UPGRADE.format(path=path, more=more).encode()))
            self.assertTrue(answer.startswith(b"HTTP/1.1 " + status), answer)
        self.websocket("origins", "/here", "Origin: https://good.example\r\n")
        self.assertTrue(self.broker.log.wait_for(lambda lines: any("no such path" in line for line in lines)))

    def test_frames_that_break_the_rules_are_answered_with_a_close_code(self):
        hello = packets.connect("a")
        self.assertEqual(self.close_code(frame(hello, mask=False)), 1002)
        self.assertEqual(self.close_code(frame(b"text", 0x81)), 1003)
        self.assertEqual(self.close_code(frame(hello, 0xC2)), 1002)
        self.assertEqual(self.close_code(b"\x82\xff" + struct.pack(">Q", 1 << 40) + b"\0\0\0\0"), 1009)
        self.assertEqual(self.close_code(b"\x82\xff" + struct.pack(">Q", 1 << 63) + b"\0\0\0\0"), 1002)
        self.assertEqual(self.close_code(b"\x89\xfe\0\xff\0\0\0\0"), 1002)
        self.assertEqual(self.close_code(frame(struct.pack(">H", 1001), 0x88)), 1001)  # what was said is said again

    def test_packets_may_be_cut_anywhere_and_pings_are_answered(self):
        connection = self.websocket()
        hello = packets.connect("cut")
        for byte in hello[:5]:
            connection.sendall(frame(bytes([byte])))
        connection.sendall(frame(hello[5:8], 0x02) + frame(b"ping", 0x89) + frame(hello[8:] + b"\xc0\0", 0x80))
        self.assertEqual(connection.recv(6, socket.MSG_WAITALL), b"\x8a\x04ping")
        answer = b""
        while not answer.endswith(b"\xd0\0"):  # PINGRESP
            answer += connection.recv(100)
        self.assertEqual(answer[0], 0x82)

    def test_who_pings_and_never_reads_costs_little(self):
        def resident():
            with open(f"/proc/{self.broker.pid}/statm") as statm:
                return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        connection = self.websocket()
        before = resident()
        connection.settimeout(1)
        pings = frame(b"x" * 125, 0x89) * 1000
        with self.assertRaises(TimeoutError):
            for _ in range(1000):  # 130 MB
                connection.sendall(pings)
        self.assertLess(resident() - before, 20_000_000)

    def test_a_connection_without_a_proxy_header_is_refused(self):
        self.assertEqual(read_until_end(self.connect("proxy", packets.connect("direct"))), b"")
        self.assertTrue(self.broker.log.wait_for(lambda lines: any("PROXY header" in line for line in lines)))
        through = self.connect("proxy", PROXY + b"\x21\x11\0\x0c" + bytes([192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x67, 7, 0x5B]))
        self.serves(through, "through")

    def test_a_header_of_version_1_names_the_client_too(self):
        self.serves(self.connect("proxy", b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 1883\r\n"), "first")

    def test_a_proxy_of_websockets_names_the_client_in_its_request(self):
        self.serves(self.websocket("forwarded", "/", "X-Forwarded-For: 192.0.2.99\r\n"), "forwarded", frame)
        wrong = self.connect("forwarded", UPGRADE.format(path="/mqtt", more="X-Forwarded-For: somebody\r\n").encode())
        self.assertTrue(read_until_end(wrong).startswith(b"HTTP/1.1 101"))
        self.assertTrue(self.broker.log.wait_for(lambda lines: any("X-Forwarded-For is no list" in line for line in lines)))
        refused = self.websocket("forwarded", "/mqtt", "X-Forwarded-For: 203.0.113.1, 192.0.2.98\r\n")
        refused.sendall(frame(b"\x20\0"))  # no packet of a client
        self.assertTrue(self.broker.log.wait_for(lambda lines: any("192.0.2.98:0" in line for line in lines)), self.broker.log.all())
        before = self.websocket("ws", "/mqtt", "X-Forwarded-For: 192.0.2.97\r\n")  # whose proxies nobody names
        before.sendall(frame(b"\x20\0"))
        read_until_end(before)
        self.assertFalse(any("192.0.2.97" in line for line in self.broker.log.all()))

    def test_only_the_proxies_that_are_named_are_believed(self):
        header = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", 12) + socket.inet_aton("203.0.113.7") + socket.inet_aton("127.0.0.1")
                  + struct.pack(">HH", 40000, 1883))
        configuration = '[[listener]]\nurl = "mqtt://127.0.0.1:0"\nproxy_protocol = true\nproxy_from = ["127.0.0.9"]\n'
        with Broker("--allow-plain", configuration=configuration, own_listeners=True) as broker:
            for source, believed in (("127.0.0.9", True), ("127.0.0.8", False)):
                with socket.create_connection(("127.0.0.1", broker.port), PATIENCE, source_address=(source, 0)) as connection:
                    try:
                        connection.sendall(header + packets.connect("behind"))
                        answer = connection.recv(100)
                    except ConnectionError:
                        answer = b""
                    self.assertEqual(answer[:1] == bytes([CONNACK << 4]), believed, answer)
            self.assertTrue(broker.log.wait_for(lambda lines: any("not among proxy_from" in line for line in lines)))

    def test_the_socket_has_its_mode_and_is_removed(self):
        path = self.broker.file("socket")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)
        os.kill(self.broker.pid, signal.SIGTERM)
        self.assertTrue(wait_until(lambda: not os.path.exists(path)))

    def test_certificates_are_replaced_without_dropping_anybody(self):
        before = self.tls()
        self.serves(before, "before")
        serial = before.getpeercert()["serialNumber"]
        self.broker.make_certificates()
        self.broker.reload()
        self.assertTrue(wait_until(lambda: self.tls().getpeercert()["serialNumber"] != serial))
        before.sendall(b"\xc0\0")
        self.assertEqual(before.recv(2), b"\xd0\0")

    def test_a_certificate_that_is_revoked_later_is_refused_after_a_reload(self):
        def is_refused():
            connection = self.tls("client_certificate", "revoked")
            try:
                connection.sendall(packets.connect("stolen"))
                return connection.recv(100) == b""
            except (ssl.SSLError, ConnectionError):
                return True
        self.broker.write("used-crl.pem", self.broker.read("empty-crl.pem"))
        self.broker.reload()
        self.assertTrue(wait_until(lambda: not is_refused()))
        self.broker.write("used-crl.pem", self.broker.read("crl.pem"))
        self.broker.reload()
        self.assertTrue(wait_until(is_refused))

    def test_who_is_connected_by_a_certificate_that_is_revoked_is_ended_by_the_reload(self):
        self.broker.write("used-crl.pem", self.broker.read("empty-crl.pem"))
        self.broker.reload()

        def connection():
            try:
                made = self.tls("client_certificate", "revoked")
                self.serves(made, "stolen-8")
                return made
            except (ssl.SSLError, ConnectionError, AssertionError):
                return None
        made = []
        self.assertTrue(wait_until(lambda: made.append(connection()) or made[-1] is not None))
        innocent = self.tls("client_certificate", "client")
        self.serves(innocent, "boiler-7")
        self.broker.write("used-crl.pem", self.broker.read("crl.pem"))
        self.broker.reload()
        self.assertEqual(made[-1].recv(100)[:1], b"\xe0")  # DISCONNECT
        innocent.sendall(b"\xc0\0")
        self.assertEqual(innocent.recv(2), b"\xd0\0")

    def test_a_broken_file_leaves_the_old_one_in_use(self):
        serial = self.tls().getpeercert()["serialNumber"]
        good = self.broker.read("server.pem")
        self.broker.write("server.pem", "no certificate")
        self.broker.write("psk", f"{PSK_IDENTITY}\n")
        self.broker.reload()
        self.assertTrue(self.broker.log.wait_for(lambda lines: sum("keeps its certificates and keys" in line for line in lines) >= 2))
        self.assertEqual(self.tls().getpeercert()["serialNumber"], serial)
        self.broker.write("server.pem", good)


if __name__ == "__main__":
    unittest.main()
