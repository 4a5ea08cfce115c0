"""A revocation authority with two brokers on one list of identities: every order comes to every broker, once and in its place."""
import json
import re
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import unittest

import packets
from packets import CONNACK, DISCONNECT, PUBACK, Raw
from servers import PATIENCE, SEALMQ, Broker, Lines, Postgres, wait_until
from test_shared_registry import PASSWORD, login, sealmq

SUCCESS = 0
NOT_AUTHORIZED = 0x87


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Authority:
    """`sealmq authority serve`, in a folder of its own."""

    def __init__(self, folder, *options):
        self.folder = folder
        self._command = [SEALMQ, "authority", "serve", "--folder", folder, *options]
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        self.log = Lines(self._process.stderr)
        assert self.log.wait_for(lambda lines: any("ready" in line for line in lines)), self.log.all()

    def has_said(self, words):
        return self.log.wait_for(lambda lines: any(re.search(words, line) for line in lines))

    def wait(self):
        return self._process.wait(PATIENCE)

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
        status = self.wait()
        self._process.stderr.close()
        return status


class AuthorityTest(unittest.TestCase):
    def setUp(self):
        self.postgres = self.enterContext(Postgres())
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="sealmq-authority-"))
        self.own = f"{self.folder}/authority"
        sealmq("authority", "new", "--folder", self.own)
        for name in ("boiler-7", "boiler-8"):
            sealmq("identity", "new", name, "-o", f"{self.folder}/{name}.key")
            self.identity("enroll", f"{self.folder}/{name}.pub", "--publish", "plant/#")

    def identity(self, command, *arguments):
        return sealmq("identity", command, *arguments, "--registry", self.postgres.url).stdout

    def broker(self, port=0, is_stopped_later=True):
        """Orders come in whichever schemes policy names: here none that has topics of its own for them."""
        configuration = f"""
authority = "{self.own}/authority.pub"
[[topic]]
filter = "plant/#"
publish = ["sl1"]
subscribe = ["sl1", "plain"]
"""
        broker = Broker("-v", "--registry", self.postgres.url, configuration=configuration, port=port)
        if is_stopped_later:
            self.addCleanup(broker.stop)
        return broker

    def serve(self, *brokers, folder=None):
        options = [word for b in brokers for word in ("--broker", f"mqtt://127.0.0.1:{b.port}")]
        authority = Authority(folder or self.own, *options, "--registry", self.postgres.url)
        self.addCleanup(authority.stop)
        return authority

    def order(self, action, name, *options, code=0, folder=None):
        """By somebody who does not see the registry."""
        result = sealmq("authority", action, f"{self.folder}/{name}.pub", "--folder", folder or self.own, "--data", self.folder + "/none",
                        "--reason", "1", "--json", *options, code=code)
        return json.loads(result.stdout.splitlines()[0]), result.stderr

    def order_in_vain(self, action, name, folder=None):
        """An order that nobody acknowledges for now: what is said about that."""
        return sealmq("authority", action, f"{self.folder}/{name}.pub", "--folder", folder or self.own, "--data", self.folder + "/none",
                      "--reason", "1", code=2).stderr

    def status(self, name):
        listed = [json.loads(line) for line in self.identity("list", "--json").splitlines()]
        return next(one["status"] for one in listed if one["name"] == name)

    def frames(self, folder=None):
        """The orders as they are sent."""
        with sqlite3.connect(f"file:{folder or self.own}/authority.db?mode=ro", uri=True) as ledger:
            return [row[0] for row in ledger.execute("SELECT frame FROM issued ORDER BY serial")]

    def publish(self, broker, frame):
        """The answer to an order that somebody publishes."""
        with Raw(broker, packets.connect("somebody")) as client:
            client.expect(CONNACK)
            client.send(packets.publish("$sl/ra", frame, 1))
            answer = client.expect(PUBACK)
            return answer[2] if len(answer) > 2 else SUCCESS

    def broker_of_its_own(self, port=0):
        """With a list that it shares with nobody."""
        broker = Broker("-v", configuration=f'authority = "{self.own}/authority.pub"\n', port=port)
        self.addCleanup(broker.stop)
        return broker

    def wrote(self, broker, words):
        return broker.log.wait_for(lambda lines: any(words in line for line in lines))

    def test_an_order_comes_to_every_broker(self):
        brokers = [self.broker(), self.broker()]
        for broker in brokers:
            sealmq("identity", "password", "boiler-7", "--registry", self.postgres.url, "--data", broker.data, words=PASSWORD + "\n")
        authority = self.serve(*brokers)
        self.assertTrue(wait_until(lambda: sum("connected" in line for line in authority.log.all()) == 2))
        clients = [self.enterContext(Raw(b, login("boiler-7", "device"))) for b in brokers]
        for client in clients:
            self.assertEqual(client.expect(CONNACK)[1], SUCCESS)
        told, said = self.order("revoke", "boiler-7")
        self.assertEqual([one["acknowledged"] for one in told["brokers"]], [True, True], said)
        for client in clients:
            self.assertEqual(client.expect(DISCONNECT)[0], 0x98)
        self.assertEqual(self.status("boiler-7"), "revoked")
        # who sees the registry learns what was ended where
        said = sealmq("authority", "revoke", "boiler-8", "--folder", self.own, "--registry", self.postgres.url, "--reason", "stolen", "--json")
        report = json.loads(said.stdout.splitlines()[1])
        self.assertEqual((report["carried_out"], len(report["brokers"])), (True, 2))
        self.order("restore", "boiler-7")
        self.assertEqual(self.status("boiler-7"), "active")
        print(f"\nacknowledged by two brokers after {told['milliseconds']:.1f} ms; carried out in {report['microseconds']} us")

    def test_what_a_broker_has_missed_it_is_told_in_order_when_it_is_back(self):
        broker = self.broker(port=free_port())
        authority = self.serve(broker)
        self.assertTrue(authority.has_said("connected"))
        broker.kill()
        try:
            self.assertTrue(authority.has_said("cannot connect"))
            for action, name in (("revoke", "boiler-7"), ("revoke", "boiler-8"), ("restore", "boiler-7")):
                self.order_in_vain(action, name)
        finally:
            broker.start()
        self.assertTrue(authority.has_said("has all orders up to 3"))
        self.assertEqual((self.status("boiler-7"), self.status("boiler-8")), ("active", "revoked"))

    def test_a_broker_that_lacks_earlier_orders_gets_all_of_them(self):
        port = free_port()
        with self.broker(port=port, is_stopped_later=False) as broker:
            authority = self.serve(broker)
            self.order("revoke", "boiler-7")
            self.order("revoke", "boiler-8")
            self.assertEqual(authority.stop(), 0)
        # another broker at the same address, with a list of its own
        other = self.broker_of_its_own(port)
        sealmq("identity", "enroll", f"{self.folder}/boiler-8.pub", "--data", other.data)
        again = Authority(self.own, "--broker", f"mqtt://127.0.0.1:{port}", "--data", other.data)
        self.addCleanup(again.stop)
        self.assertTrue(again.has_said("lacks earlier orders"))
        self.assertTrue(again.has_said("has all orders up to 2"))
        self.assertIn("revoked", sealmq("identity", "list", "--data", other.data).stdout)

    def test_forged_changed_and_early_orders_are_refused_and_copies_change_nothing(self):
        broker = self.broker()
        sealmq("authority", "new", "--folder", f"{self.folder}/forger")
        for folder in (self.own, f"{self.folder}/forger"):
            for name in ("boiler-7", "boiler-8"):
                sealmq("authority", "revoke", f"{self.folder}/{name}.pub", "--reason", "1", "--folder", folder, code=2)
        first, second = self.frames()
        self.assertEqual(self.publish(broker, second), NOT_AUTHORIZED)
        self.assertTrue(self.wrote(broker, "comes too early"))
        self.assertEqual(self.publish(broker, self.frames(f"{self.folder}/forger")[0]), NOT_AUTHORIZED)
        changed = bytearray(first)
        changed[25] ^= 1
        self.assertEqual(self.publish(broker, bytes(changed)), NOT_AUTHORIZED)
        self.assertEqual((self.status("boiler-7"), self.status("boiler-8")), ("active", "active"))
        self.assertEqual(self.publish(broker, first), SUCCESS)
        self.assertEqual(self.publish(broker, second), SUCCESS)
        sealmq("authority", "restore", f"{self.folder}/boiler-7.pub", "--folder", self.own, code=2)
        self.assertEqual(self.publish(broker, self.frames()[2]), SUCCESS)
        self.assertEqual(self.publish(broker, first), SUCCESS, "a copy is no mistake")
        self.assertEqual(self.status("boiler-7"), "active", "but changes nothing")

    def test_two_authorities_with_one_key_are_found_out(self):
        broker = self.broker()
        copy = f"{self.folder}/copy"
        shutil.copytree(self.own, copy)
        one = self.serve(broker)
        self.assertTrue(one.has_said("connected"))
        self.order("revoke", "boiler-7")
        other = self.serve(broker, folder=copy)
        self.assertEqual(other.wait(), 4)
        self.assertTrue(other.has_said("is not in this ledger: another authority works with the key"))
        self.assertTrue(other.has_said("^hint: "))

    def test_a_broker_with_other_orders_of_this_key_is_served_no_more_and_the_others_are(self):
        broker, other = self.broker(), self.broker_of_its_own()
        sealmq("identity", "enroll", f"{self.folder}/boiler-8.pub", "--data", other.data)
        copy = f"{self.folder}/copy"
        shutil.copytree(self.own, copy)
        one = self.serve(broker)
        self.assertTrue(one.has_said("connected"))
        self.order("revoke", "boiler-7")
        of_copy = self.serve(broker, other, folder=copy)
        self.assertTrue(of_copy.has_said("is not in this ledger.*is served no more"))
        told, said = self.order("revoke", "boiler-8", folder=copy)
        self.assertEqual(sorted(one["acknowledged"] for one in told["brokers"]), [False, True], said)
        self.assertIn("is not in this ledger", said)
        self.assertIn("revoked", sealmq("identity", "list", "--data", other.data).stdout)
        self.assertEqual(of_copy.stop(), 4)

    def test_an_order_stays_in_force_for_who_comes_later(self):
        broker = self.broker()
        authority = self.serve(broker)
        self.assertTrue(authority.has_said("connected"))
        sealmq("identity", "new", "boiler-9", "-o", f"{self.folder}/boiler-9.key")
        self.order("revoke", "boiler-9")

        def enroll(code):
            return sealmq("identity", "enroll", f"{self.folder}/boiler-9.pub", "--registry", self.postgres.url, code=code)
        self.assertIn("a key of this identity is revoked by order 1 of the authority", enroll(1).stderr)
        ticket = self.identity("ticket", "boiler-9").strip()
        join = ["identity", "join", ticket, "--key", f"{self.folder}/boiler-9.key", "--broker-key", f"{broker.data}/broker.pub", "-p", str(broker.port)]
        sealmq(*join, code=3)
        self.assertTrue(self.wrote(broker, "is revoked by order 1 of the authority"))
        # another broker, of another list, which begins with orders and is filled later
        self.assertEqual(authority.stop(), 0)
        new = self.broker_of_its_own()
        again = self.serve(new, broker)
        self.assertTrue(again.has_said("has all orders up to 1"))
        self.assertIn("order 1", sealmq("identity", "enroll", f"{self.folder}/boiler-9.pub", "--data", new.data, code=1).stderr)
        sealmq("authority", "restore", f"{self.folder}/boiler-9.pub", "--folder", self.own, "--data", self.folder + "/none")
        enroll(0)

    def test_an_operator_takes_an_order_back_only_by_saying_so(self):
        broker = self.broker()
        authority = self.serve(broker)
        self.assertTrue(authority.has_said("connected"))
        self.order("revoke", "boiler-7")
        restore = ["identity", "restore", "boiler-7", "--registry", self.postgres.url, "--data", broker.data]
        said = sealmq(*restore, code=1).stderr
        self.assertIn("boiler-7 was revoked by order 1 of the authority, which alone can take that back", said)
        self.assertIn("hint: sealmq authority restore boiler-7", said)
        self.assertEqual(self.status("boiler-7"), "revoked")
        sealmq(*restore, "--against-authority")
        self.assertEqual(self.status("boiler-7"), "active")
        self.assertIn("active against order 1", self.identity("list"))
        with open(f"{broker.data}/audit.log") as log:
            self.assertRegex(log.read(), '"what":"restore","name":"boiler-7",.*"text":"against order 1 of the authority')
        self.order("revoke", "boiler-7")
        self.assertEqual(self.status("boiler-7"), "revoked")
        # and the authority does not take back what the operator has revoked
        self.identity("revoke", "boiler-8", "--reason", "sold")
        self.order("restore", "boiler-8")
        self.assertEqual(self.status("boiler-8"), "revoked")

    def test_a_broker_asks_about_who_publishes_what_it_may_not(self):
        configuration = f"""
authority = "{self.own}/authority.pub"
complaints = "complaints"
[[topic]]
filter = "#"
publish = ["sl1"]
subscribe = ["sl1"]
[[topic]]
filter = "complaints"
subscribe = ["plain"]
"""
        broker = Broker("-v", "--registry", self.postgres.url, configuration=configuration)
        self.addCleanup(broker.stop)
        # The authority sees the list, on which no broker stands: it is told whose requests it takes.
        where = ["--broker", f"mqtt://127.0.0.1:{broker.port}", "--registry", self.postgres.url, "--complaints", "complaints"]
        authority = Authority(self.own, *where, "--asked-by", f"{broker.data}/broker.pub")
        self.addCleanup(authority.stop)
        self.assertTrue(authority.has_said("connected"))
        options = ["--scheme", "sl1", "--key", f"{self.folder}/boiler-7.key", "--broker-key", f"{broker.data}/broker.pub", "-q", "1",
                   "-p", str(broker.port)]
        sealmq("pub", "-t", "plant/7", "-m", "allowed", *options)
        sealmq("pub", "-t", "office/7", "-m", "not allowed", *options, code=3)
        self.assertTrue(authority.has_said("complaint 1 about boiler-7: publishes where it may not"), authority.log.all())
        kept = sealmq("authority", "complaints", "--folder", self.own, "--registry", self.postgres.url, "--json").stdout
        told = [json.loads(line) for line in kept.splitlines()]
        self.assertEqual([(one["author"], one["topic"], one["payload"]) for one in told], [("boiler-7", "office/7", "not allowed")])
        # Without a word about it no stranger's request is taken, a broker's neither.
        authority.stop()
        authority = Authority(self.own, *where)
        self.addCleanup(authority.stop)
        self.assertTrue(authority.has_said("connected"))
        options[3] = f"{self.folder}/boiler-8.key"
        sealmq("pub", "-t", "office/8", "-m", "not allowed", *options, code=3)
        self.assertTrue(authority.has_said("a complaint is not taken: its requester is not on the list"), authority.log.all())

    def test_a_broker_that_knows_another_authority_says_no_and_is_named(self):
        broker = self.broker()
        stranger = f"{self.folder}/stranger"
        authority = self.serve(broker, folder=stranger)
        self.assertTrue(authority.has_said("connected"))
        said = self.order_in_vain("revoke", "boiler-7", folder=stranger)
        self.assertRegex(said, r"mqtt://127.0.0.1:\d+ has not got it: refuses order 1: .*Not authorized")
        self.assertTrue(self.wrote(broker, "not signed by the authority"))
        self.assertEqual(self.status("boiler-7"), "active")


if __name__ == "__main__":
    unittest.main()
