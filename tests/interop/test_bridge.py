"""Bridges: to Debian's mosquitto, and between two of our own brokers."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import packets
from servers import PATIENCE, Broker, Lines, require, wait_until
from transports import MAKE_CERTIFICATES

require("mosquitto", "mosquitto_sub", "mosquitto_pub")

PLAIN = "[[topic]]\nfilter = '#'\npublish = ['plain']\nsubscribe = ['plain']\n"
CONNECTED = ": connected"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def bridge(name, port, *topics, **more):
    settings = {"name": name, "url": f"mqtt://127.0.0.1:{port}", **more}
    lines = "".join(f'{key} = "{value}"\n' for key, value in settings.items())
    return f"[[bridge]]\n{lines}topics = [{', '.join(topics)}]\n"


class Mosquitto:
    """On a fixed port, with a folder that outlives a restart."""

    def __init__(self, more=""):
        self.folder = tempfile.mkdtemp(prefix="mosquitto-bridge-")
        os.chmod(self.folder, 0o777)
        self.port = free_port()
        self.configuration = os.path.join(self.folder, "mosquitto.conf")
        with open(self.configuration, "w") as file:
            file.write(f"listener {self.port} 127.0.0.1\npersistence true\npersistence_location {self.folder}/\n"
                       "autosave_interval 1\nautosave_on_changes true\nmax_inflight_messages 1000\nmax_queued_messages 10000\n" + (more or "allow_anonymous true\n"))
        self.start()

    def start(self):
        self.process = subprocess.Popen(["mosquitto", "-c", self.configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def listens():
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                return False
        assert wait_until(listens), "mosquitto did not come up"

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Subscriber:
    """mosquitto_sub, which prints `topic payload qos retain`."""

    def __init__(self, port, topic, *options):
        self.process = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", "-d", "-V", "5", "-q", "2", "-p", str(port), "-t", topic, "-F", "got %t %p %q %r", *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = Lines(self.process.stdout)
        assert self.lines.wait_for(lambda lines: any(line.startswith("Subscribed") for line in lines)), self.lines.all()

    def got(self):
        return [line[4:] for line in self.lines.all() if line.startswith("got ")]

    def wait_for(self, *expected):
        assert wait_until(lambda: all(line in self.got() for line in expected)), f"expected {expected}, got {self.got()}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:  # its handler of signals can miss the moment, and then it waits for a packet
            self.process.kill()
            self.process.wait(PATIENCE)
        self.process.stdout.close()


def publish(port, topic, payload, *options):
    subprocess.run(["mosquitto_pub", "-V", "5", "-p", str(port), "-t", topic, "-m", payload, *options], check=True, timeout=PATIENCE)


def connected(broker, name):
    def both_sides(lines):
        return all(any(f"bridge {name}, {side}{CONNECTED}" in line for line in lines) for side in ("other side", "this side"))
    assert broker.log.wait_for(both_sides), broker.log.all()


class WithMosquitto(unittest.TestCase):
    ROWS = ('{filter = "sensors/#", direction = "out", qos = 2, remote_prefix = "plant/"}',
            '{filter = "orders/#", direction = "in", qos = 1, local_prefix = "office/"}')

    def both_directions(self, **more):
        with Mosquitto() as other, Broker(configuration=PLAIN + bridge("office", other.port, *self.ROWS, **more)) as broker:
            connected(broker, "office")
            with Subscriber(other.port, "#") as there, Subscriber(broker.port, "#") as here:
                publish(broker.port, "sensors/a", "1", "-q", "2")
                publish(broker.port, "sensors/b", "2", "-q", "0")
                publish(broker.port, "elsewhere", "3", "-q", "1")
                publish(other.port, "orders/x", "4", "-q", "2")
                there.wait_for("plant/sensors/a 1 2 0", "plant/sensors/b 2 0 0")
                here.wait_for("office/orders/x 4 1 0")
                time.sleep(0.3)  # for what should not come
                self.assertEqual(len(there.got()), 3, there.got())
                self.assertEqual(len(here.got()), 4, here.got())

    def test_messages_go_both_ways_by_their_rows(self):
        self.both_directions()

    def test_over_tls_only_to_whom_the_authority_vouches_for(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            subprocess.run(["sh", MAKE_CERTIFICATES, folder], check=True, capture_output=True)
            for name in os.listdir(folder):
                os.chmod(os.path.join(folder, name), 0o644)  # mosquitto reads them as a user of its own
            with Mosquitto() as other:
                tls_port = free_port()
                with open(other.configuration, "a") as file:
                    file.write(f"listener {tls_port} 127.0.0.1\nallow_anonymous true\ncertfile {folder}/server.pem\nkeyfile {folder}/server.key\n")
                other.stop()
                other.start()
                row = '{filter = "a/#", direction = "out", qos = 1}'
                to_tls = {"url": f"mqtts://localhost:{tls_port}"}
                with Broker(configuration=PLAIN + bridge("office", 0, row, cafile=f"{folder}/ca.pem", **to_tls)) as broker:
                    connected(broker, "office")
                    with Subscriber(other.port, "#") as there:
                        publish(broker.port, "a/b", "1", "-q", "1")
                        there.wait_for("a/b 1 1 0")
                with Broker(configuration=PLAIN + bridge("office", 0, row, cafile=f"{folder}/other-ca.pem", **to_tls)) as broker:
                    self.assertTrue(broker.log.wait_for(lambda lines: any("other side" in line and "certificate" in line for line in lines)), broker.log.all())

    def test_likewise_with_mqtt_3(self):
        self.both_directions(version="3.1.1")

    def no_loop(self, **more):
        row = '{filter = "shared/#", direction = "both", qos = 1}'
        with Mosquitto() as other, Broker(configuration=PLAIN + bridge("pair", other.port, row, **more)) as broker:
            connected(broker, "pair")
            with Subscriber(other.port, "#") as there, Subscriber(broker.port, "#") as here:
                for number in range(5):
                    publish(broker.port, "shared/x", str(number), "-q", "1")
                    publish(other.port, "shared/y", str(number), "-q", "1")
                expected = [f"shared/{topic} {number} 1 0" for number in range(5) for topic in "xy"]
                there.wait_for(*expected)
                here.wait_for(*expected)
                time.sleep(0.5)
                self.assertEqual(sorted(there.got()), sorted(expected))
                self.assertEqual(sorted(here.got()), sorted(expected))

    def test_what_goes_both_ways_does_not_come_back(self):
        self.no_loop()

    def test_nor_with_mqtt_3_which_sends_it_back(self):
        self.no_loop(version="3.1.1")

    def test_retained_messages_are_there_on_the_other_side(self):
        row = '{filter = "state/#", direction = "both", qos = 1}'
        with Mosquitto() as other:
            publish(other.port, "state/there", "1", "-r", "-q", "1")
            with Broker(configuration=PLAIN + bridge("pair", other.port, row)) as broker:
                connected(broker, "pair")
                publish(broker.port, "state/here", "2", "-r", "-q", "1")

                def retained(port):
                    done = subprocess.run(["mosquitto_sub", "-V", "5", "-q", "1", "-p", str(port), "-t", "state/#", "-F", "%t %p %r", "-W", "1"],
                                          capture_output=True, text=True, timeout=PATIENCE)
                    return sorted(done.stdout.split("\n")[:-1])
                for port in (other.port, broker.port):
                    self.assertTrue(wait_until(lambda: retained(port) == ["state/here 2 1", "state/there 1 1"]), retained(port))

    def test_what_was_published_while_the_other_broker_was_away_arrives_once_and_in_order(self):
        row = '{filter = "q/#", direction = "out", qos = 2}'
        with Mosquitto() as other, Broker(configuration=PLAIN + bridge("pair", other.port, row)) as broker:
            connected(broker, "pair")
            with Subscriber(other.port, "q/#", "-i", "keeper", "-c", "-x", "1000", "-q", "1"):
                publish(broker.port, "q/n", "first", "-q", "2")
            other.stop()
            self.assertTrue(broker.log.wait_for(lambda lines: any("other side" in line and "tries again" in line for line in lines)))
            numbers = [str(number) for number in range(250)]  # more than may be in flight
            subprocess.run(["mosquitto_pub", "-V", "5", "-p", str(broker.port), "-t", "q/n", "-q", "2", "-l"], input="\n".join(numbers) + "\n",
                           text=True, check=True, timeout=PATIENCE)
            other.start()
            with Subscriber(other.port, "q/#", "-i", "keeper", "-c", "-x", "1000", "-q", "1") as there:
                there.wait_for("q/n 249 1 0")
                self.assertEqual([line.split()[1] for line in there.got() if "first" not in line], numbers)

    def test_a_password_is_taken_from_a_file_for_its_owner_only(self):
        with tempfile.TemporaryDirectory() as folder:
            users, password = os.path.join(folder, "users"), os.path.join(folder, "password")
            os.chmod(folder, 0o755)
            subprocess.run(["mosquitto_passwd", "-c", "-b", users, "bridge", "correct horse"], check=True, capture_output=True)
            os.chmod(users, 0o644)
            with open(password, "w") as file:
                file.write("correct horse\n")
            os.chmod(password, 0o600)
            with Mosquitto(f"allow_anonymous false\npassword_file {users}\n") as other:
                row = '{filter = "a/#", direction = "out", qos = 1}'
                with Broker(configuration=PLAIN + bridge("office", other.port, row, user="bridge", password_file=password)) as broker:
                    connected(broker, "office")
                with Broker(configuration=PLAIN + bridge("office", other.port, row)) as broker:
                    self.assertTrue(broker.log.wait_for(lambda lines: any("other side" in line and "tries again" in line for line in lines)))
                os.chmod(password, 0o644)
                with self.assertRaisesRegex(AssertionError, "did not come up(.|\n)*" + re.escape(password)):
                    Broker(configuration=PLAIN + bridge("office", other.port, row, user="bridge", password_file=password))

    def test_the_policy_here_decides_what_it_may_read_and_write(self):
        narrow = "[[topic]]\nfilter = 'open/#'\npublish = ['plain']\nsubscribe = ['plain']\n"
        with Mosquitto() as other, Broker(configuration=narrow + bridge("pair", other.port, '{filter = "+/x", direction = "both", qos = 1}')) as broker:
            connected(broker, "pair")
            with Subscriber(broker.port, "open/#") as here:
                publish(other.port, "closed/x", "1", "-q", "1")
                publish(other.port, "open/x", "2", "-q", "1")
                here.wait_for("open/x 2 1 0")
                self.assertTrue(broker.log.wait_for(lambda lines: any("bridge pair, this side" in line and "not authorized" in line.lower()
                                                                     for line in lines)), broker.log.all())


class MosquittosOwn(unittest.TestCase):
    """mosquitto's bridge with us as the other broker: its defaults, nothing of ours set for it."""
    SYS = "[[topic]]\nfilter = '$SYS/broker/connection/+/state'\npublish = ['plain']\nsubscribe = ['plain']\n"

    @staticmethod
    def edge(port, topic="topic # both 1", *more):
        lines = ["allow_anonymous true", "connection office", f"address 127.0.0.1:{port}", topic, "restart_timeout 1", "remote_clientid edge", *more]
        return Mosquitto("\n".join(lines) + "\n")

    def state(self, broker, expected):
        def read():
            done = subprocess.run(["mosquitto_sub", "-p", str(broker.port), "-t", "$SYS/broker/connection/edge/state", "-C", "1", "-W", "2"],
                                  capture_output=True, text=True, timeout=PATIENCE)
            return done.stdout.strip() == expected
        self.assertTrue(wait_until(read), f"expected the state {expected}\n" + "\n".join(broker.log.all()))

    def test_connects_with_its_defaults_and_nothing_comes_back(self):
        with Broker(configuration=PLAIN + self.SYS) as broker:
            with self.edge(broker.port) as edge:
                self.state(broker, "1")
                with Subscriber(edge.port, "#") as there, Subscriber(broker.port, "#") as here:
                    for number in range(5):
                        publish(edge.port, "up", str(number), "-q", "1")
                        publish(broker.port, "down", str(number), "-q", "1")
                    expected = [f"{topic} {number} 1 0" for number in range(5) for topic in ("up", "down")]
                    there.wait_for(*expected)
                    here.wait_for(*expected)
                    time.sleep(0.5)
                    self.assertEqual(sorted(there.got()), sorted(expected))
                    self.assertEqual(sorted(here.got()), sorted(expected))
                # Its retained state follows ours, though it was connected all the time.
                publish(broker.port, "kept", "new", "-r", "-q", "1")

                def kept():
                    done = subprocess.run(["mosquitto_sub", "-p", str(edge.port), "-t", "kept", "-F", "%p %r", "-C", "1", "-W", "1"],
                                          capture_output=True, text=True, timeout=PATIENCE)
                    return done.stdout.strip() == "new 1"
                self.assertTrue(wait_until(kept), "mosquitto was not told that the message is retained")
            self.state(broker, "0")

    def test_each_side_restarts_and_nothing_is_lost_or_doubled(self):
        lasting = ("-c", "-x", "600", "-i", "reader")  # each reader comes back by itself
        with Broker(configuration=PLAIN + self.SYS, port=free_port()) as broker, self.edge(broker.port) as edge:
            self.state(broker, "1")
            with Subscriber(edge.port, "#", *lasting) as there, Subscriber(broker.port, "#", *lasting) as here:
                broker.kill()
                publish(edge.port, "up", "kept there", "-q", "1")
                broker.start()
                here.wait_for("up kept there 1 0")
                self.state(broker, "1")
                edge.stop()
                self.state(broker, "0")
                publish(broker.port, "down", "kept here", "-q", "1")
                edge.start()
                there.wait_for("down kept here 1 0")
                publish(edge.port, "up", "last", "-q", "1")
                publish(broker.port, "down", "last", "-q", "1")
                all_of_them = sorted(f"{topic} 1 0" for topic in ("up kept there", "down kept here", "up last", "down last"))
                for reader in here, there:
                    reader.wait_for(*all_of_them)
                    self.assertEqual(sorted(reader.got()), all_of_them)

    def test_also_where_nobody_may_read_of_it_and_with_mqtt_5(self):
        for more in ((), ("bridge_protocol_version mqttv50",)):
            with Broker(configuration=PLAIN) as broker, self.edge(broker.port, "topic # both 1", *more) as edge, Subscriber(broker.port, "#") as here:
                def comes():
                    publish(edge.port, "up", "1", "-q", "1")
                    return "up 1 1 0" in here.got()
                self.assertTrue(wait_until(comes), broker.log.all())


def retain_many(broker, topic, count):
    """A topic for each."""
    with packets.Raw(broker, packets.connect("filler")) as filler:
        filler.expect(packets.CONNACK)
        for first in range(1, count + 1, 500):  # Receive Maximum
            numbers = range(first, min(first + 500, count + 1))
            for number in numbers:
                filler.send(packets.publish(f"{topic}/{number}", b"x", number, retain=True))
            for _ in numbers:
                filler.expect(packets.PUBACK)


class Retained(unittest.TestCase):
    COUNT = 1500

    def all_there(self, port, broker):
        def count():
            done = subprocess.run(["mosquitto_sub", "-V", "5", "-q", "1", "-p", str(port), "-t", "state/#", "-F", "%t %r", "-C", str(self.COUNT), "-W", "10"],
                                  capture_output=True, text=True, timeout=PATIENCE)
            return len(set(done.stdout.split("\n")[:-1]))
        self.assertTrue(wait_until(lambda: count() == self.COUNT, 60), f"{count()} of {self.COUNT}\n" + "\n".join(broker.log.all()))

    def test_as_many_as_there_are_go_out_and_come_in(self):
        for direction in ("out", "in"):
            with Broker(configuration=PLAIN) as full:
                retain_many(full, "state", self.COUNT)
                row = f'{{filter = "state/#", direction = "{direction}", qos = 1}}'
                if direction == "in":
                    with Broker(configuration=PLAIN + bridge("pair", full.port, row)) as empty:
                        self.all_there(empty.port, empty)
                    continue
                with Mosquitto() as other:
                    full.kill()
                    with open(full.path("test.toml"), "a") as file:
                        file.write(bridge("pair", other.port, row))
                    full.start()
                    self.all_there(other.port, full)


class ToClouds(unittest.TestCase):
    """What clouds ask for, asked for by mosquitto: certificates of clients, pre-shared keys, names under $, a second address."""
    ROW = '{filter = "a/#", direction = "out", qos = 1}'

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sealmq-bridge-")
        os.chmod(self.folder, 0o755)
        subprocess.run(["sh", MAKE_CERTIFICATES, self.folder], check=True, capture_output=True)
        self.addCleanup(shutil.rmtree, self.folder, True)

    def with_listener(self, other, *lines):
        port = free_port()
        for name in os.listdir(self.folder):
            if name.startswith(("server", "ca")):
                os.chmod(os.path.join(self.folder, name), 0o644)  # mosquitto reads them as a user of its own
        with open(other.configuration, "a") as file:
            file.write("\n".join([f"listener {port} 127.0.0.1", "allow_anonymous true", *lines]) + "\n")
        other.stop()
        other.start()
        return port

    def arrives(self, configuration, other):
        with Broker(configuration=PLAIN + configuration) as broker, Subscriber(other.port, "#") as there:
            connected(broker, "cloud")
            publish(broker.port, "a/b", "1", "-q", "1")
            there.wait_for("a/b 1 1 0")

    def test_a_client_certificate(self):
        f = self.folder
        with Mosquitto() as other:
            port = self.with_listener(other, f"certfile {f}/server.pem", f"keyfile {f}/server.key", f"cafile {f}/ca.pem", "require_certificate true")
            url = {"url": f"mqtts://localhost:{port}", "cafile": f"{f}/ca.pem", "alpn": "mqtt"}
            self.arrives(bridge("cloud", 0, self.ROW, cert=f"{f}/client.pem", key=f"{f}/client.key", **url), other)
            with Broker(configuration=PLAIN + bridge("cloud", 0, self.ROW, **url)) as broker:
                self.assertTrue(broker.log.wait_for(lambda lines: any("other side" in line and "tries again" in line for line in lines)))

    def test_a_pre_shared_key(self):
        key = "00112233445566778899aabbccddeeff"
        for name, text, mode in (("keys", f"plant:{key}\n", 0o644), ("plant.psk", f"plant:{key} raw\n", 0o600)):
            with open(os.path.join(self.folder, name), "w") as file:
                file.write(text)
            os.chmod(file.name, mode)
        with Mosquitto() as other:
            port = self.with_listener(other, f"psk_file {self.folder}/keys", "psk_hint x")
            self.arrives(bridge("cloud", 0, self.ROW, url=f"mqtts://localhost:{port}", psk_file=f"{self.folder}/plant.psk"), other)

    def test_another_address_when_the_first_is_away(self):
        with Mosquitto() as other:
            rows = bridge("cloud", free_port(), self.ROW).replace("topics", f'other_urls = ["mqtt://127.0.0.1:{other.port}"]\ntopics')
            self.arrives(rows, other)

    def test_its_state_is_told_there(self):
        with Mosquitto() as other, Subscriber(other.port, "bridges/#") as there:
            with Broker(configuration=PLAIN + bridge("cloud", other.port, self.ROW, state_topic="bridges/plant", version="3.1")) as broker:
                there.wait_for("bridges/plant 1 0 0")
            there.wait_for("bridges/plant 0 0 0")
            broker = Broker(configuration=PLAIN + bridge("cloud", other.port, self.ROW, state_topic="bridges/plant"))
            self.assertTrue(wait_until(lambda: there.got().count("bridges/plant 1 0 0") == 2), there.got())
            broker.kill()
            there.wait_for("bridges/plant 0 1 0")  # its Will

    def test_nobody_reaches_what_is_under_dollar_there_unless_a_row_says_so(self):
        up = '{filter = "#", direction = "out", qos = 1, local_prefix = "up/"}'
        shadow = '{filter = "shadow/#", direction = "out", qos = 1, local_prefix = "aws/", remote_prefix = "$aws/things/plant/"}'
        with Mosquitto() as other, Subscriber(other.port, "$aws/#") as cloud, Subscriber(other.port, "#") as there:
            with Broker(configuration=PLAIN + bridge("cloud", other.port, up, shadow)) as broker:
                connected(broker, "cloud")
                publish(broker.port, "up/$CONTROL/dynamic-security/v1", "{}", "-q", "1")
                publish(broker.port, "up/$aws/things/plant/x", "{}", "-q", "1")
                publish(broker.port, "aws/shadow/update", "{}", "-q", "1")
                publish(broker.port, "up/last", "1", "-q", "1")
                cloud.wait_for("$aws/things/plant/shadow/update {} 1 0")
                there.wait_for("last 1 1 0")
                self.assertEqual(len(cloud.got()), 1, cloud.got())
                self.assertTrue(broker.log.wait_for(lambda lines: any("under $" in line for line in lines)), broker.log.all())


class BetweenOurOwn(unittest.TestCase):
    def test_two_brokers_that_bridge_to_each_other_do_not_send_in_circles(self):
        row = '{filter = "x/#", direction = "both", qos = 1}'
        port = free_port()
        with Broker(configuration=PLAIN + bridge("to-b", port, row)) as a:
            with Broker(configuration=PLAIN + bridge("to-a", a.port, row), port=port) as b:
                connected(a, "to-b")
                connected(b, "to-a")
                with Subscriber(a.port, "x/#") as at_a, Subscriber(b.port, "x/#") as at_b:
                    publish(a.port, "x/1", "hello", "-q", "1")
                    at_b.wait_for("x/1 hello 1 0")
                    time.sleep(0.7)
                    # Each takes it over and brings it back once, not knowing of the other, and there it ends.
                    self.assertLessEqual(len(at_a.got()), 3, at_a.got())
                    self.assertLessEqual(len(at_b.got()), 2, at_b.got())

    def test_a_chain_of_brokers_passes_a_message_on(self):
        row_out = '{filter = "x/#", direction = "out", qos = 1}'
        row_in = '{filter = "x/#", direction = "in", qos = 1}'
        with Broker(configuration=PLAIN) as first, Broker(configuration=PLAIN) as last:
            both = bridge("from", first.port, row_in) + bridge("to", last.port, row_out)
            with Broker(configuration=PLAIN + both) as middle:
                connected(middle, "from")
                connected(middle, "to")
                with Subscriber(last.port, "x/#") as there:
                    publish(first.port, "x/1", "hello", "-q", "1")
                    there.wait_for("x/1 hello 1 0")


if __name__ == "__main__":
    unittest.main()
