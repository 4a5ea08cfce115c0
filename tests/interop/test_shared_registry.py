"""Two brokers and the command line on one list of identities, in a real PostgreSQL; and what becomes of it when that is away."""
import json
import socket
import subprocess
import tempfile
import threading
import unittest

import packets
from packets import CONNACK, DISCONNECT, Raw
from servers import PATIENCE, SEALMQ, Broker, Postgres, wait_until
from test_operations import ADMIN, get

NOT_AUTHORIZED = 0x87
PASSWORD = "correct horse"


def login(name, client):
    flags = 0x80 | 0x40 | 2  # user name, password, clean start
    body = packets.text("MQTT") + bytes([5, flags]) + b"\0\x3c\0" + packets.text(client) + packets.text(name) + packets.text(PASSWORD)
    return packets.packet(0x10, body)


def sealmq(*arguments, code=0, words=None):
    result = subprocess.run([SEALMQ, *arguments], timeout=PATIENCE, capture_output=True, text=True, input=words)
    assert result.returncode == code, (arguments, result)
    return result


class Cable:
    """Between a client and PostgreSQL; is cut when a client says `words`: before they arrive, or when they have been answered and the
    answer has not come back. Once, as soon as it is `armed`."""

    def __init__(self, url, words, answered=False, armed=True):
        self._port = int(url.rsplit(":", 1)[1].split("/")[0])
        self._words, self.armed, self._answered = words, armed, answered
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.replace(f":{self._port}/", f":{self._listener.getsockname()[1]}/")
        self.was_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            cut = threading.Event()
            threading.Thread(target=self._there, args=(near, far, cut), daemon=True).start()
            threading.Thread(target=self._back, args=(near, far, cut), daemon=True).start()

    def _there(self, near, far, cut):
        try:
            while data := near.recv(1 << 16):
                if self.armed and self._words in data:
                    self.armed, self.was_cut = False, True
                    cut.set()
                    if self._answered:
                        far.sendall(data)
                        return
                    break
                far.sendall(data)
        except OSError:
            pass
        self._end(near, far)

    def _back(self, near, far, cut):
        try:
            while data := far.recv(1 << 16):
                if cut.is_set():
                    break
                near.sendall(data)
        except OSError:
            pass
        self._end(near, far)

    @staticmethod
    def _end(*ends):
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()


class SharedRegistry(unittest.TestCase):
    def setUp(self):
        self.postgres = self.enterContext(Postgres())
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="sealmq-keys-"))
        self.key = f"{folder}/boiler-7"
        sealmq("identity", "new", "boiler-7", "-o", self.key + ".key")

    def broker(self, *options):
        broker = Broker("-v", "--registry", self.postgres.url, *options, configuration=ADMIN)
        self.addCleanup(broker.stop)
        return broker

    def identity(self, command, *arguments, code=0):
        return sealmq("identity", command, *arguments, "--registry", self.postgres.url, code=code)

    def enroll(self, *brokers):
        self.identity("enroll", self.key + ".pub", "--publish", "plant/7/#")
        for broker in brokers:
            sealmq("identity", "password", "boiler-7", "--registry", self.postgres.url, "--data", broker.data, words=PASSWORD + "\n")

    def answer_to_login(self, broker):
        with Raw(broker, login("boiler-7", "again")) as client:
            return client.expect(CONNACK)[1]

    def revoke(self, code=0):
        result = self.identity("revoke", "boiler-7", "--reason", "stolen", "--json", code=code)
        return json.loads(result.stdout), result.stderr

    def test_a_change_is_in_force_at_every_broker_when_the_command_ends(self):
        brokers = [self.broker(), self.broker()]
        self.enroll(*brokers)
        for _ in range(3):
            self.assertEqual([self.answer_to_login(broker) for broker in brokers], [0, 0])
            self.revoke()
            self.assertEqual([self.answer_to_login(broker) for broker in brokers], [NOT_AUTHORIZED, NOT_AUTHORIZED])
            self.identity("restore", "boiler-7")

    def make_known(self, name, last_heard_of):
        """Another broker, which never follows the list."""
        subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", "INSERT INTO sealmq.broker (id, seen, since) "
                        f"VALUES ('{name}', clock_timestamp() + interval '{last_heard_of}', 0)", self.postgres.url], check=True, timeout=PATIENCE)

    def test_a_silent_broker_is_waited_for_no_longer_than_it_counts_as_running(self):
        self.broker()
        self.make_known("silent", "-4 seconds")
        self.identity("enroll", self.key + ".pub")

    def test_a_broker_that_runs_and_does_not_follow_is_named(self):
        self.broker()
        self.make_known("deaf", "1 hour")
        result = self.identity("enroll", self.key + ".pub", code=2)
        self.assertIn("enrolled boiler-7", result.stdout)
        self.assertIn("the list is changed, but deaf runs and does not go by it yet", result.stderr)
        self.assertIn("boiler-7", self.identity("list").stdout)

    def test_revoking_waits_for_every_broker_that_runs(self):
        brokers = [self.broker(), self.broker()]
        self.enroll(*brokers)
        clients = [self.enterContext(Raw(b, login("boiler-7", "device"))) for b in brokers]
        for client in clients:
            self.assertEqual(client.expect(CONNACK)[1], 0)
        told, said = self.revoke()
        self.assertEqual((told["carried_out"], told["sessions"], len(told["brokers"]), told["missing"]), (True, 2, 2, []))
        self.assertNotIn("warning", said)
        print(f"\nrevoked at two brokers in {told['microseconds']} us")
        for client, broker in zip(clients, brokers):
            self.assertEqual(client.expect(DISCONNECT)[0], 0x98)
            self.assertEqual(self.answer_to_login(broker), NOT_AUTHORIZED)

    def test_a_broker_that_has_died_is_named_and_carries_it_out_when_it_is_back(self):
        alive, dead = self.broker(), self.broker()
        self.enroll(alive, dead)
        dead.kill()
        try:
            told, said = self.revoke()
            self.assertEqual((told["carried_out"], len(told["brokers"]), len(told["missing"])), (False, 1, 1))
            self.assertGreater(told["missing"][0]["silent_milliseconds"], 0)
            self.assertIn(told["missing"][0]["broker"] + " was last heard of", said)
        finally:
            dead.start()
        self.assertTrue(dead.log.wait_for(lambda lines: any("revoked boiler-7" in line for line in lines)))
        self.assertEqual(self.answer_to_login(dead), NOT_AUTHORIZED)

    def test_a_broker_that_was_stopped_is_not_waited_for(self):
        broker = self.broker()
        stopped = Broker("--registry", self.postgres.url)
        self.enroll(broker)
        stopped.stop()
        told, said = self.revoke()
        self.assertEqual((len(told["brokers"]), [m["silent_milliseconds"] for m in told["missing"]]), (1, [None]))
        self.assertIn("does not run", said)

    def test_a_broker_outlives_its_registry(self):
        broker = self.broker()
        self.enroll(broker)
        for name in ("pump-1", "pump-2"):
            sealmq("identity", "new", name, "-o", f"{self.key}-{name}.key")
        ticket = self.identity("ticket", "pump-1", "--publish", "plant/1/#").stdout.strip()

        def join(code):
            return sealmq("identity", "join", ticket, "--key", f"{self.key}-pump-1.key", "--broker-key", f"{broker.data}/broker.pub",
                          "-p", str(broker.port), code=code)

        def registry_state():
            status, _, text = get(broker, "/readyz")
            state = next(c for c in json.loads(text)["components"] if c["name"] == "registry")
            self.assertTrue(state["ok"] or status == 503, text)
            return state

        self.assertEqual(self.answer_to_login(broker), 0)
        self.postgres.stop()
        self.assertTrue(wait_until(lambda: not registry_state()["ok"]))
        self.assertIn("the list of identities stays as it was", registry_state()["text"])
        self.assertEqual(self.answer_to_login(broker), 0)
        self.assertIn("cannot reach the database", self.identity("list", code=2).stderr)
        # no new rights meanwhile: not by commands, not by a ticket, which stays good
        self.assertIn("cannot reach the database", self.identity("allow", "boiler-7", "--publish", "alarm", code=2).stderr)
        self.assertIn("cannot reach the database", self.identity("enroll", f"{self.key}-pump-2.pub", code=2).stderr)
        join(code=3)
        self.assertTrue(broker.log.wait_for(lambda lines: any("cannot reach the database" in line for line in lines)))
        self.assertEqual(self.answer_to_login(broker), 0)
        self.postgres.start()
        self.assertTrue(wait_until(lambda: registry_state()["ok"]))
        join(code=0)
        listed = self.identity("list").stdout
        self.assertIn("pump-1", listed)
        self.assertNotIn("alarm", listed)
        self.assertNotIn("pump-2", listed)
        told, _ = self.revoke()
        self.assertTrue(told["carried_out"])
        self.assertEqual(self.answer_to_login(broker), NOT_AUTHORIZED)

    def through(self, cable, *words):
        return subprocess.run([SEALMQ, "identity", *words, "--registry", cable.url], timeout=PATIENCE, capture_output=True, text=True)

    def test_a_connection_cut_within_a_transaction_changes_nothing_and_says_so(self):
        self.identity("enroll", self.key + ".pub")
        for number, words in enumerate((b"BEGIN", b"LOCK", b"UPDATE", b"INSERT", b"COMMIT")):
            with self.subTest(cut_before=words), Cable(self.postgres.url, words) as cable:
                done = self.through(cable, "allow", "boiler-7", "--publish", f"alarm/{number}")
                self.assertTrue(cable.was_cut)
                is_done = f"alarm/{number}" in self.identity("list").stdout
                if words == b"COMMIT":
                    self.assertEqual((done.returncode, is_done), (2, False), done)
                    self.assertIn("it is not known whether the change was made", done.stderr)
                else:  # begun once more, or not: what it says is so
                    self.assertEqual(done.returncode, 0 if is_done else 2, done)
        with Cable(self.postgres.url, b"COMMIT") as cable:
            self.assertEqual(self.through(cable, "revoke", "boiler-7", "--reason", "stolen").returncode, 2)
        self.assertNotIn("revoked", self.identity("list").stdout)

    def test_a_connection_cut_after_its_commit_says_that_it_does_not_know_and_nothing_is_done_twice(self):
        self.identity("enroll", self.key + ".pub")
        with Cable(self.postgres.url, b"COMMIT", answered=True) as cable:
            done = self.through(cable, "revoke", "boiler-7", "--reason", "stolen")
            self.assertTrue(cable.was_cut)
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("it is not known whether the change was made", done.stderr)
        self.assertTrue(wait_until(lambda: "revoked" in self.identity("list").stdout))
        self.assertIn("already revoked", self.identity("revoke", "boiler-7", "--reason", "stolen", code=1).stderr)

    def test_a_broker_whose_connections_are_cut_again_and_again_follows_the_list(self):
        with Cable(self.postgres.url, b"COMMIT", armed=False) as cable:
            broker = Broker("-v", "--registry", cable.url, configuration=ADMIN)
            self.addCleanup(broker.stop)
            for _ in range(3):
                cable.armed, cable.was_cut = True, False
                self.assertTrue(wait_until(lambda: cable.was_cut))
            self.enroll(broker)
            self.assertTrue(wait_until(lambda: self.answer_to_login(broker) == 0))
            told, _ = self.revoke()
            self.assertTrue(told["carried_out"], told)
            self.assertEqual(self.answer_to_login(broker), NOT_AUTHORIZED)

    def test_a_broker_does_not_start_without_its_registry(self):
        self.postgres.stop()
        with tempfile.TemporaryDirectory() as data:
            said = sealmq("broker", "-p", "0", "--data", data, "--registry", self.postgres.url, code=2).stderr
            self.assertIn("cannot reach the database", said)
            said = sealmq("broker", "--check", "--data", data, "--registry", "postgresql://a:secret@localhost/b", code=1).stderr
            self.assertIn("a password in the URL", said)
            self.assertNotIn("secret", said)

    def test_the_configuration_in_the_data_folder_names_the_registry(self):
        with tempfile.TemporaryDirectory() as data:
            with open(f"{data}/sealmq.toml", "w") as file:
                file.write(f"registry = '{self.postgres.url}'\n")
            sealmq("identity", "enroll", self.key + ".pub", "--data", data)
        self.assertIn("boiler-7", self.identity("list").stdout)


if __name__ == "__main__":
    unittest.main()
