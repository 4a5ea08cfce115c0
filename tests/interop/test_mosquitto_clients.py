"""mosquitto_pub and mosquitto_sub through our broker: both versions, every QoS, and what sessions are for."""
import functools
import subprocess
import unittest

from servers import PATIENCE, SEALMQ, Broker, Lines, require

VERSIONS = ["mqttv311", "mqttv5"]
SEEN = "message|"


def publish(broker, version, topic, *options, check=True, **keywords):
    command = ["mosquitto_pub", "-p", str(broker.port), "-V", version, "-t", topic, *options]
    return subprocess.run(command, check=check, timeout=PATIENCE, capture_output=True, text=True, **keywords)


class Subscriber:
    """A mosquitto_sub that has its SUBACK."""

    def __init__(self, broker, version, *options, form="%t|%q|%r|%p"):
        self._process = subprocess.Popen(
            ["stdbuf", "-oL", "mosquitto_sub", "-d", "-p", str(broker.port), "-V", version, "-F", SEEN + form, *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._output = Lines(self._process.stdout)
        if not self._output.wait_for(lambda lines: any(line.startswith("Subscribed") for line in lines)):
            self.end()
            raise AssertionError("no SUBACK:\n" + "\n".join(self._output.all()))

    @staticmethod
    def _messages(lines):
        return [line[len(SEEN):] for line in lines if line.startswith(SEEN)]

    def receive(self, count):
        """The first `count` messages, as `form` prints them."""
        self._output.wait_for(lambda lines: len(self._messages(lines)) >= count)
        return self._messages(self._output.all())

    def end(self, how=None):
        """Terminated, it says DISCONNECT; killed, it cannot."""
        (how or self._process.terminate)()
        self._process.wait(PATIENCE)
        self._process.stdout.close()

    def wait(self):
        self.end(lambda: None)

    def kill(self):
        self.end(self._process.kill)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self.end()


def in_all_versions(test):
    """Runs a test for each version of the publisher and of the subscriber, with a topic of its own."""
    @functools.wraps(test)
    def run(self):
        for publisher in VERSIONS:
            for subscriber in VERSIONS:
                with self.subTest(publisher=publisher, subscriber=subscriber):
                    test(self, publisher, subscriber, f"{test.__name__}/{publisher}/{subscriber}")
    return run


class MosquittoClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        require("mosquitto_pub", "mosquitto_sub", "stdbuf")
        cls.broker = Broker("--allow-plain")

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    @in_all_versions
    def test_every_qos_arrives_at_the_lower_of_both(self, publisher, subscriber, topic):
        for granted in "012":
            with Subscriber(self.broker, subscriber, "-t", topic + "/+", "-q", granted) as at:
                for qos in "012":
                    publish(self.broker, publisher, f"{topic}/{qos}", "-q", qos, "-m", f"at {qos}")
                expected = [f"{topic}/{qos}|{min(qos, granted)}|0|at {qos}" for qos in "012"]
                self.assertEqual(sorted(at.receive(3)), expected)

    @in_all_versions
    def test_a_retained_message_waits_for_subscribers_until_it_is_cleared(self, publisher, subscriber, topic):
        publish(self.broker, publisher, topic, "-q", "1", "-r", "-m", "last value")
        with Subscriber(self.broker, subscriber, "-t", topic) as at:
            self.assertEqual(at.receive(1), [f"{topic}|0|1|last value"])
        publish(self.broker, publisher, topic, "-q", "1", "-r", "-n")
        with Subscriber(self.broker, subscriber, "-t", topic) as at:
            publish(self.broker, publisher, topic, "-q", "1", "-m", "live")
            self.assertEqual(at.receive(1), [f"{topic}|0|0|live"])

    @in_all_versions
    def test_a_will_is_published_for_who_vanishes_and_not_for_who_leaves(self, publisher, subscriber, topic):
        def mortal(words):
            return Subscriber(self.broker, publisher, "-t", topic + "/leave", "-C", "1", "--will-topic", topic, "--will-qos", "2",
                              "--will-payload", words)
        with Subscriber(self.broker, subscriber, "-t", topic, "-q", "2") as at:
            leaves = mortal("it left")
            publish(self.broker, publisher, topic + "/leave", "-m", "now")
            leaves.wait()
            mortal("it vanished").kill()
            self.assertEqual(at.receive(1), [f"{topic}|2|0|it vanished"])

    @in_all_versions
    def test_a_persistent_session_gets_what_came_while_it_was_away(self, publisher, subscriber, topic):
        session = ["-c", "-i", topic, "-t", topic, "-q", "2"]
        if subscriber == "mqttv5":
            session += ["-x", "3600"]
        Subscriber(self.broker, subscriber, *session).end()
        for qos in "12":
            publish(self.broker, publisher, topic, "-q", qos, "-m", f"meanwhile {qos}")
        with Subscriber(self.broker, subscriber, *session) as at:
            self.assertEqual(at.receive(2), [f"{topic}|1|0|meanwhile 1", f"{topic}|2|0|meanwhile 2"])

    @in_all_versions
    def test_a_clean_session_gets_nothing_of_it(self, publisher, subscriber, topic):
        Subscriber(self.broker, subscriber, "-i", topic, "-t", topic, "-q", "1").end()
        publish(self.broker, publisher, topic, "-q", "1", "-m", "meanwhile")
        with Subscriber(self.broker, subscriber, "-i", topic, "-t", topic, "-q", "1") as at:
            publish(self.broker, publisher, topic, "-q", "1", "-m", "live")
            self.assertEqual(at.receive(1), [f"{topic}|1|0|live"])

    @in_all_versions
    def test_a_thousand_messages_of_one_publisher_stay_in_order(self, publisher, subscriber, topic):
        with Subscriber(self.broker, subscriber, "-t", topic, "-q", "2", form="%p") as at:
            lines = [f"line {number}" for number in range(1000)]
            publish(self.broker, publisher, topic, "-q", "2", "-l", input="\n".join(lines) + "\n")
            self.assertEqual(at.receive(1000), lines)

    @in_all_versions
    def test_a_large_message_arrives_whole(self, publisher, subscriber, topic):
        payload = "0123456789abcdef" * 32768
        with Subscriber(self.broker, subscriber, "-t", topic, "-q", "1", form="%p") as at:
            publish(self.broker, publisher, topic, "-q", "1", "-s", input=payload)
            self.assertEqual(at.receive(1), [payload])

    def test_every_subscriber_gets_every_message(self):
        topic = self._testMethodName
        subscribers = [Subscriber(self.broker, VERSIONS[number % 2], "-t", topic, "-q", str(number % 3), "-i", f"{topic}-{number}",
                                  form="%p") for number in range(9)]
        for number in range(9):
            publish(self.broker, VERSIONS[number % 2], topic, "-q", str(number % 3), "-m", str(number), "-i", f"pub-{number}")
        for subscriber in subscribers:
            self.assertEqual(sorted(subscriber.receive(9)), [str(number) for number in range(9)])
            subscriber.end()

    def test_properties_travel_with_a_message(self):
        topic = self._testMethodName
        with Subscriber(self.broker, "mqttv5", "-t", topic, form="%C|%D|%R|%F|%P") as at:
            publish(self.broker, "mqttv5", topic, "-m", "x", "-D", "publish", "content-type", "text/plain", "-D", "publish",
                    "correlation-data", "42", "-D", "publish", "response-topic", "answers", "-D", "publish",
                    "payload-format-indicator", "1", "-D", "publish", "user-property", "colour", "red")
            self.assertEqual(at.receive(1), ["text/plain|42|answers|1|colour:red"])

    def test_a_user_name_means_nothing_where_no_passwords_are_kept(self):
        for version in VERSIONS:
            publish(self.broker, version, "a", "-q", "1", "-m", "x", "-u", "anybody", "-P", "anything")

    def test_without_a_row_for_plain_nothing_can_be_published_or_read(self):
        with Broker() as strict:
            refused = publish(strict, "mqttv5", "a", "-q", "1", "-m", "x", "-d", check=False)
            self.assertIn("RC:135", refused.stdout)  # not authorized
            denied = subprocess.run(["mosquitto_sub", "-d", "-p", str(strict.port), "-V", "mqttv5", "-t", "a", "-W", "10"],
                                    capture_output=True, text=True, timeout=PATIENCE)
            self.assertIn("135", denied.stdout + denied.stderr)


def sealmq(*arguments):
    return subprocess.run([SEALMQ, *arguments], check=True, timeout=PATIENCE, stdout=subprocess.PIPE, text=True).stdout


class WithOurOwnClients(unittest.TestCase):
    """`sealmq pub` and `sealmq sub` without a scheme are ordinary MQTT clients."""

    @classmethod
    def setUpClass(cls):
        require("mosquitto_pub", "mosquitto_sub", "stdbuf")
        cls.broker = Broker("--allow-plain")

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def test_mosquitto_reads_what_sealmq_publishes(self):
        for version in VERSIONS:
            for qos in "012":
                with self.subTest(version=version, qos=qos):
                    topic = f"{self._testMethodName}/{version}/{qos}"
                    with Subscriber(self.broker, version, "-t", topic, "-q", "2") as at:
                        sealmq("pub", "-p", str(self.broker.port), "-V", version, "-t", topic, "-q", qos, "-m", "hello")
                        self.assertEqual(at.receive(1), [f"{topic}|{qos}|0|hello"])

    def test_sealmq_reads_what_mosquitto_publishes(self):
        for version in VERSIONS:
            for qos in "012":
                with self.subTest(version=version, qos=qos):
                    topic = f"{self._testMethodName}/{version}/{qos}"
                    publish(self.broker, version, topic, "-r", "-q", qos, "-m", "hello")
                    output = sealmq("sub", "-p", str(self.broker.port), "-V", version, "-t", topic, "-q", "2", "-v", "-C", "1")
                    self.assertEqual(output, f"{topic} hello\n")


if __name__ == "__main__":
    unittest.main()
