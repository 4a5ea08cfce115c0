"""Eclipse Paho's Python client (Debian's python3-paho-mqtt) through our broker: both versions, every QoS."""
import queue
import threading
import unittest

import paho.mqtt.client as mqtt  # a missing package is a failure
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from servers import PATIENCE, Broker

VERSIONS = {"v3.1.1": mqtt.MQTTv311, "v5": mqtt.MQTTv5}
NOT_AUTHORIZED = 135


class Client:
    """A paho client with a thread of its own, and calls that wait for the answer."""

    def __init__(self, broker, version, name, clean=True, will=None, receive_maximum=None):
        self.version = VERSIONS[version]
        self._answers = {}
        self._answered = threading.Condition()
        self.messages = queue.Queue()
        self.connected = queue.Queue()
        self.disconnected = queue.Queue()
        options = {} if self.is_v5 else {"clean_session": clean}
        self.paho = mqtt.Client(client_id=name, protocol=self.version, **options)
        self.paho.on_message = lambda client, data, message: self.messages.put(message)
        self.paho.on_connect = lambda client, data, flags, *rest: self.connected.put(flags)
        self.paho.on_disconnect = lambda client, data, reason, *rest: self.disconnected.put(reason)
        self.paho.on_subscribe = lambda client, data, mid, granted, *rest: self._put(mid, granted)
        self.paho.on_unsubscribe = lambda client, data, mid, *rest: self._put(mid, rest)
        if will:
            self.paho.will_set(*will)
        keywords = {}
        if self.is_v5:
            properties = Properties(PacketTypes.CONNECT)
            if not clean:
                properties.SessionExpiryInterval = 3600
            if receive_maximum:
                properties.ReceiveMaximum = receive_maximum
            keywords = {"clean_start": clean, "properties": properties}
        self.paho.connect("127.0.0.1", broker.port, keepalive=60, **keywords)
        self.paho.loop_start()
        flags = self.connected.get(timeout=PATIENCE)
        self.session_present = flags["session present"]

    @property
    def is_v5(self):
        return self.version == mqtt.MQTTv5

    def _put(self, mid, answer):
        with self._answered:
            self._answers[mid] = answer
            self._answered.notify_all()

    def _answer(self, mid):
        with self._answered:
            if not self._answered.wait_for(lambda: mid in self._answers, PATIENCE):
                raise AssertionError("no answer came")
            return self._answers.pop(mid)

    def subscribe(self, topic, qos=0, **options):
        how = {"options": SubscribeOptions(qos=qos, **options)} if self.is_v5 else {"qos": qos}
        return [getattr(code, "value", code) for code in self._answer(self.paho.subscribe(topic, **how)[1])]

    def unsubscribe(self, topic):
        self._answer(self.paho.unsubscribe(topic)[1])

    def publish(self, topic, payload, qos=0, **keywords):
        info = self.paho.publish(topic, payload, qos, **keywords)
        info.wait_for_publish(PATIENCE)
        assert info.is_published(), "no acknowledgement came"

    def receive(self, count):
        return [self.messages.get(timeout=PATIENCE) for _ in range(count)]

    def leave(self):
        self.paho.disconnect()
        self.paho.loop_stop()

    def vanish(self):
        self.paho.loop_stop()
        self.paho._sock_close()  # as if the process had died: no DISCONNECT

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()


class PahoPython(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker("--allow-plain")

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def in_all_versions(self, body):
        for publisher in VERSIONS:
            for subscriber in VERSIONS:
                with self.subTest(publisher=publisher, subscriber=subscriber):
                    topic = f"{self._testMethodName}/{publisher}/{subscriber}"
                    body(publisher, subscriber, topic)

    def client(self, version, name, **options):
        return Client(self.broker, version, name, **options)

    def test_every_qos_arrives_at_the_lower_of_both(self):
        def body(publisher, subscriber, topic):
            with self.client(publisher, topic + "/out") as out, self.client(subscriber, topic + "/in") as at:
                for granted in range(3):
                    self.assertEqual(at.subscribe(f"{topic}/{granted}/+", granted), [granted])
                    for qos in range(3):
                        out.publish(f"{topic}/{granted}/{qos}", b"\x00\xff", qos)
                    seen = {(message.topic, message.qos, message.payload, message.retain) for message in at.receive(3)}
                    self.assertEqual(seen, {(f"{topic}/{granted}/{qos}", min(qos, granted), b"\x00\xff", 0) for qos in range(3)})
        self.in_all_versions(body)

    def test_a_retained_message_waits_for_subscribers_until_it_is_cleared(self):
        def body(publisher, subscriber, topic):
            with self.client(publisher, topic + "/out") as out, self.client(subscriber, topic + "/in") as at:
                out.publish(topic, "last value", 1, retain=True)
                at.subscribe(topic, 1)
                [message] = at.receive(1)
                self.assertEqual((message.payload, message.retain), (b"last value", 1))
                at.unsubscribe(topic)
                out.publish(topic, "", 1, retain=True)
                at.subscribe(topic, 1)
                out.publish(topic, "live", 1)
                [message] = at.receive(1)
                self.assertEqual((message.payload, message.retain), (b"live", 0))
        self.in_all_versions(body)

    def test_a_will_is_published_for_who_vanishes_and_not_for_who_leaves(self):
        def body(publisher, subscriber, topic):
            with self.client(subscriber, topic + "/in") as at:
                at.subscribe(topic, 2)
                self.client(publisher, topic + "/a", will=(topic, "left", 1)).leave()
                self.client(publisher, topic + "/b", will=(topic, "vanished", 1)).vanish()
                self.assertEqual([message.payload for message in at.receive(1)], [b"vanished"])
        self.in_all_versions(body)

    def test_a_persistent_session_gets_what_came_while_it_was_away(self):
        def body(publisher, subscriber, topic):
            first = self.client(subscriber, topic, clean=False)
            self.assertFalse(first.session_present)
            first.subscribe(topic, 2)
            first.vanish()
            with self.client(publisher, topic + "/out") as out:
                for qos in (1, 2):
                    out.publish(topic, f"meanwhile {qos}", qos)
            with self.client(subscriber, topic, clean=False) as again:
                self.assertTrue(again.session_present)
                self.assertEqual([(m.payload, m.qos) for m in again.receive(2)], [(b"meanwhile 1", 1), (b"meanwhile 2", 2)])
            with self.client(subscriber, topic, clean=True) as anew:
                self.assertFalse(anew.session_present)
        self.in_all_versions(body)

    def test_messages_at_qos_2_come_once_and_in_order(self):
        def body(publisher, subscriber, topic):
            with self.client(publisher, topic + "/out") as out, self.client(subscriber, topic + "/in", receive_maximum=5) as at:
                at.subscribe(topic, 2)
                infos = [out.paho.publish(topic, str(number), 2) for number in range(500)]
                for info in infos:
                    info.wait_for_publish(PATIENCE)
                self.assertEqual([message.payload for message in at.receive(500)], [b"%d" % number for number in range(500)])
                self.assertTrue(at.messages.empty())
        self.in_all_versions(body)

    def test_who_comes_with_the_same_name_takes_over(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                name = f"{self._testMethodName}/{version}"
                first = self.client(version, name)
                first.paho.reconnect_delay_set(60, 60)  # else it would take over in turn
                with self.client(version, name) as second:
                    first.disconnected.get(timeout=PATIENCE)  # its reason is lost: this paho reads none without properties
                    second.subscribe(name)
                    second.publish(name, "still here")
                    self.assertEqual(second.receive(1)[0].payload, b"still here")
                first.leave()

    def test_many_clients_reach_each_other_whatever_shard_they_are_on(self):
        clients = [self.client("v5", f"many-{number}") for number in range(12)]
        for client in clients:
            client.subscribe("many/#", 1)
        for number, client in enumerate(clients):
            client.publish(f"many/{number}", str(number), 1)
        for client in clients:
            self.assertEqual({message.payload for message in client.receive(12)}, {b"%d" % number for number in range(12)})
            client.leave()

    def test_properties_travel_with_a_message(self):
        with self.client("v5", "properties") as client:
            client.subscribe("properties", 1)
            sent = Properties(PacketTypes.PUBLISH)
            sent.ContentType = "text/plain"
            sent.CorrelationData = b"\x00\x01"
            sent.ResponseTopic = "answers"
            sent.PayloadFormatIndicator = 1
            sent.UserProperty = [("colour", "red"), ("colour", "blue")]
            client.publish("properties", "x", 1, properties=sent)
            [message] = client.receive(1)
            for name in ("ContentType", "CorrelationData", "ResponseTopic", "PayloadFormatIndicator"):
                self.assertEqual(getattr(message.properties, name), getattr(sent, name))
            self.assertEqual(message.properties.UserProperty[:2], sent.UserProperty)

    def test_no_local_spares_the_publisher(self):
        with self.client("v5", "no-local") as client, self.client("v5", "no-local-other") as other:
            client.subscribe("no-local", 1, noLocal=True)
            client.publish("no-local", "mine", 1)
            other.publish("no-local", "theirs", 1)
            self.assertEqual(client.receive(1)[0].payload, b"theirs")

    def test_without_a_row_for_plain_a_subscription_is_refused(self):
        with Broker() as strict, Client(strict, "v5", "plain") as client:
            self.assertEqual(client.subscribe("a"), [NOT_AUTHORIZED])


if __name__ == "__main__":
    unittest.main()
