"""Who a client is follows from its certificate or its pre-shared key, where a listener says so."""
import pathlib
import subprocess
import tempfile
import unittest

from servers import SEALMQ, Broker, require
from transports import MAKE_CERTIFICATES, PSK

PSK_IDENTITY = "meter-3"

LISTENERS = """
[[topic]]
filter = "#"
publish = ["plain"]
subscribe = ["plain"]
[[listener]]
url = "mqtt://127.0.0.1:0"
anonymous = false
[[listener]]
url = "mqtts://127.0.0.1:0"
cert = "{folder}/server.pem"
key = "{folder}/server.key"
client_ca = "{folder}/ca.pem"
identity = "cn"
anonymous = false
[[listener]]
url = "mqtts://127.0.0.1:0"
cert = "{folder}/server.pem"
key = "{folder}/server.key"
client_ca = "{folder}/ca.pem"
identity = "san"
anonymous = false
[[listener]]
url = "mqtts://127.0.0.1:0"
psk_file = "{folder}/psk"
identity = "psk"
anonymous = false
"""
NAMES = ["tcp", "cn", "san", "psk"]
# What the certificates and the key file name, and which topic each may use.
IDENTITIES = {"cn": "boiler-7", "san": "boiler-7.example", "psk": PSK_IDENTITY}
NOT_AUTHORISED = 0x87  # what mosquitto_pub ends with


class TransportIdentities(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        require("mosquitto_pub", "openssl")
        cls.certificates = tempfile.TemporaryDirectory(prefix="sealmq-certificates-")
        folder = cls.folder = pathlib.Path(cls.certificates.name)
        subprocess.run([MAKE_CERTIFICATES, folder], check=True)
        (folder / "psk").write_text(f"{PSK_IDENTITY}:{PSK} raw\n")
        (folder / "psk").chmod(0o600)
        cls.broker = Broker(configuration=LISTENERS.format(folder=folder), own_listeners=True)
        cls.port = dict(zip(NAMES, map(str, cls.broker.ports)))
        for name in ("cn", "san", "psk"):
            cls.sealmq("identity", "new", IDENTITIES[name], "-o", folder / f"{name}.key")
            cls.sealmq("identity", "enroll", folder / f"{name}.pub", "--data", cls.broker.data, "--publish", f"own/{name}")

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()
        cls.certificates.cleanup()

    @staticmethod
    def sealmq(*arguments):
        subprocess.run([SEALMQ, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

    def publish(self, listener, topic, *options):
        """What mosquitto_pub ended with, and said."""
        done = subprocess.run(["mosquitto_pub", "-V", "5", "-h", "localhost", "-p", self.port[listener], "-t", topic, "-m", "x", "-q", "1",
                               *map(str, options)], capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout + done.stderr

    def assert_rights(self, listener, *options):
        for _ in range(100):  # the list reaches the broker within a second
            status, said = self.publish(listener, f"own/{listener}", *options)
            if status == 0 and "Not authorized" not in said:
                break
        self.assertEqual((status, said), (0, ""))
        self.assertIn("Not authorized", self.publish(listener, "own/other", *options)[1])

    def test_by_common_name(self):
        trust = ["--cafile", self.folder / "ca.pem"]
        mine = [*trust, "--cert", self.folder / "client.pem", "--key", self.folder / "client.key"]
        self.assert_rights("cn", *mine)
        self.assertEqual(self.publish("cn", "own/cn", *trust)[0], NOT_AUTHORISED, "no certificate")
        stolen = [*trust, "--cert", self.folder / "revoked.pem", "--key", self.folder / "revoked.key"]
        self.assertEqual(self.publish("cn", "own/cn", *stolen)[0], NOT_AUTHORISED, "a name that is not on the list")

    def test_by_alternative_name(self):
        self.assert_rights("san", "--cafile", self.folder / "ca.pem", "--cert", self.folder / "client.pem", "--key",
                           self.folder / "client.key")

    def test_by_shared_key(self):
        self.assert_rights("psk", "--psk-identity", PSK_IDENTITY, "--psk", PSK)

    def test_nobody_in_particular_is_refused_where_it_is_said(self):
        self.assertEqual(self.publish("tcp", "own/cn")[0], NOT_AUTHORISED)

    def test_a_revoked_identity_is_out(self):
        mine = ["--cafile", self.folder / "ca.pem", "--cert", self.folder / "client.pem", "--key", self.folder / "client.key"]
        self.assert_rights("cn", *mine)
        self.sealmq("identity", "revoke", IDENTITIES["cn"], "--reason", "stolen", "--data", self.broker.data)
        self.assertEqual(self.publish("cn", "own/cn", *mine)[0], NOT_AUTHORISED)
        self.sealmq("identity", "restore", IDENTITIES["cn"], "--data", self.broker.data)
        self.assert_rights("cn", *mine)


if __name__ == "__main__":
    unittest.main()
