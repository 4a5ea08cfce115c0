"""sealmq pub and sub through other people's broker, mosquitto, beside mosquitto_pub and mosquitto_sub."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from servers import PATIENCE, SEALMQ, Lines, require

MOSQUITTO = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
VERSIONS = {"5": "mqttv5", "3.1.1": "mqttv311"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mosquitto:
    def __init__(self, port, *more):
        """`more`: lines of its configuration, about the listener."""
        self.port = port
        self._folder = tempfile.mkdtemp(prefix="sealmq-interop-")
        path = os.path.join(self._folder, "conf")
        with open(path, "w") as file:
            file.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type subscribe\nlog_dest stderr\n")
            file.write("".join(line + "\n" for line in more))
        self._process = subprocess.Popen([MOSQUITTO, "-c", path], stderr=subprocess.PIPE, text=True)
        self.log = Lines(self._process.stderr)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def wait_for_subscriptions(self, topic, count):
        """mosquitto logs each as `ID QOS TOPIC`."""
        if not self.log.wait_for(lambda lines: sum(line.endswith(" " + topic) for line in lines) >= count):
            raise AssertionError(f"not subscribed to {topic}: {self.log.all()}")

    def stop(self):
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._process.stderr.close()
        shutil.rmtree(self._folder)


class PubSub(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        require("mosquitto_pub", "mosquitto_sub")
        if MOSQUITTO is None:
            raise RuntimeError("mosquitto is missing: install the test dependencies (./dev does)")
        cls.broker = Mosquitto(free_port())

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def command(self, word, *options, **keywords):
        return subprocess.run([SEALMQ, word, "-h", "127.0.0.1", "-p", str(self.broker.port), *options], timeout=PATIENCE,
                              capture_output=True, **keywords)

    def start(self, program, *options):
        process = subprocess.Popen([*program, "-h", "127.0.0.1", "-p", str(self.broker.port), *options],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        return process

    def test_every_qos_in_both_directions(self):
        for ours, theirs in VERSIONS.items():
            for qos in "012":
                with self.subTest(version=ours, qos=qos):
                    topic = f"all/{ours}/{qos}"
                    options = ["-t", topic, "-q", qos, "-C", "4", "-F", "%t %q %r %l %p"]
                    our_sub = self.start([SEALMQ, "sub"], "-V", ours, *options)
                    their_sub = self.start(["mosquitto_sub"], "-V", theirs, *options)
                    self.broker.wait_for_subscriptions(topic, 2)
                    self.assertEqual(self.command("pub", "-V", ours, "-t", topic, "-q", qos, "-m", "one").returncode, 0)
                    subprocess.run(["mosquitto_pub", "-p", str(self.broker.port), "-V", theirs, "-t", topic, "-q", qos, "-m", "two"],
                                   check=True, timeout=PATIENCE)
                    lines = self.command("pub", "-V", ours, "-t", topic, "-q", qos, "-l", input=b"three\n\nfour\n")
                    self.assertEqual(lines.returncode, 0, lines.stderr)
                    expected = "".join(f"{topic} {qos} 0 {len(p)} {p}\n" for p in ["one", "two", "three", "four"]).encode()
                    self.assertEqual(our_sub.communicate(timeout=PATIENCE)[0], expected)
                    self.assertEqual(their_sub.communicate(timeout=PATIENCE)[0], expected)
                    self.assertEqual(our_sub.returncode, 0)

    def test_properties_in_both_directions(self):
        said = [["content-type", "text/plain"], ["response-topic", "reply/here"], ["correlation-data", "abc"],
                ["payload-format-indicator", "1"], ["message-expiry-interval", "3600"], ["topic-alias", "1"],
                ["user-property", "unit", "bar"], ["user-property", "site", "north east"]]
        options = [word for one in said for word in ["-D", "publish", *one]]
        form = ["-t", "properties", "-q", "1", "-C", "2", "-F", "%p|%C|%R|%D|%F|%P|%E"]
        our_sub = self.start([SEALMQ, "sub"], *form, "-D", "subscribe", "subscription-identifier", "9")
        their_sub = self.start(["mosquitto_sub"], "-V", "mqttv5", *form)
        self.broker.wait_for_subscriptions("properties", 2)
        ours = self.command("pub", "-t", "properties", "-m", "one", "-q", "1", *options)
        self.assertEqual(ours.returncode, 0, ours.stderr)
        subprocess.run(["mosquitto_pub", "-p", str(self.broker.port), "-V", "mqttv5", "-t", "properties", "-m", "two", "-q", "1", *options],
                       check=True, timeout=PATIENCE)
        for sub in our_sub, their_sub:
            lines = sub.communicate(timeout=PATIENCE)[0].decode().splitlines()
            for payload, line in zip(["one", "two"], lines, strict=True):
                self.assertRegex(line, rf"^{payload}\|text/plain\|reply/here\|abc\|1\|unit:bar site:north east\|3(600|5\d\d)$")

    def test_subscription_identifiers_and_delayed_wills(self):
        sub = self.start([SEALMQ, "sub"], "-t", "identified", "-C", "1", "-F", "%S %p", "-D", "subscribe", "subscription-identifier", "268435455")
        self.broker.wait_for_subscriptions("identified", 1)
        self.command("pub", "-t", "identified", "-m", "x", check=True)
        self.assertEqual(sub.communicate(timeout=PATIENCE)[0], b"268435455 x\n")
        wills = self.start([SEALMQ, "sub"], "-t", "last words", "-C", "1", "-F", "%C %P %p")
        self.broker.wait_for_subscriptions("last words", 1)
        dying = self.start([SEALMQ, "sub"], "-t", "dying", "--will-topic", "last words", "--will-payload", "alas",
                           "-D", "will", "content-type", "text/plain", "-D", "will", "user-property", "who", "me",
                           "-D", "will", "will-delay-interval", "1", "-D", "connect", "session-expiry-interval", "60")
        self.broker.wait_for_subscriptions("dying", 1)
        dying.kill()
        self.assertEqual(wills.communicate(timeout=PATIENCE)[0], b"text/plain who:me alas\n")

    def test_properties_that_cannot_be_are_refused(self):
        for words in (["publish", "content-typo", "x"], ["publish", "topic-alias", "0"], ["publish", "user-property", "x"],
                      ["publish", "message-expiry-interval", "soon"], ["publish", "response-topic", "a/#"], ["subscribe", "user-property", "a", "b"],
                      ["will", "content-type", "x"], ["connect", "receive-maximum", "65536"], ["publish", "content-type"]):
            refused = self.command("pub", "-t", "t", "-m", "x", "-D", *words)
            self.assertEqual(refused.returncode, 1, words)
            self.assertTrue(refused.stderr, words)

    def test_large_payloads_arrive_unchanged(self):
        payload = os.urandom(2_000_000)
        for qos in "012":
            sub = self.start([SEALMQ, "sub"], "-t", f"large/{qos}", "-q", qos, "-C", "1", "-N")
            self.broker.wait_for_subscriptions(f"large/{qos}", 1)
            self.assertEqual(self.command("pub", "-t", f"large/{qos}", "-q", qos, "-s", input=payload).returncode, 0)
            self.assertEqual(sub.communicate(timeout=PATIENCE)[0], payload)

    def test_a_session_keeps_what_was_not_taken(self):
        for version in VERSIONS:
            me = ["-t", f"kept/{version}", "-i", f"kept-{version}", "-c", "-q", "2", "-V", version]
            self.assertEqual(self.command("sub", *me, "-W", "0.2").returncode, 27)
            for i in "1234":
                self.command("pub", "-t", f"kept/{version}", "-q", str(1 + int(i) % 2), "-m", i, check=True)
            self.assertEqual(self.command("sub", *me, "-C", "1").stdout, b"1\n")
            self.assertEqual(self.command("sub", *me, "-C", "3").stdout, b"2\n3\n4\n")
            self.assertEqual(self.command("sub", *me, "-W", "0.2").stdout, b"")

    def test_retained_messages(self):
        for name in "ab":
            self.command("pub", "-t", f"retained/{name}", "-m", name, "-r", "-q", "1", check=True)
        everything = self.command("sub", "-t", "retained/#", "-C", "2", "--json").stdout.splitlines()
        self.assertEqual([json.loads(line) for line in everything],
                         [{"topic": f"retained/{name}", "payload": name, "payload_encoding": "utf8", "from": "", "scheme": "plain",
                           "verified": False, "qos": 0, "retain": True} for name in "ab"])
        hidden = self.command("sub", "-t", "retained/#", "-T", "retained/a", "-v", "-W", "0.5")
        self.assertEqual((hidden.returncode, hidden.stdout), (27, b"retained/b b\n"))
        self.assertEqual(self.command("sub", "-t", "retained/#", "-R", "-W", "0.5").stdout, b"")
        for name in "ab":
            self.command("pub", "-t", f"retained/{name}", "-n", "-r", "-q", "1", check=True)
        self.assertEqual(self.command("sub", "-t", "retained/#", "-W", "0.5").stdout, b"")

    def test_a_will_is_published_for_the_killed_and_not_for_the_stopped(self):
        will = ["-t", "idle", "--will-topic", "will", "--will-payload"]
        watcher = self.start(["mosquitto_sub"], "-t", "will", "-C", "1")
        self.broker.wait_for_subscriptions("will", 1)
        stopped = self.start([SEALMQ, "sub"], *will, "stopped")
        killed = self.start([SEALMQ, "sub"], *will, "killed")
        self.broker.wait_for_subscriptions("idle", 2)
        stopped.send_signal(signal.SIGTERM)
        self.assertEqual(stopped.wait(PATIENCE), 0)
        killed.kill()
        self.assertEqual(watcher.communicate(timeout=PATIENCE)[0], b"killed\n")

    def test_sub_comes_back_when_the_broker_does(self):
        broker = Mosquitto(free_port())
        sub = subprocess.Popen([SEALMQ, "sub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", "back", "-C", "1"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (sub.poll() is None and sub.kill(), sub.communicate()))
        broker.wait_for_subscriptions("back", 1)
        broker.stop()
        broker = Mosquitto(broker.port)
        self.addCleanup(broker.stop)
        broker.wait_for_subscriptions("back", 1)
        subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-t", "back", "-m", "hello", "-q", "1"], check=True, timeout=PATIENCE)
        self.assertEqual(sub.communicate(timeout=PATIENCE)[0], b"hello\n")

    def test_exit_codes(self):
        for code, word, *options in [
            (1, "pub", "-t", "a/+", "-m", "x"),
            (1, "pub", "-t", "a"),
            (1, "pub", "-t", "a", "-m", "x", "-n"),
            (1, "pub", "-m", "x"),
            (1, "pub", "-t", "a", "-m", "x", "-V", "6"),
            (1, "pub", "-t", "a", "-m", "x", "--scheme", "nonsense"),
            (1, "sub", "-t", "a/#/b"),
            (1, "sub", "-t", "a", "-F", "%y"),
            (1, "sub", "-t", "a", "-c"),
            (2, "pub", "-t", "a", "-f", "/nonexistent"),
            (2, "pub", "-t", "a", "-f", "/"),
        ]:
            with self.subTest(options=options):
                result = self.command(word, *options)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertRegex(result.stderr, rb"^sealmq: [^A-Z]")
                self.assertEqual(result.stdout, b"")
        nobody = subprocess.run([SEALMQ, "pub", "-L", f"mqtt://127.0.0.1:{free_port()}/a", "-m", "x"], capture_output=True)
        self.assertEqual(nobody.returncode, 2, nobody.stderr)


if __name__ == "__main__":
    unittest.main()
