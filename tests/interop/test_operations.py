"""What an operator's tools see: monitoring over HTTP, $SYS topics, and what systemd is told."""
import datetime
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import packets
from packets import CONNACK, PUBACK, PUBLISH, SUBACK, Raw, logged_in
from servers import PATIENCE, SEALMQ, Broker, wait_until

ADMIN = "[admin]\nurl = 'http://127.0.0.1:0'\n"
PLAIN = "[[topic]]\nfilter = '#'\npublish = ['plain']\nsubscribe = ['plain']\n"
SYS = "[[topic]]\nfilter = '$SYS/#'\nsubscribe = ['plain']\n"
NOT_AUTHORIZED = 0x87


def admin_port(broker):
    lines = [re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)", line) for line in broker.log.all()]
    return next(int(match[1]) for match in lines if match)


def get(broker, path, method="GET", headers=None):
    request = urllib.request.Request(f"http://127.0.0.1:{admin_port(broker)}{path}", method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def metrics(text):
    """A strict reading of the text format: every sample belongs to the family announced above it."""
    samples, family = {}, None
    helped = set()
    assert text.endswith("\n")
    for line in text.splitlines():
        if match := re.fullmatch(r"# HELP ([a-z_][a-z0-9_]*) \S.*", line):
            assert match[1] not in helped, f"two families of one name: {line}"
            helped.add(match[1])
            family = None
        elif match := re.fullmatch(r"# TYPE ([a-z_][a-z0-9_]*) (counter|gauge)", line):
            assert match[1] in helped, line
            family = match[1]
            assert family.endswith("_total") == (match[2] == "counter"), line
        else:
            match = re.fullmatch(r'([a-z_][a-z0-9_]*)(\{[a-z]+="[^"\\\n]*"(?:,[a-z]+="[^"\\\n]*")*\})? (\d+(?:\.\d+)?)', line)
            assert match and match[1] == family, f"not a sample of {family}: {line}"
            key = match[1] + (match[2] or "")
            assert key not in samples, line
            samples[key] = float(match[3])
    return samples


class Monitoring(unittest.TestCase):
    def test_a_certificate_that_has_run_out_is_told_beforehand_and_meanwhile(self):
        with tempfile.TemporaryDirectory() as folder:
            def make(days):
                key = ec.generate_private_key(ec.SECP256R1())
                name, now = x509.Name.from_rfc4514_string("CN=localhost"), datetime.datetime.now(datetime.timezone.utc)
                made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=90))
                        .not_valid_after(now + datetime.timedelta(days=days)).sign(key, hashes.SHA256()))
                with open(os.path.join(folder, "server.pem"), "wb") as pem:
                    pem.write(made.public_bytes(serialization.Encoding.PEM))
                with open(os.path.join(folder, "server.key"), "wb") as pem:
                    pem.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
                os.chmod(os.path.join(folder, "server.key"), 0o600)
            make(-1)
            listener = f'[[listener]]\nurl = "mqtts://127.0.0.1:0"\ncert = "{folder}/server.pem"\nkey = "{folder}/server.key"\n'
            with open(os.path.join(folder, "sealmq.toml"), "w") as file:
                file.write(listener)
            check = subprocess.run([SEALMQ, "broker", "--check", "-c", file.name, "--data", os.path.join(folder, "none")], capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(check.returncode, 0, "it is a warning: " + check.stderr)
            self.assertIn("server.pem ran out on ", check.stderr)
            with Broker(configuration=listener + ADMIN, own_listeners=True) as broker:
                def state():
                    status, _, text = get(broker, "/readyz")
                    return status, next((c["ok"] for c in json.loads(text)["components"] if c["name"] == "certificates"), None)
                self.assertTrue(wait_until(lambda: state() == (503, False)), state())
                self.assertTrue(broker.log.wait_for(lambda lines: any("server.pem ran out on " in line for line in lines)))
                make(1)
                broker.reload()
                self.assertTrue(wait_until(lambda: state() == (200, True)), state())

    def test_metrics_are_well_formed_and_count_what_happens(self):
        with Broker(configuration=ADMIN + PLAIN) as broker:
            with logged_in(broker, "counted") as client:
                client.send(packets.subscribe("a/b", 1))
                client.expect(SUBACK)
                client.send(packets.publish("a/b", b"12345", 1))
                self.assertEqual({client.read()[0], client.read()[0]}, {PUBACK, PUBLISH})
                client.send(packets.publish("$SYS/broker/version", b"mine", 2))
                self.assertEqual(client.expect(PUBACK)[2], NOT_AUTHORIZED)

                def seen():
                    status, headers, text = get(broker, "/metrics")
                    self.assertEqual(status, 200)
                    self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
                    return metrics(text)

                self.assertTrue(wait_until(lambda: seen()['sealmq_messages_sent_total{qos="1"}'] == 1))
                self.assertTrue(wait_until(lambda: seen()["sealmq_inflight_messages"] == 1))  # it was not acknowledged
                found = seen()
                self.assertEqual(found["sealmq_clients_connected"], 1)
                self.assertEqual(found["sealmq_sessions"], 1)
                self.assertEqual(found["sealmq_subscriptions"], 1)
                self.assertEqual(found['sealmq_messages_received_total{qos="1"}'], 1)
                self.assertEqual(found["sealmq_message_bytes_received_total"], 5)
                self.assertEqual(found['sealmq_packets_received_total{type="publish"}'], 2)
                self.assertEqual(found['sealmq_packets_received_total{type="connect"}'], 1)
                self.assertEqual(found['sealmq_packets_sent_total{type="connack"}'], 1)
                self.assertEqual(found['sealmq_refused_total{cause="topic_not_allowed"}'], 1)
                self.assertEqual(found["sealmq_logins_total"], 1)
                self.assertEqual(found["sealmq_bytes_received_total"],
                                 len(packets.connect("counted")) + len(packets.subscribe("a/b", 1)) +
                                 len(packets.publish("a/b", b"12345", 1)) + len(packets.publish("$SYS/broker/version", b"mine", 2)))
                self.assertGreater(found["process_resident_memory_bytes"], 1 << 20)
                self.assertGreater(found["process_open_fds"], 5)
            self.assertTrue(wait_until(lambda: seen()['sealmq_disconnects_total{reason="connection_lost"}'] == 1))
            self.assertTrue(wait_until(lambda: seen()["sealmq_clients_connected"] == 0))

    def test_health_and_readiness(self):
        with Broker(configuration=ADMIN) as broker:
            self.assertEqual(json.loads(get(broker, "/healthz")[2])["ready"], True)
            parts = {"shards", "registry", "replay memory"}
            self.assertTrue(wait_until(lambda: parts <= {part["name"] for part in json.loads(get(broker, "/readyz")[2])["components"]}))
            status, headers, text = get(broker, "/readyz")
            answer = json.loads(text)
            self.assertEqual((status, answer["ready"], headers["Content-Type"]), (200, True, "application/json"))
            self.assertTrue(parts <= {component["name"] for component in answer["components"]})
            self.assertRegex(get(broker, "/version")[2], r"^\d+\.\d+\.\d+\n$")

    def test_who_says_nothing_keeps_nobody_out(self):
        with Broker(configuration=ADMIN) as broker:
            silent = []
            for _ in range(100):
                silent.append(socket.create_connection(("127.0.0.1", admin_port(broker)), PATIENCE))
                if len(silent) % 10 == 0:
                    self.assertEqual(get(broker, "/healthz")[0], 200)
            for connection in silent:
                connection.close()

    def test_a_browser_is_not_answered_under_a_name_of_somebody_else(self):
        with Broker(configuration=ADMIN) as broker:
            for host, expected in (("127.0.0.1:9", 200), ("localhost", 200), ("[::1]:9", 200), ("evil.example", 421), ("evil.example:80", 421)):
                self.assertEqual(get(broker, "/healthz", headers={"Host": host})[0], expected, host)

    def test_only_get_and_head_and_only_what_is_there(self):
        with Broker(configuration=ADMIN) as broker:
            self.assertEqual(get(broker, "/")[0], 404)
            self.assertEqual(get(broker, "/metrics/..")[0], 404)
            self.assertEqual(get(broker, "/metrics", method="DELETE")[0], 405)
            status, headers, text = get(broker, "/version", method="HEAD")
            self.assertEqual((status, text), (200, ""))
            self.assertGreater(int(headers["Content-Length"]), 0)

    def raw(self, broker, data):
        with socket.create_connection(("127.0.0.1", admin_port(broker)), PATIENCE) as client:
            client.sendall(data)
            answer = b""
            try:
                while part := client.recv(65536):
                    answer += part
            except ConnectionResetError:
                pass
            return answer

    def test_requests_that_are_too_much_are_refused(self):
        with Broker(configuration=ADMIN) as broker:
            self.assertIn(b" 413 ", self.raw(broker, b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")[:40])
            self.assertIn(b" 431 ", self.raw(broker, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n")[:40])
            self.assertIn(b" 400 ", self.raw(broker, b"\x10\x0c\0\4MQTT\5\2\0\0\0\0\0\r\n\r\n")[:40])
            silent = [socket.create_connection(("127.0.0.1", admin_port(broker)), PATIENCE) for _ in range(40)]
            closed = set()
            def are_closed_beyond_34():  # of which two are for this machine alone
                closed.update(select.select(silent, [], [], 0)[0])
                return len(closed) >= 6
            self.assertTrue(wait_until(are_closed_beyond_34, 3), "at once, and not after the five seconds that the others have")
            time.sleep(0.5)
            self.assertLessEqual(len(select.select(silent, [], [], 0)[0]), 8)
            for one in silent:
                self.assertEqual(one.recv(1), b"")
                one.close()
            self.assertEqual(get(broker, "/healthz")[0], 200)

    def test_a_token_is_asked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "token")
            with open(path, "w") as file:
                file.write("correct horse battery\n".replace(" ", "-"))
            os.chmod(path, 0o600)
            with Broker(configuration=ADMIN + f"token_file = '{path}'\n") as broker:
                status, headers, _ = get(broker, "/metrics")
                self.assertEqual((status, headers["WWW-Authenticate"]), (401, "Bearer"))
                self.assertEqual(get(broker, "/healthz", headers={"Authorization": "Bearer correct-horse-batterx"})[0], 401)
                self.assertEqual(get(broker, "/healthz", headers={"Authorization": "Basic correct-horse-battery"})[0], 401)
                self.assertEqual(get(broker, "/healthz", headers={"Authorization": "Bearer correct-horse-battery"})[0], 200)

    def start_fails(self, configuration):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "sealmq.toml")
            with open(path, "w") as file:
                file.write(configuration)
            done = subprocess.run([SEALMQ, "broker", "-p", "0", "-c", path, "--data", os.path.join(folder, "data")], timeout=PATIENCE,
                                  capture_output=True, text=True)
            return done.returncode, done.stderr

    def test_beyond_this_machine_it_does_not_start_without_a_token(self):
        code, said = self.start_fails("[admin]\nurl = 'http://0.0.0.0:0'\n")
        self.assertEqual(code, 1)
        self.assertIn("token_file", said)
        self.assertEqual(self.start_fails("[admin]\nurl = 'https://127.0.0.1:0'\n")[0], 1)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("a-token-that-is-long-enough")
            file.flush()
            os.chmod(file.name, 0o644)
            code, said = self.start_fails(f"[admin]\nurl = 'http://0.0.0.0:0'\ntoken_file = '{file.name}'\n")
            self.assertEqual(code, 1)
            self.assertIn("chmod o= ", said)


class SysTopics(unittest.TestCase):
    def topics(self, broker, name, wanted):
        with logged_in(broker, name) as client:
            client.send(packets.subscribe("$SYS/#"))
            self.assertEqual(client.expect(SUBACK)[-1], 0)
            found = {}
            while not wanted <= found.keys():
                kind, body = client.read()
                self.assertEqual(kind, PUBLISH)
                size, = struct.unpack(">H", body[:2])
                found[body[2:2 + size].decode()] = body[2 + size + 1:].decode()
            return found

    NAMES = {"$SYS/broker/" + name for name in
             ("version", "uptime", "clients/connected", "clients/total", "clients/disconnected", "clients/expired", "clients/maximum",
              "messages/received", "messages/sent", "publish/messages/received", "publish/messages/sent", "publish/messages/dropped",
              "publish/bytes/received", "publish/bytes/sent", "bytes/received", "bytes/sent", "subscriptions/count",
              "retained messages/count", "store/messages/count", "store/messages/bytes", "heap/current size",
              "load/messages/received/1min", "load/messages/received/5min", "load/messages/received/15min", "load/connections/1min")}

    def test_they_are_there_where_a_row_says_so(self):
        with Broker(configuration="sys_interval = 1\n" + PLAIN + SYS) as broker:
            found = self.topics(broker, "reader", self.NAMES)
            self.assertRegex(found["$SYS/broker/version"], r"^sealmq version \d")
            self.assertRegex(found["$SYS/broker/uptime"], r"^\d+ seconds$")
            self.assertRegex(found["$SYS/broker/load/connections/1min"], r"^\d+\.\d\d$")

    def test_without_a_row_nobody_reads_them(self):
        with Broker(configuration="sys_interval = 1\n" + PLAIN) as broker, logged_in(broker, "curious") as client:
            client.send(packets.subscribe("$SYS/#"))
            self.assertEqual(client.expect(SUBACK)[-1], NOT_AUTHORIZED)

    def test_allow_plain_shows_them_on_this_machine_only(self):
        with Broker("--allow-plain", configuration="sys_interval = 1\n") as broker:
            self.topics(broker, "reader", {"$SYS/broker/version"})
        with Broker("--allow-plain", "--bind", "0.0.0.0", configuration="sys_interval = 1\n") as broker:
            with logged_in(broker, "curious") as client:
                client.send(packets.subscribe("$SYS/#"))
                self.assertEqual(client.expect(SUBACK)[-1], NOT_AUTHORIZED)

    def test_nobody_else_may_publish_them(self):
        with Broker(configuration=PLAIN + "[[topic]]\nfilter = '$SYS/#'\npublish = ['plain']\nsubscribe = ['plain']\n") as broker:
            with logged_in(broker, "forger") as client:
                client.send(packets.publish("$SYS/broker/version", b"x", 1))
                self.assertEqual(client.expect(PUBACK)[2], NOT_AUTHORIZED)


class ServiceManager(unittest.TestCase):
    """A socket that takes what systemd would be told."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, address, **more):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.bind(address)
        listener.settimeout(PATIENCE)
        environment = dict(os.environ, NOTIFY_SOCKET=address.replace("\0", "@"), **more)
        process = subprocess.Popen([SEALMQ, "broker", "-p", "0", "--data", os.path.join(self.folder, "data")],
                                   env=environment, stderr=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        return listener, process

    @staticmethod
    def next(listener, skip="WATCHDOG=1"):
        while (told := listener.recv(4096).decode()) == skip:
            pass
        return dict(line.split("=", 1) for line in told.split("\n"))

    def life(self, address):
        listener, process = self.start(address)
        self.assertEqual(self.next(listener)["READY"], "1")
        process.send_signal(signal.SIGHUP)
        reloading = self.next(listener)
        self.assertEqual(reloading["RELOADING"], "1")
        self.assertLess(abs(int(reloading["MONOTONIC_USEC"]) - time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000), PATIENCE * 1_000_000)
        self.assertEqual(self.next(listener)["READY"], "1")
        process.terminate()
        self.assertEqual(self.next(listener)["STOPPING"], "1")
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_a_whole_life_is_told_to_a_socket_with_a_path(self):
        self.life(os.path.join(self.folder, "notify"))

    def test_and_to_one_without(self):
        self.life("\0sealmq-test-%d" % os.getpid())

    def test_while_a_rabin_key_is_made_the_start_may_take_longer(self):
        data = os.path.join(self.folder, "data")
        os.mkdir(data, 0o700)
        with open(os.path.join(data, "sealmq.toml"), "w") as file:
            file.write('[[topic]]\nfilter = "#"\npublish = ["sl2"]\nsubscribe = ["sl2"]\n')
        listener, process = self.start(os.path.join(self.folder, "notify"))
        told = self.next(listener)
        self.assertGreaterEqual(int(told["EXTEND_TIMEOUT_USEC"]), 60_000_000)
        self.assertEqual(told["STATUS"], "making a Rabin key")
        self.assertEqual(self.next(listener)["READY"], "1")
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), 0)
        os.remove(os.path.join(self.folder, "notify"))
        listener, process = self.start(os.path.join(self.folder, "notify"))
        self.assertEqual(self.next(listener)["READY"], "1", "now it is there")
        process.terminate()
        process.wait(PATIENCE)

    def test_the_watchdog_is_reassured_in_time(self):
        microseconds = 2_000_000
        listener, process = self.start(os.path.join(self.folder, "notify"), WATCHDOG_USEC=str(microseconds))
        self.assertEqual(self.next(listener, skip=None)["READY"], "1")
        before = time.monotonic()
        for _ in range(3):
            self.assertEqual(self.next(listener, skip=None), {"WATCHDOG": "1"})
            self.assertLess(time.monotonic() - before, microseconds / 1e6)
            before = time.monotonic()
        process.terminate()
        process.wait(PATIENCE)

    def test_a_watchdog_of_another_process_is_not(self):
        listener, process = self.start(os.path.join(self.folder, "notify"), WATCHDOG_USEC="20000", WATCHDOG_PID="1")
        self.assertEqual(self.next(listener, skip=None)["READY"], "1")
        listener.settimeout(0.3)
        with self.assertRaises(socket.timeout):
            listener.recv(4096)
        process.terminate()
        process.wait(PATIENCE)


if __name__ == "__main__":
    unittest.main()
