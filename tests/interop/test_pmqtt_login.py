"""Logins by PMQTT-2 and its paper form against the real broker, by another implementation: what it answers, that refusals are
alike, what protects the connection afterwards, and what somebody in between can do."""
import os
import subprocess
import time
import unittest

from cryptography.hazmat.primitives.asymmetric import ec

import packets
import pmqtt2
from packets import CONNACK, PUBACK, PUBLISH, SUBACK, Raw
from servers import PATIENCE, SEALMQ, Broker

NOBODY_THERE = 27  # the exit code of who waits for a partner in vain
AUTH, NOT_AUTHORIZED, PROTOCOL_ERROR, BAD_METHOD = 15, 0x87, 0x82, 0x8C
PASSWORD = "s3cret pass"

CONFIGURATION = """
[[listener]]
url = "mqtt://127.0.0.1:0"
[[listener]]
url = "mqtt://127.0.0.1:0"
insecure_channel = true
[[listener]]
url = "mqtt://127.0.0.1:0"
hop = "hrl1"
[[topic]]
filter = "ward/#"
publish = ["plain"]
subscribe = ["plain"]
[[topic]]
filter = "pmqtt/#"
publish = ["pmqtt"]
subscribe = ["plain"]
[[topic]]
filter = "paper/#"
publish = ["pmqtt@paper"]
"""


def sealmq(*arguments, sent=None, **environment):
    done = subprocess.run([SEALMQ, *map(str, arguments)], input=sent, capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, **environment})
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


class At:
    """Another listener of the same broker."""

    def __init__(self, broker, place):
        self.port = broker.ports[place]


class PmqttLogin(unittest.TestCase):
    def setUp(self):  # a broker for each: failures are counted
        self.broker = Broker(configuration=CONFIGURATION, own_listeners=True)
        self.addCleanup(self.broker.stop)
        self.safe, self.open, self.strict = (At(self.broker, place) for place in range(3))
        for name in ("patient1", "gone", "keyonly"):
            sealmq("identity", "new", name, "-o", self.broker.path(name + ".key"))
            sealmq("identity", "enroll", self.broker.path(name + ".pub"), "--publish", "ward/#", "--subscribe", "ward/#",
                   "--publish", f"pmqtt/+/{name}/#", "--subscribe", f"pmqtt/+/+/{name}/#", "--scheme", "pmqtt",
                   "--scheme", "pmqtt@paper", "--scheme", "plain", "--scheme", "password", "--data", self.broker.data)
        for name in ("patient1", "gone"):
            sealmq("identity", "password", name, "--data", self.broker.data, sent=PASSWORD + "\n")
            sealmq("identity", "password", name, "--recoverable", "--data", self.broker.data, sent=PASSWORD + "\n")
        sealmq("identity", "revoke", "gone", "--reason", "lost", "--data", self.broker.data)
        self.pinned = pmqtt2.broker_identity(self.broker.data + "/broker.pub")
        self.keys = {name: pmqtt2.signing_key(self.broker.path(name + ".key")) for name in ("patient1", "gone", "keyonly")}
        self.keys["stranger"] = ec.generate_private_key(ec.SECP256R1())
        self.verifiers = {}

    def login(self, user="patient1", password=PASSWORD, key=None, hop=None, at=None):
        """The connection, the login and CONNACK."""
        login = pmqtt2.Login(user, password, self.keys[key or user], self.pinned, client_id="of-" + user, hop=hop)
        link = Raw(at or self.open, login.connect())
        self.addCleanup(link.close)
        kind, body = link.read()
        if kind == AUTH:
            self.assertEqual(body[0], 0x18)
            properties = pmqtt2.properties_of(body, 1)
            self.assertEqual(properties[0x15], [b"PMQTT-2"])
            login.answer(properties[0x16][0], self.verifiers)
            login.sent_proof = time.monotonic()
            link.send(login.auth())
            kind, body = link.read()
            login.took = time.monotonic() - login.sent_proof
        self.assertEqual(kind, CONNACK)
        return link, login, body

    def test_logs_in_and_the_broker_proves_itself(self):
        for user, password in (("patient1", PASSWORD), ("keyonly", "")):
            with self.subTest(user):
                link, login, connack = self.login(user, password)
                self.assertEqual(connack[1], 0)
                properties = pmqtt2.properties_of(connack, 2)
                self.assertTrue(login.confirms(properties[0x16][0]))
                link.send(packets.publish("ward/1", b"hello", 1))
                self.assertEqual(link.expect(PUBACK)[:2], b"\0\1")
                link.send(packets.publish("elsewhere", b"hello", 2))
                self.assertEqual(link.expect(PUBACK)[2], NOT_AUTHORIZED)

    def test_every_refusal_is_the_same_and_takes_as_long(self):
        wrong = {
            "wrong password": ("patient1", "wrong", "patient1"),
            "wrong key": ("patient1", PASSWORD, "stranger"),
            "unknown user": ("nobody", PASSWORD, "stranger"),
            "revoked user": ("gone", PASSWORD, "gone"),
            "key alone": ("patient1", "", "patient1"),
        }
        answers, times = {}, {}
        for _ in range(3):  # more would be throttled
            for case, (user, password, key) in wrong.items():
                link, login, connack = self.login(user, password, key)
                answers.setdefault(case, set()).add(connack)
                times.setdefault(case, []).append(login.took)
                self.assertTrue(link.ends())
                self.login()  # which has the broker forget what has failed under this name
        self.assertEqual(set().union(*answers.values()), {bytes([0, NOT_AUTHORIZED, 0])})
        # Operations are counted by PmqttLoginTest.EveryRefusalLooksTheSame; here nothing slow may be left out or added, a hash of a password above all.
        shortest = {case: min(taken) for case, taken in times.items()}
        self.assertLess(max(shortest.values()), min(shortest.values()) + 0.02, shortest)
        for cause in ("wrong password", "not signed by its key", "not on the list", "not active"):
            self.assertTrue(self.broker.log.wait_for(lambda lines: any(cause in line for line in lines)), cause)

    def test_what_is_malformed_is_told(self):
        for change in (lambda m1: m1[:-1], lambda m1: b"\1" + m1[1:], lambda m1: m1[:34] + b"\xff" * 32, lambda m1: b""):
            login = pmqtt2.Login("somebody", "", self.keys["stranger"], self.pinned)
            login.m1 = change(login.m1)
            with Raw(self.open, login.connect()) as link:
                self.assertEqual(link.expect(CONNACK)[1], PROTOCOL_ERROR)
        login = pmqtt2.Login("somebody~" + "A" * 86, "", self.keys["stranger"], self.pinned)
        with Raw(self.open, login.connect()) as link:
            self.assertEqual(link.expect(CONNACK)[1], PROTOCOL_ERROR)

    def test_a_recorded_login_is_worth_nothing(self):
        link, login, connack = self.login()
        self.assertEqual(connack[1], 0)
        with Raw(self.open, login.packet) as again:
            again.expect(AUTH)
            again.send(login.auth())
            self.assertEqual(again.expect(CONNACK)[1], NOT_AUTHORIZED)
        self.login()

    def test_without_encryption_a_listener_wants_it_from_the_login(self):
        self.assertEqual(self.login(at=self.safe)[2][1], NOT_AUTHORIZED)
        self.assertEqual(self.login(at=self.safe, hop="HRL1")[2][1], 0)
        self.assertEqual(self.login(at=self.strict, hop="HPP1")[2][1], NOT_AUTHORIZED)
        self.assertEqual(self.login(at=self.strict, hop="HRL1")[2][1], 0)
        with Raw(self.strict, packets.connect("anybody")) as link:
            self.assertEqual(link.expect(CONNACK)[1], NOT_AUTHORIZED)

    def test_records_carry_everything(self):
        link, login, connack = self.login(hop="HRL1", at=self.safe)
        properties = pmqtt2.properties_of(connack, 2)
        self.assertEqual(properties[0x26], [("hop", "HRL1")])
        self.assertTrue(login.confirms(properties[0x16][0], "HRL1"))
        self.assertFalse(login.confirms(properties[0x16][0], ""))
        records = pmqtt2.Records(login.session_key)
        link.send(records.seal(packets.subscribe("ward/#", 1) + packets.publish("ward/1", b"hello", 7)))
        stream, kinds = b"", []
        while len(kinds) < 3:
            header = link._input.read(4)
            record = header + link._input.read(int.from_bytes(header[1:], "big"))
            stream += records.open(record)
            while len(stream) >= 2 and len(stream) >= 2 + stream[1]:
                kinds.append(stream[0] >> 4)
                stream = stream[2 + stream[1]:]
        self.assertEqual(sorted(kinds), sorted([SUBACK, PUBACK, PUBLISH]))
        # One changed bit, and the connection is over without a word.
        record = bytearray(records.seal(packets.publish("ward/1", b"hello", 8)))
        record[-1] ^= 1
        link.send(bytes(record))
        rest = link._input.read()
        self.assertEqual(rest, b"")

    def test_the_keys_of_records_go_on_and_take_a_new_logins_key_in(self):
        link, login, connack = self.login(hop="HRL1", at=self.safe)
        records = pmqtt2.Records(login.session_key)

        def read(new_session_key=None):
            header = link._input.read(4)
            return header[0], records.open(header + link._input.read(int.from_bytes(header[1:], "big")), new_session_key)

        for number in range(1, 4):
            link.send(records.update() + records.seal(packets.publish("ward/1", b"hello", number)))
            kind, answer = read()
            self.assertEqual((kind, answer[0] >> 4, answer[2:4]), (0x17, PUBACK, number.to_bytes(2, "big")))

        again = pmqtt2.Login("patient1", PASSWORD, self.keys["patient1"], self.pinned, client_id=login.client_id)
        link.send(records.seal(again.again()))
        kind, challenge = read()
        again.answer(pmqtt2.properties_of(challenge, 3 if challenge[1] < 128 else 4)[0x16][0], self.verifiers)
        link.send(records.seal(again.auth()))
        kind, success = read()
        self.assertEqual((kind, success[0] >> 4), (0x17, AUTH))
        self.assertEqual(read(again.session_key), (0x18, b""))  # right behind it
        link.send(records.seal(packets.publish("ward/1", b"on its way", 7)))  # still under the old key
        self.assertEqual(read()[1][2:4], b"\0\7")
        link.send(records.update(again.session_key) + records.seal(packets.publish("ward/1", b"hello", 8)))
        self.assertEqual(read()[1][2:4], b"\0\x08")
        # Without another login the same is the end.
        link.send(records.update(again.session_key))
        self.assertEqual(link._input.read(), b"")

    def test_the_keys_of_payloads_go_on(self):
        link, login, connack = self.login(hop="HPP1", at=self.safe)
        payloads = pmqtt2.Payloads(login.session_key, login.client_id)
        before = payloads.seal("ward/2", b"late")
        for number in range(1, 4):
            payloads.update()
            link.send(packets.publish("ward/2", payloads.seal("ward/2", b"hello"), number))
            self.assertIn(link.expect(PUBACK)[2:3], (b"", b"\0", b"\x10"))
        link.send(packets.publish("ward/2", before, 9))  # three epochs behind
        self.assertEqual(link.expect(PUBACK)[2], NOT_AUTHORIZED)

    def test_payloads_are_sealed_hop_by_hop(self):
        link, login, connack = self.login(hop="HPP1", at=self.safe)
        self.assertEqual(pmqtt2.properties_of(connack, 2)[0x26], [("hop", "HPP1")])
        payloads = pmqtt2.Payloads(login.session_key, login.client_id)
        link.send(packets.subscribe("ward/#"))
        link.expect(SUBACK)
        sealed = payloads.seal("ward/2", b"hello")
        link.send(packets.publish("ward/2", sealed, 1))
        got = {kind: body for kind, body in (link.read(), link.read())}
        body = got[PUBLISH]
        self.assertEqual(body[2:8], b"ward/2")
        payload = body[body.index(b"\x48\x01", 8):]
        self.assertEqual(payloads.open("ward/2", payload), b"hello")
        self.assertEqual(got[PUBACK][:2], b"\0\1")
        link.send(packets.publish("ward/3", sealed, 2))  # moved to another topic
        self.assertEqual(link.expect(PUBACK)[2], NOT_AUTHORIZED)
        link.send(packets.publish("ward/2", b"plain", 3))
        self.assertEqual(link.expect(PUBACK)[2], 0x99)

    def test_an_offer_that_is_stripped_on_the_way_ends_the_login(self):
        login = pmqtt2.Login("patient1", PASSWORD, self.keys["patient1"], self.pinned, hop="HRL1")
        whole = login.connect()
        login.hop = None
        stripped = login.connect()
        login.hop, login.packet = "HRL1", whole
        with Raw(self.open, stripped) as link:
            challenge = pmqtt2.properties_of(link.expect(AUTH), 1)[0x16][0]
            with self.assertRaises(pmqtt2.InvalidSignature):
                login.answer(challenge, self.verifiers)

    def test_the_paper_form_logs_in_and_a_recorded_one_too(self):
        connect = pmqtt2.paper_connect("patient1", PASSWORD, self.keys["patient1"])
        for _ in range(2):  # nothing in it is fresh
            with Raw(self.open, connect) as link:
                self.assertEqual(link.expect(CONNACK), b"\0\0")
        for user, password, key in (("patient1", "wrong", "patient1"), ("patient1", PASSWORD, "stranger"),
                                    ("nobody", PASSWORD, "stranger"), ("gone", PASSWORD, "gone")):
            with Raw(self.open, pmqtt2.paper_connect(user, password, self.keys[key])) as link:
                self.assertEqual(link.expect(CONNACK), b"\0\5")
        with Raw(self.safe, connect) as link:  # nothing would protect it
            self.assertEqual(link.expect(CONNACK), b"\0\5")
        longer = connect[:2] + bytes([connect[2] | 0x80]) + b"\0" + connect[3:] if connect[1] & 0x80 else \
            connect[:1] + bytes([connect[1] | 0x80]) + b"\0" + connect[2:]
        with Raw(self.open, longer) as link:  # what was signed is not what came
            self.assertEqual(link.expect(CONNACK), b"\0\5")
        with Raw(self.open, connect) as link:
            self.assertEqual(link.expect(CONNACK), b"\0\0")

    def test_the_command_line_logs_in(self):
        with open(self.broker.path("password"), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(PASSWORD + "\n")
        other = self.broker.path("keyonly.pub")
        options = ["-p", self.safe.port, "--scheme", "pmqtt", "-u", "patient1", "--key", self.broker.path("patient1.key"), "--to", other]
        pinned = ["--broker-key", self.broker.data + "/broker.pub"]

        def pub(*more, **environment):
            return subprocess.run([SEALMQ, "pub", *map(str, options), *map(str, more), "-t", "t", "-m", "x", "-W", "1"], timeout=PATIENCE,
                                  capture_output=True, text=True, env={**os.environ, **environment})

        refused = pub(*pinned, SEALMQ_PASSWORD="wrong")
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertEqual(pub(SEALMQ_PASSWORD=PASSWORD).returncode, 1)  # no broker key: the password goes nowhere
        # It gets in; that its partner is not there is another matter.
        for hop in ([], ["--hop", "hpp1"]):
            entered = pub(*pinned, "--password-file", self.broker.path("password"), *hop)
            self.assertEqual(entered.returncode, NOBODY_THERE, entered.stderr)
            self.assertNotIn("refused the connection", entered.stderr)
        bare = pub(*pinned, "--hop", "none", SEALMQ_PASSWORD=PASSWORD)
        self.assertEqual(bare.returncode, 3, bare.stderr)


if __name__ == "__main__":
    unittest.main()
