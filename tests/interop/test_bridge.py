"""Bridges: to Debian's mosquitto, and between two of our own brokers."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

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
                       "autosave_interval 1\nautosave_on_changes true\nmax_inflight_messages 1000\n" + (more or "allow_anonymous true\n"))
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
