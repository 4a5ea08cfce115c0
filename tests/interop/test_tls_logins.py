"""Logins by what TLS proves: TLS-EXT, user names and client identifiers beside a certificate, tickets, keys that are guessed."""
import os
import pathlib
import socket
import ssl
import struct
import subprocess
import tempfile
import unittest
import urllib.request

from packets import packet, text
from servers import PATIENCE, SEALMQ, Broker, require
from transports import MAKE_CERTIFICATES, PSK

LISTENERS = """
[admin]
url = "http://127.0.0.1:0"
[[topic]]
filter = "#"
publish = ["plain"]
subscribe = ["plain"]
[[listener]]
url = "mqtts://127.0.0.1:0"
cert = "{folder}/server.pem"
key = "{folder}/server.key"
client_ca = "{folder}/ca.pem"
identity = "cn"
[[listener]]
url = "mqtts://127.0.0.1:0"
cert = "{folder}/server.pem"
key = "{folder}/server.key"
client_ca = "{folder}/ca.pem"
identity = "cn"
bind_client_id = false
[[listener]]
url = "mqtts://127.0.0.1:0"
cert = "{folder}/server.pem"
key = "{folder}/server.key"
identity = "spki"
[[listener]]
url = "mqtts://127.0.0.1:0"
psk_file = "{folder}/psk"
identity = "psk"
"""
NAMES = ["bound", "free", "spki", "psk"]
REFUSED, TAKEN = 0x87, 0
METHOD, DATA, ASSIGNED = 0x15, 0x16, 0x12


def connect(client_id, user=None, password=None, method=None, data=None):
    properties = (b"" if method is None else bytes([METHOD]) + text(method)) + (
        b"" if data is None else bytes([DATA]) + struct.pack(">H", len(data)) + data)
    flags = 2 | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    return packet(0x10, text("MQTT") + bytes([5, flags]) + b"\0\x3c" + bytes([len(properties)]) + properties + text(client_id) +
                  b"".join(text(word) for word in (user, password) if word is not None))


def text_property(body, wanted):
    """Of a CONNACK or AUTH: the properties that hold a text; None if it is not there."""
    at = body.find(bytes([wanted]) + b"\0")
    return None if at < 0 else body[at + 3:at + 3 + body[at + 2]].decode()


class TlsLogins(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        require("openssl")
        cls.certificates = tempfile.TemporaryDirectory(prefix="sealmq-certificates-")
        folder = cls.folder = pathlib.Path(cls.certificates.name)
        subprocess.run([MAKE_CERTIFICATES, folder], check=True)
        (folder / "psk").write_text(f"meter-3:{PSK} raw\n")
        (folder / "psk").chmod(0o600)
        key = subprocess.run("openssl x509 -in other-client.pem -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum", shell=True,
                             cwd=folder, check=True, capture_output=True, text=True).stdout.split()[0]
        cls.broker = Broker(configuration=LISTENERS.format(folder=folder), own_listeners=True)
        cls.port = dict(zip(NAMES, cls.broker.ports))
        for name in ("boiler-7", "stolen-8", "meter-3", key):
            cls.sealmq("identity", "enroll", name, "--password-only", "--publish", "#", "--data", cls.broker.data)
        cls.sealmq("identity", "password", "boiler-7", "--data", cls.broker.data, input="right\n", text=True)
        cls.sealmq("identity", "password", "stolen-8", "--data", cls.broker.data, input="right\n", text=True)
        # Names are known to the broker within a second.
        for _ in range(100):
            if cls.login("bound", connect("boiler-7"), "client")[0] == TAKEN:
                break

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()
        cls.certificates.cleanup()

    @staticmethod
    def sealmq(*arguments, **keywords):
        subprocess.run([SEALMQ, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **keywords)

    @classmethod
    def tls(cls, listener, certificate=None, session=None, context=None):
        if context is None:
            context = cls.context(certificate)
        return context.wrap_socket(socket.create_connection(("127.0.0.1", cls.port[listener]), PATIENCE), server_hostname="localhost",
                                   session=session)

    @classmethod
    def context(cls, certificate=None, version=ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=cls.folder / "ca.pem")
        context.maximum_version = version
        if certificate is not None:
            context.load_cert_chain(cls.folder / f"{certificate}.pem", cls.folder / f"{certificate}.key")
        return context

    @classmethod
    def login(cls, listener, sent, certificate=None, also=b""):
        """The reason in CONNACK, and the body of the last packet."""
        with cls.tls(listener, certificate) as connection:
            connection.sendall(sent)
            body = cls.read(connection)
            reason = body[1]
            if also:
                connection.sendall(also)
                body = cls.read(connection)
            return reason, body

    @staticmethod
    def read(connection):
        header = connection.recv(2)
        body = b""
        while len(body) < header[1]:
            body += connection.recv(header[1] - len(body))
        return body

    def assert_reason(self, expected, *arguments, **keywords):
        self.assertEqual(hex(self.login(*arguments, **keywords)[0]), hex(expected), arguments)

    def test_tls_ext_takes_the_identity_from_tls(self):
        ask = connect("boiler-7", method="TLS-EXT")
        again = packet(0xF0, bytes([0x19, 3 + len("TLS-EXT"), METHOD]) + text("TLS-EXT"))
        reason, body = self.login("bound", ask, "client")
        self.assertEqual((reason, text_property(body, METHOD)), (TAKEN, "TLS-EXT"))
        self.assertNotIn(bytes([DATA]) + b"\0", body[3:3 + 3 + len("TLS-EXT")])
        self.assertEqual(self.login("bound", ask, "client", also=again)[1][0], 0, "AUTH, success")
        self.assert_reason(TAKEN, "bound", connect("boiler-7", method="TLS-EXT", data=b""), "client")
        self.assert_reason(REFUSED, "bound", connect("boiler-7", method="TLS-EXT", data=b"boiler-7"), "client")
        self.assert_reason(REFUSED, "bound", connect("boiler-7", method="TLS-EXT"))

    def test_a_client_identifier_of_another_identity_is_refused(self):
        for name, reason in (("boiler-7", TAKEN), ("boiler-7:a", TAKEN), ("boiler-70", REFUSED), ("boiler", REFUSED), ("stolen-8", REFUSED)):
            self.assert_reason(reason, "bound", connect(name), "client")
            self.assert_reason(TAKEN, "free", connect(name), "client")
        assigned = text_property(self.login("bound", connect(""), "client")[1], ASSIGNED)
        self.assertTrue(assigned.startswith("boiler-7:"), assigned)

    def test_a_user_name_agrees_with_the_certificate(self):
        self.assert_reason(TAKEN, "free", connect("a", user="boiler-7"), "client")
        self.assert_reason(TAKEN, "free", connect("a", user="boiler-7", password="right"), "client")
        self.assert_reason(REFUSED, "free", connect("a", user="boiler-7", password="wrong"), "client")
        self.assert_reason(REFUSED, "free", connect("a", user="stolen-8", password="right"), "client")
        self.assert_reason(TAKEN, "free", connect("a", user="stolen-8", password="right"))  # without a certificate

    def test_a_key_may_be_the_identity_whoever_signed_it(self):
        self.assert_reason(TAKEN, "spki", connect(""), "other-client")
        self.assert_reason(REFUSED, "spki", connect(""), "client")

    def test_a_ticket_of_an_identity_that_was_revoked_meanwhile_does_not_let_it_in(self):
        # In TLS 1.2, where Python has the session without reading first.
        context = self.context("revoked", ssl.TLSVersion.TLSv1_2)
        with self.tls("free", context=context) as connection:
            connection.sendall(connect("s"))
            self.assertEqual(self.read(connection)[1], TAKEN)
            session = connection.session
        for revoked in (False, True):
            if revoked:
                self.sealmq("identity", "revoke", "stolen-8", "--reason", "lost", "--data", self.broker.data)
            with self.tls("free", context=context, session=session) as connection:
                self.assertTrue(connection.session_reused)
                connection.sendall(connect("s"))
                self.assertEqual(self.read(connection)[1], REFUSED if revoked else TAKEN)
        self.sealmq("identity", "restore", "stolen-8", "--data", self.broker.data)

    def s_client(self, identity, key, version):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port['psk']}", version, "-psk_identity", identity, "-psk", key],
                              input="", capture_output=True, text=True, timeout=PATIENCE)
        return [line.split(":", 1)[1] for line in done.stderr.splitlines() if "alert" in line], done.stdout

    def test_names_of_keys_cannot_be_found_out(self):
        for version in ("-tls1_2", "-tls1_3"):
            unknown, wrong = self.s_client("nobody", "00" * 16, version)[0], self.s_client("meter-3", "00" * 16, version)[0]
            self.assertTrue(wrong)
            self.assertEqual([line.split(":")[1:] for line in unknown], [line.split(":")[1:] for line in wrong])

    def test_one_who_guesses_a_key_waits(self):
        def comes_in():
            return subprocess.run([SEALMQ, "pub", "-h", "127.0.0.1", "-p", str(self.port["psk"]), "--psk-identity", "meter-3", "--psk-raw",
                                   "-t", "a", "-m", "x", "-q", "1"], env={**os.environ, "SEALMQ_PSK": PSK}, timeout=PATIENCE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

        self.assertTrue(comes_in())
        for _ in range(10):  # it waits a second only, and a test may be slow
            for _ in range(6):
                self.s_client("meter-3", "00" * 16, "-tls1_3")
            if not comes_in():
                return
        self.fail("the right key always comes in")

    def reload(self):
        def read(lines):
            return sum("reloaded: certificates and keys" in line for line in lines)

        before = read(self.broker.log.all())
        self.broker.reload()
        self.assertTrue(self.broker.log.wait_for(lambda lines: read(lines) >= before + len(NAMES)))

    def test_a_key_that_is_replaced_under_its_name_ends_the_connections_that_came_by_it(self):
        other = "ab" * 32
        client = subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{self.port['psk']}", "-psk_identity", "meter-3",
                                   "-psk", PSK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            def read():
                kind, size = client.stdout.read(2)
                return kind, client.stdout.read(size)

            client.stdin.write(connect("meter-3"))
            client.stdin.flush()
            self.assertEqual(read()[1][1], TAKEN)
            (self.folder / "psk").write_text(f"other:{other}\nmeter-3:{PSK} raw\n")
            self.reload()
            client.stdin.write(packet(0xC0, b""))
            client.stdin.flush()
            self.assertEqual(read(), (0xD0, b""), "its key is the same")
            (self.folder / "psk").write_text(f"meter-3:{other} raw\n")
            self.reload()
            kind, body = read()
            self.assertEqual((kind, body[0]), (0xE0, 0x98))
        finally:
            client.kill()
            client.communicate()
            (self.folder / "psk").write_text(f"meter-3:{PSK} raw\n")
            self.reload()

    def test_metrics_count_key_exchanges(self):
        self.login("bound", connect("boiler-7"), "client")
        url = next(line.removeprefix("listening on ") for line in self.broker.log.all() if line.startswith("listening on http"))
        for _ in range(PATIENCE * 10):
            page = urllib.request.urlopen(url + "/metrics", timeout=PATIENCE).read().decode()
            if 'sealmq_tls_handshakes_total{group="x25519"}' in page:
                return
        self.fail(page)


if __name__ == "__main__":
    unittest.main()
