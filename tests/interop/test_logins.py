"""Logins never fail open: a password file that is away, a certificate that names nobody, a listener of which too little was said."""
import os
import pathlib
import signal
import struct
import subprocess
import tempfile
import unittest

from packets import CONNACK, DISCONNECT, Raw, packet, text
from servers import PATIENCE, SEALMQ, Broker, require, wait_until
from transports import MAKE_CERTIFICATES

ROW = '[[topic]]\nfilter = "#"\npublish = ["plain"]\nsubscribe = ["plain"]\n'
NOT_AUTHORIZED, QUOTA_EXCEEDED = 0x87, 0x97
PINGRESP = 13
# Of "right", with less work than in earnest; in mosquitto's file, and in ours.
MOSQUITTO = "alice:$7$101$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n"


def sealmq(*arguments, **keywords):
    return subprocess.run([SEALMQ, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE * 2, **keywords)


def login(broker, user=None, password="", client=""):
    """What CONNACK says."""
    flags = 2 | (0xC0 if user is not None else 0)
    body = text("MQTT") + bytes([5, flags]) + struct.pack(">H", 60) + b"\0" + text(client)
    if user is not None:
        body += text(user) + text(password)
    with Raw(broker, packet(0x10, body)) as raw:
        return raw.expect(CONNACK)[1]


class Logins(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sealmq-logins-")
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)
        self.passwords = self.path / "passwords"

    def set_password(self, name, password="right"):
        """Into self.passwords, as an operator would."""
        (self.path / "data").mkdir(mode=0o700, exist_ok=True)
        (self.path / "data" / "sealmq.toml").write_text(f'password_file = "{self.passwords}"\n')
        for arguments, said in ((("enroll", name, "--password-only"), None), (("password", name), password + "\n")):
            done = sealmq("identity", *arguments, "--data", self.path / "data", input=said)
            self.assertEqual(done.returncode, 0, done.stderr)

    def broker(self, configuration, **keywords):
        broker = Broker(configuration=configuration, **keywords)
        done = sealmq("identity", "enroll", "alice", "--password-only", "--data", broker.data)
        self.assertEqual(done.returncode, 0, done.stderr)
        return broker

    def starts(self, configuration, *options):
        """What a broker that does not come up ends with, and says; and what --check says beforehand."""
        file = self.path / "broker.toml"
        file.write_text(configuration)
        check = sealmq("broker", "--check", "-c", file, "--data", self.path / "none", *options)
        start = sealmq("broker", "-p", "0", "-c", file, "--data", self.path / "its", *options)
        return check, start

    def test_a_password_file_that_is_named_must_be_there(self):
        for done in self.starts(f'password_file = "{self.passwords}"\n' + ROW):
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f"cannot read {self.passwords}", done.stderr)

    def test_a_password_file_that_goes_away_lets_nobody_in(self):
        self.set_password("alice")
        with self.broker(f'password_file = "{self.passwords}"\n' + ROW) as broker:
            self.assertEqual(login(broker, "alice", "right"), 0)
            self.passwords.rename(self.path / "away")
            for user, password in (("alice", "wrong"), ("alice", "right"), ("anybody", "anything")):
                self.assertEqual(login(broker, user, password), NOT_AUTHORIZED, user)
            os.kill(broker.pid, signal.SIGHUP)
            self.assertTrue(broker.log.wait_for(lambda lines: any("nothing is reloaded" in line for line in lines)), broker.log.all())
            (self.path / "away").rename(self.passwords)
            self.assertEqual(login(broker, "alice", "right"), 0)

    def test_who_came_by_a_password_that_is_changed_has_to_go(self):
        for name in ("alice", "bob"):
            self.set_password(name)
        with self.broker(f'password_file = "{self.passwords}"\n' + ROW) as broker:
            sealmq("identity", "enroll", "bob", "--password-only", "--data", broker.data)
            wait_until(lambda: login(broker, "bob", "right", "look") == 0)
            hello = {name: packet(0x10, text("MQTT") + bytes([5, 0xC2]) + struct.pack(">H", 60) + b"\0" + text(name) + text(name) +
                                  text("right")) for name in ("alice", "bob")}
            with Raw(broker, hello["alice"]) as alice, Raw(broker, hello["bob"]) as bob:
                for raw in (alice, bob):
                    self.assertEqual(raw.expect(CONNACK)[1], 0)
                change = ("identity", "password", "alice", "--data", self.path / "data")
                self.assertEqual(sealmq(*change, input="other\n").returncode, 0)
                self.assertEqual(alice.expect(DISCONNECT)[0], 0x98)
                bob.send(packet(0xC0, b""))
                bob.expect(PINGRESP)
            self.assertEqual(login(broker, "alice", "right"), NOT_AUTHORIZED)
            self.assertEqual(login(broker, "alice", "other"), 0)

    def test_the_one_of_the_data_folder_likewise(self):
        with Broker(configuration=ROW) as broker:
            self.assertEqual(login(broker, "anybody", "anything"), 0, "names mean nothing where there are none")
            data = ("--data", broker.data)
            self.assertEqual(sealmq("identity", "enroll", "alice", "--password-only", *data).returncode, 0)
            self.assertEqual(sealmq("identity", "password", "alice", *data, input="right\n").returncode, 0)
            self.assertEqual(login(broker, "alice", "right"), 0)
            os.rename(os.path.join(broker.data, "passwords"), os.path.join(broker.data, "away"))
            self.assertEqual(login(broker, "alice", "wrong"), NOT_AUTHORIZED)
            self.assertEqual(login(broker, "anybody", "anything"), NOT_AUTHORIZED)

    def test_who_has_no_password_stays_out_where_a_file_is_named_unless_it_is_said(self):
        self.set_password("alice")
        named = f'password_file = "{self.passwords}"\n' + ROW
        with self.broker(named) as broker:
            self.assertEqual(login(broker), NOT_AUTHORIZED)
            self.assertEqual(login(broker, "alice", "right"), 0)
        with self.broker(named + '[[listener]]\nurl = "mqtt://127.0.0.1:0"\nanonymous = true\n', own_listeners=True) as broker:
            self.assertEqual(login(broker), 0)
            self.assertEqual(login(broker, "alice", "wrong"), NOT_AUTHORIZED)

    def test_passwords_in_the_data_folder_alone_close_nothing_and_that_is_told(self):
        with self.broker(ROW) as broker:
            data = ("--data", broker.data)
            self.assertEqual(sealmq("identity", "password", "alice", *data, input="right\n").returncode, 0)
            check = sealmq("broker", "--check", *data, "-c", broker.path("test.toml"))
            self.assertEqual(check.returncode, 0, check.stderr)
            self.assertIn("lets in clients without a password too", check.stderr)
            self.assertIn("anonymous = false", check.stderr)
            self.assertEqual(login(broker), 0)

    def test_a_certificate_that_names_nobody_is_nobodys(self):
        require("mosquitto_pub", "openssl")
        subprocess.run([MAKE_CERTIFICATES, self.path], check=True)
        run = lambda *command: subprocess.run(command, check=True, cwd=self.path, capture_output=True)
        run("openssl", "req", "-new", "-key", "client.key", "-subj", "/O=nobody", "-out", "nobody.csr")
        run("openssl", "x509", "-req", "-in", "nobody.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "77", "-days", "1", "-out", "nobody.pem")
        row = ('[[listener]]\nurl = "mqtts://127.0.0.1:0"\ncert = "{0}/server.pem"\nkey = "{0}/server.key"\nclient_ca = "{0}/ca.pem"\n'
               "require_certificate = true\n{1}\n")
        kinds = ['identity = "cn"', 'identity = "san"', "", 'identity = "cn"\nanonymous = true']
        with Broker(configuration=ROW + "".join(row.format(self.path, kind) for kind in kinds), own_listeners=True) as broker:
            def publish(port):
                return subprocess.run(["mosquitto_pub", "-V", "5", "-h", "localhost", "-p", str(port), "-t", "secret/valve", "-m", "x", "-q", "1",
                                       "--cafile", "ca.pem", "--cert", "nobody.pem", "--key", "client.key"], capture_output=True, text=True,
                                      cwd=self.path, timeout=PATIENCE).returncode
            self.assertEqual([publish(port) for port in broker.ports], [NOT_AUTHORIZED] * 3 + [0])
            self.assertTrue(any("does not tell by certificate or key" in line for line in broker.log.all()), broker.log.all())

    def test_a_password_file_as_containers_mount_it(self):
        self.set_password("alice")
        link = self.path / "mounted"
        link.symlink_to("passwords")
        configuration = f'password_file = "{link}"\n' + ROW
        for mode in (0o400, 0o440, 0o444):
            self.passwords.chmod(mode)
            with self.broker(configuration) as broker:
                self.assertEqual(login(broker, "alice", "right"), 0, oct(mode))
                check = sealmq("broker", "--check", "--data", broker.data, "-c", broker.path("test.toml"))
                self.assertEqual(check.returncode, 0, check.stderr)
                self.assertEqual("everybody on this machine can read" in check.stderr, mode == 0o444, check.stderr)
        for mode in (0o646, 0o644, 0o660):
            self.passwords.chmod(mode)
            for done in self.starts(configuration):
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("hint: chmod", done.stderr)

    def test_a_file_of_mosquitto_passwd_is_told(self):
        self.passwords.write_text(MOSQUITTO)
        self.passwords.chmod(0o600)
        for done in self.starts(f'password_file = "{self.passwords}"\n' + ROW):
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("made by mosquitto_passwd", done.stderr)

    def test_guesses_are_those_of_the_name(self):
        self.set_password("alice")
        with self.broker(f'password_file = "{self.passwords}"\n' + ROW) as broker:
            answers = [login(broker, "alice", f"guess {i}", client=f"client-{i}") for i in range(40)]
            looked_at = [answer for answer in answers if answer == NOT_AUTHORIZED]
            self.assertGreaterEqual(len(looked_at), 5)
            self.assertLess(len(looked_at), 15, "5, and one for each wait that is over")
            self.assertEqual(set(answers), {NOT_AUTHORIZED, QUOTA_EXCEEDED})


if __name__ == "__main__":
    unittest.main()
