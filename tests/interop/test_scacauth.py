"""SCACAuth against the real broker: a client by MQTT.js that was written from the specification, our command line in both
profiles, and clients that know nothing of it, which must not meet its packets."""
import os
import socket
import subprocess
import threading
import time
import unittest

import paho.mqtt.client as paho

from servers import PATIENCE, SEALMQ, Broker, require

HERE = os.path.dirname(os.path.abspath(__file__))
MESSAGES = 1000

CONFIGURATION = """
[[listener]]
url = "mqtt://127.0.0.1:0"
insecure_channel = true
[[topic]]
filter = "cards/#"
publish = ["scacauth", "scacauth@paper"]
subscribe = ["scacauth", "scacauth@paper"]
[[topic]]
filter = "open/#"
publish = ["scacauth", "scacauth@paper", "plain"]
subscribe = ["scacauth", "scacauth@paper", "plain"]
"""


def sealmq(*arguments):
    done = subprocess.run([SEALMQ, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


class Tap:
    """Passes bytes on, and keeps what came from the broker."""

    def __init__(self, port):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._to = port
        self.from_broker = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        client, _ = self._listener.accept()
        broker = socket.create_connection(("127.0.0.1", self._to))
        threading.Thread(target=self._pass, args=(client, broker, False), daemon=True).start()
        self._pass(broker, client, True)

    def _pass(self, source, sink, keep):
        while data := source.recv(65536):
            if keep:
                self.from_broker += data
            sink.sendall(data)

    def packets(self):
        rest, found = self.from_broker, []
        while len(rest) > 1:
            size, shift, at = 0, 0, 1
            while True:
                size |= (rest[at] & 127) << shift
                shift += 7
                at += 1
                if not rest[at - 1] & 128:
                    break
            found.append(rest[:at + size])
            rest = rest[at + size:]
        return found


class Scacauth(unittest.TestCase):
    def setUp(self):
        require("node")
        self.broker = Broker(configuration=CONFIGURATION, own_listeners=True)
        self.addCleanup(self.broker.stop)
        self.pinned = os.path.join(self.broker.data, "broker.pub")

    def enroll(self, name, *options):
        sealmq("identity", "enroll", self.broker.path(name + ".pub"), "--publish", "cards/#", "--publish", "open/#",
               "--subscribe", "cards/#", "--subscribe", "open/#", "--scheme", "scacauth", "--scheme", "scacauth@paper",
               "--data", self.broker.data, *options)

    def identity(self, name, *options):
        sealmq("identity", "new", name, "-o", self.broker.path(name + ".key"), *options)
        self.enroll(name)
        return ["--key", self.broker.path(name + ".key"), "--broker-key", self.pinned, "-p", self.broker.port]

    def test_the_independent_client_exchanges_messages_with_a_key_for_each(self):
        self.assertTrue(os.path.isdir(os.path.join(HERE, "node_modules", "mqtt")),
                        "MQTT.js is missing: npm ci in tests/interop (./dev does)")
        folder = os.path.dirname(self.pinned)
        made = subprocess.run(["node", "scacauth.mjs", "keys", "CLIENTE1", folder], cwd=HERE, capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stderr)
        os.rename(os.path.join(folder, "CLIENTE1.pub"), self.broker.path("CLIENTE1.pub"))
        self.enroll("CLIENTE1", "--unproved")
        result = subprocess.run(["node", "scacauth.mjs", "run", str(self.broker.port), "CLIENTE1", folder, str(MESSAGES)], cwd=HERE,
                                timeout=240, capture_output=True, text=True)
        log = "\n".join(self.broker.log.all()[-20:])
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr + log)
        self.assertTrue(result.stdout.endswith("done\n"), result.stdout + log)

    def test_the_command_line_speaks_both_profiles(self):
        here = self.identity("CLIENTE1", "--rsa", "2048")
        there = self.identity("CLIENTE2", "--rsa", "2048")
        for publish_by, subscribe_by in (("scacauth@paper", "scacauth@paper"), ("scacauth", "scacauth@paper"),
                                         ("scacauth@paper", "scacauth"), ("scacauth", "scacauth")):
            values = ("21C", "22C", "23C")
            for value in values:
                sealmq("pub", "--scheme", publish_by, *here, "-t", "cards/" + value, "-m", value + " by " + publish_by, "-r", "-q", "1")
            output = sealmq("sub", "--scheme", subscribe_by, *there, "-t", "cards/#", "-C", "3", "-W", "20", "-v")
            self.assertEqual(sorted(output.splitlines()), [f"cards/{value} {value} by {publish_by}" for value in values])

    def test_a_client_that_knows_nothing_of_it_gets_short_acknowledgements(self):
        """Paho for Python breaks at a PUBREL with a property."""
        here = self.identity("CLIENTE1", "--rsa", "2048")
        tap = Tap(self.broker.port)
        got = threading.Event()
        client = paho.Client(client_id="paho", protocol=paho.MQTTv5)
        client.on_connect = lambda its, *_: its.subscribe("open/#", 2)
        ready = threading.Event()
        client.on_subscribe = lambda *_: ready.set()
        client.on_message = lambda *_: got.set()
        client.connect("127.0.0.1", tap.port)
        client.loop_start()
        try:
            self.assertTrue(ready.wait(PATIENCE))
            sealmq("pub", "--scheme", "scacauth@paper", *here, "-t", "open/x", "-m", "hello")
            self.assertTrue(got.wait(PATIENCE))
            sent = client.publish("open/y", "back", 2)
            sent.wait_for_publish(PATIENCE)
            self.assertTrue(sent.is_published())
            time.sleep(0.2)
        finally:
            client.disconnect()
            client.loop_stop()
        acknowledgements = [packet for packet in tap.packets() if packet[0] >> 4 in (5, 6, 7)]
        self.assertGreaterEqual(len(acknowledgements), 2)
        for packet in acknowledgements:
            self.assertLessEqual(len(packet), 5, packet.hex())


if __name__ == "__main__":
    unittest.main()
