"""What a broker does when the machine under it fails: a disk that is full, files that are damaged, a clock that jumps, a thread that
hangs, a database that does not answer. Nothing that was acknowledged is lost, and whoever is not concerned notices nothing.
"""
import json
import os
import re
import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

import packets
from faults import CLOCK_AHEAD, DISK_IS_FULL, HANG_WORD, HANGS, SYNCED, Faults
from packets import CONNACK, PUBACK, PUBLISH, SUBACK, Raw, logged_in, packet, text
from servers import PATIENCE, SEALMQ, THREADS, Broker, sessions_stored, wait_until

ADMIN = "[admin]\nurl = 'http://127.0.0.1:0'\n"
PINGRESP = 13
DAY = 86_400_000  # milliseconds


def status(broker, page):
    try:
        with urllib.request.urlopen(broker.admin_url + page, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def component(broker, name):
    return next((part for part in status(broker, "/readyz")[1]["components"] if part["name"] == name), None)


def connect(name, expiry, clean=False):
    properties = b"\x11" + struct.pack(">I", expiry)
    body = text("MQTT") + bytes([5, 2 if clean else 0]) + struct.pack(">H", 0) + bytes([len(properties)]) + properties + text(name)
    return packet(0x10, body)


def resumed(broker, name, expiry=3600):
    """A client with a session that outlives its connection, and whether it was there."""
    client = Raw(broker, connect(name, expiry))
    body = client.expect(CONNACK)
    assert body[1] == 0, f"CONNACK says {body[1]:#x}"
    return client, body[0] == 1


def subscriber(broker, name, topic, expiry=3600):
    client, _ = resumed(broker, name, expiry)
    client.send(packets.subscribe(topic, 1))
    client.expect(SUBACK)
    return client


def received(client, count):
    """Payloads of QoS 1, acknowledged."""
    texts = []
    while len(texts) < count:
        body = client.expect(PUBLISH)
        at = 2 + struct.unpack(">H", body[:2])[0]
        client.send(packet(0x40, body[at:at + 2]))
        texts.append(body[at + 3 + body[at + 2]:])
    return texts


def retained(topic, payload, number):
    return packet(0x33, text(topic) + struct.pack(">H", number) + b"\0" + payload)


class WithFaults(unittest.TestCase):
    def setUp(self):
        self.faults = Faults()
        self.broker = Broker("--allow-plain", configuration=ADMIN, environment=self.faults.environment)
        self.addCleanup(self.stop)

    def stop(self):
        for fault in (CLOCK_AHEAD, DISK_IS_FULL, HANGS):
            self.faults.set(fault, 0)
        self.broker.stop()

    def acknowledged(self, client, sent):
        client.send(sent)
        return client.expect(PUBACK)

    def answers_nothing(self, client, seconds):
        client.socket.settimeout(seconds)
        try:
            with self.assertRaises(TimeoutError):
                client.socket.recv(1, socket.MSG_PEEK)
        finally:
            client.socket.settimeout(PATIENCE)


class Disk(WithFaults):
    def test_an_acknowledgement_follows_what_the_disk_has_taken(self):
        subscriber(self.broker, "absent", "t").close()
        with logged_in(self.broker, "writer") as writer:
            for number in range(1, 21):
                before = self.faults.get(SYNCED)
                self.acknowledged(writer, packets.publish("t", b"%d" % number, number))
                self.assertGreater(self.faults.get(SYNCED), before, "fdatasync of sessions.db, or a loss of power loses it")
            before = self.faults.get(SYNCED)
            self.acknowledged(writer, retained("kept", b"x", 21))
            self.assertGreater(self.faults.get(SYNCED), before)

    def test_a_full_disk_delays_acknowledgements_is_told_and_loses_nothing(self):
        subscriber(self.broker, "absent", "t").close()
        writer = logged_in(self.broker, "writer")
        self.addCleanup(writer.close)
        self.acknowledged(writer, packets.publish("t", b"before", 1))
        self.assertTrue(wait_until(lambda: component(self.broker, "storage") is not None))
        self.assertTrue(component(self.broker, "storage")["ok"])
        self.faults.set(DISK_IS_FULL, 1)
        writer.send(packets.publish("t", b"meanwhile", 2))
        self.assertTrue(wait_until(lambda: not component(self.broker, "storage")["ok"]))
        self.assertEqual(status(self.broker, "/readyz")[0], 503)
        self.assertEqual(status(self.broker, "/healthz")[0], 200, "nothing is gained by starting it again")
        self.answers_nothing(writer, 0.3)
        # What needs no disk goes on.
        with logged_in(self.broker, "reads") as reads, logged_in(self.broker, "writes") as writes:
            reads.send(packets.subscribe("live"))
            reads.expect(SUBACK)
            writes.send(packets.publish("live", b"x"))
            self.assertTrue(reads.expect(PUBLISH).endswith(b"x"))
        self.faults.set(DISK_IS_FULL, 0)
        self.assertEqual(writer.expect(PUBACK)[:2], b"\0\2")
        self.assertTrue(wait_until(lambda: status(self.broker, "/readyz")[0] == 200))
        self.broker.kill()
        self.broker.start()
        back, was_there = resumed(self.broker, "absent")
        self.addCleanup(back.close)
        self.assertTrue(was_there)
        self.assertEqual(received(back, 2), [b"before", b"meanwhile"])

    def test_a_broker_that_ends_while_the_disk_is_full_has_acknowledged_nothing_that_is_lost(self):
        subscriber(self.broker, "absent", "t").close()
        with logged_in(self.broker, "writer") as writer:
            self.acknowledged(writer, packets.publish("t", b"before", 1))
            self.faults.set(DISK_IS_FULL, 1)
            writer.send(packets.publish("t", b"never acknowledged", 2))
            self.answers_nothing(writer, 0.3)
            self.broker.kill()
        self.faults.set(DISK_IS_FULL, 0)
        self.broker.start()
        back, _ = resumed(self.broker, "absent")
        self.addCleanup(back.close)
        self.assertEqual(received(back, 1), [b"before"])


    def test_a_full_disk_keeps_no_broker_from_starting(self):
        self.faults.set(DISK_IS_FULL, 1)
        checked = subprocess.run([SEALMQ, "broker", "--check", "--data", self.broker.data], env={**os.environ, **self.faults.environment},
                                 capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertIn("less than 100 MiB", checked.stderr)


class Clock(WithFaults):
    def test_whichever_way_it_jumps_the_latest_retained_message_is_kept(self):
        names = [f"writer-{number}" for number in range(12)]  # on every shard
        writers = [logged_in(self.broker, name) for name in names]
        number = 0
        for ahead in (0, DAY, -DAY, 0):
            self.faults.set(CLOCK_AHEAD, ahead)
            for writer in writers:
                number += 1
                self.acknowledged(writer, retained("kept", b"%d" % number, 1))
                with logged_in(self.broker, f"reader-{number}") as reader:
                    reader.send(packets.subscribe("kept"))
                    kinds = {}
                    while len(kinds) < 2:
                        kind, body = reader.read()
                        kinds[kind] = body
                    self.assertTrue(kinds[PUBLISH].endswith(b"\0%d" % number), (ahead, number, kinds[PUBLISH]))
        for writer in writers:
            writer.close()

    def test_sessions_messages_and_keep_alives_last_as_long_as_they_should(self):
        subscriber(self.broker, "absent", "t", expiry=3600).close()
        with logged_in(self.broker, "alive", keep_alive=60) as alive, logged_in(self.broker, "writer") as writer:
            expiring = packet(0x32, text("t") + struct.pack(">H", 1) + b"\x05\x02" + struct.pack(">I", 1800) + b"lasting")
            self.acknowledged(writer, expiring)
            for ahead in (DAY, -DAY, 30 * DAY):
                self.faults.set(CLOCK_AHEAD, ahead)
                time.sleep(1.2)  # each second it looks for what has expired
                alive.send(b"\xc0\0")
                alive.expect(PINGRESP)
        back, was_there = resumed(self.broker, "absent")
        self.addCleanup(back.close)
        self.assertTrue(was_there)
        body = back.expect(PUBLISH)
        self.assertTrue(body.endswith(b"lasting"))
        left, = struct.unpack(">I", body[body.index(b"\x05\x02") + 2:][:4])
        self.assertGreater(left, 1700)
        self.assertLessEqual(left, 1800)

    def test_after_a_restart_a_clock_behind_loses_nothing_and_one_ahead_ends_what_has_expired(self):
        for ahead, is_there in ((-DAY, True), (2 * DAY, False)):
            self.faults.set(CLOCK_AHEAD, 0)
            name = f"absent{ahead}"
            client = subscriber(self.broker, name, f"t/{name}", expiry=3600)
            client.send(b"\xe0\0")  # DISCONNECT
            self.assertIsNone(client.read())
            client.close()
            # A broker that is killed before that is stored takes the restart for the moment.
            self.assertTrue(wait_until(lambda: sessions_stored(self.broker).get(name)))
            with logged_in(self.broker, "writer") as writer:
                self.acknowledged(writer, packets.publish(f"t/{name}", b"x", 1))
            self.broker.kill()
            self.faults.set(CLOCK_AHEAD, ahead)
            self.broker.start()
            back, was_there = resumed(self.broker, name)
            self.assertEqual(was_there, is_there)
            if is_there:
                self.assertEqual(received(back, 1), [b"x"])
            back.close()


@unittest.skipIf(THREADS == "1", "there is no other shard")
class Hanging(WithFaults):
    def test_a_shard_that_hangs_is_told_and_the_others_go_on(self):
        crowd = [logged_in(self.broker, f"client-{number}") for number in range(24)]
        for number, client in enumerate(crowd):
            client.send(packets.subscribe(f"own/{number}", 1))
            client.expect(SUBACK)
        self.assertTrue(wait_until(lambda: status(self.broker, "/healthz")[0] == 200))
        self.faults.set(HANGS, 1)
        crowd[0].send(packets.publish("x", HANG_WORD))
        concerned = set()
        deadline = time.monotonic() + 2
        for client in crowd:
            client.send(b"\xc0\0")
        for client in crowd:
            client.socket.settimeout(max(0.05, deadline - time.monotonic()))
            try:
                client.socket.recv(2)
            except TimeoutError:
                concerned.add(client)
            client.socket.settimeout(PATIENCE)
        self.assertIn(crowd[0], concerned)
        self.assertLess(len(concerned), len(crowd), "those of other shards are served")
        self.assertTrue(wait_until(lambda: status(self.broker, "/healthz")[0] == 503))
        # Two of the others talk to each other as before.
        served = [client for client in crowd if client not in concerned]
        number = crowd.index(served[0])
        for count in range(100):
            served[-1].send(packets.publish(f"own/{number}", b"%d" % count))
            body = served[0].expect(PUBLISH)
            self.assertTrue(body.endswith(b"\0%d" % count))
        self.faults.set(HANGS, 0)
        self.assertTrue(wait_until(lambda: status(self.broker, "/healthz")[0] == 200))
        for client in concerned:
            self.assertEqual(client.expect(PINGRESP), b"")
        for client in crowd:
            client.close()


class Watchdog(unittest.TestCase):
    def test_says_nothing_while_a_shard_hangs(self):
        faults = Faults()
        with tempfile.TemporaryDirectory() as folder:
            address = os.path.join(folder, "notify")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
                listener.bind(address)
                told = []

                def listen():
                    while (message := listener.recv(4096)) != b"end":
                        told.append((time.monotonic(), message))

                listening = threading.Thread(target=listen, daemon=True)
                listening.start()
                environment = {**faults.environment, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "200000"}

                def reassured_since(moment):
                    return any(when > moment and b"WATCHDOG=1" in message for when, message in list(told))

                with Broker("--allow-plain", environment=environment) as broker, logged_in(broker, "stuck") as stuck:
                    self.assertTrue(wait_until(lambda: reassured_since(0)))
                    faults.set(HANGS, 1)
                    stuck.send(packets.publish("x", HANG_WORD))
                    # It is missed after two seconds; from then on there is silence.
                    time.sleep(3.5)
                    begin = time.monotonic()
                    time.sleep(1)
                    self.assertFalse(reassured_since(begin))
                    faults.set(HANGS, 0)
                    self.assertTrue(wait_until(lambda: reassured_since(begin)))
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                    end.sendto(b"end", address)
                listening.join(PATIENCE)


class Database(unittest.TestCase):
    def test_a_registry_that_does_not_answer_delays_nobody_who_does_not_ask_it(self):
        with Broker(configuration=ADMIN) as broker:
            def sealmq(*words, **more):
                return subprocess.run([SEALMQ, *words], cwd=os.path.dirname(broker.data), timeout=PATIENCE, capture_output=True, text=True,
                                      **more)

            for name in ("pump", "alice"):
                self.assertEqual(sealmq("identity", "new", name).returncode, 0)
            self.assertEqual(sealmq("identity", "enroll", "alice.pub", "--publish", "#", "--data", broker.data).returncode, 0)
            given = sealmq("identity", "password", "alice", "--data", broker.data, input="secret\n")
            self.assertEqual(given.returncode, 0, given.stderr)
            ticket = sealmq("identity", "ticket", "pump", "--publish", "#", "--data", broker.data).stdout.strip()
            database = sqlite3.connect(os.path.join(broker.data, "registry.db"), isolation_level=None)
            self.addCleanup(database.close)
            database.execute("BEGIN IMMEDIATE")
            joining = subprocess.Popen([SEALMQ, "identity", "join", ticket, "--key", "pump.key", "--publish", "#", "--broker-key",
                                        f"{broker.data}/broker.pub", "-p", str(broker.port)], cwd=os.path.dirname(broker.data),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(joining.wait)
            time.sleep(0.5)
            begin = time.monotonic()
            for _ in range(3):
                body = text("MQTT") + bytes([5, 0xC2]) + struct.pack(">H", 0) + b"\0" + text("") + text("alice") + text("secret")
                with Raw(broker, packet(0x10, body)) as client:
                    self.assertEqual(client.expect(CONNACK)[1], 0)
            self.assertLess(time.monotonic() - begin, 3, "a join waits five seconds for the database")
            self.assertIsNone(joining.poll(), "it was waiting all the time")
            database.execute("ROLLBACK")
            self.assertEqual(joining.wait(PATIENCE), 0)


@unittest.skipIf(THREADS != "1", "the number of shards has nothing to do with it")
class DamagedFiles(unittest.TestCase):
    PAGE = 4096

    def test_a_damaged_page_is_told_with_what_to_do_and_nothing_is_made_up(self):
        with Broker("--allow-plain") as broker:
            for number in range(30):
                subscriber(broker, f"absent-{number}", f"t/{number}").close()
            with logged_in(broker, "writer") as writer:
                for number in range(30):
                    writer.send(packets.publish(f"t/{number}", b"x" * 2000, number + 1))
                    writer.expect(PUBACK)
            broker.terminate()
            path = os.path.join(broker.data, "sessions.db")
            with open(path, "rb") as file:
                whole = file.read()
            refused = 0
            pages = len(whole) // self.PAGE
            for at in sorted({*range(5), *range(5, pages, max(1, pages // 10))}):
                at *= self.PAGE
                with open(path, "wb") as file:
                    file.write(whole[:at] + b"\xa5" * self.PAGE + whole[at + self.PAGE:])
                for behind in ("-wal", "-shm"):
                    if os.path.exists(path + behind):
                        os.remove(path + behind)
                process = subprocess.Popen([SEALMQ, "broker", "--allow-plain", "-p", "0", "--data", broker.data], stderr=subprocess.PIPE,
                                           text=True)
                said = []
                for line in process.stderr:
                    said.append(line)
                    if line == "ready\n":
                        process.send_signal(signal.SIGTERM)
                code = process.wait(PATIENCE)
                process.stderr.close()
                if "ready\n" in said:
                    self.assertEqual(code, 0, said)
                else:
                    refused += 1
                    self.assertEqual(code, 2, said)
                    self.assertIn("the file is damaged", "".join(said))
                    self.assertIn("hint: put back a copy", "".join(said))
            self.assertGreater(refused, 3)
            with open(path, "wb") as file:
                file.write(whole)
            broker.start()
            back, was_there = resumed(broker, "absent-7")
            self.assertTrue(was_there)
            self.assertEqual(received(back, 1), [b"x" * 2000])
            back.close()


class SystemLog(unittest.TestCase):
    """`log_to = "syslog"`: 27, 28 and 30 are a daemon's errors, warnings and facts (RFC 5424, section 6.2.1)."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path, self.faults = os.path.join(folder.name, "log"), Faults()
        self.environment = {**self.faults.environment, "SEALMQ_SYSTEM_LOG": self.path}

    def lines(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def has(self, condition):
        self.assertTrue(wait_until(lambda: any(map(condition, self.lines()))), self.lines())

    def test_its_lines_are_a_daemons_and_standard_error_has_none(self):
        with Broker("--allow-plain", configuration='log_to = "syslog"\n', environment=self.environment) as broker:
            with logged_in(broker, "%n%s") as client:
                client.send(b"\x20\x00")  # no packet of a client
            self.has(lambda line: re.match(r"28 sealmq: .*\"%n%s\"", line))
            broker.reload()
            self.has(lambda line: line.startswith("30 sealmq: ") and "reload" in line)
            with open(broker.path("test.toml"), "a") as file:
                file.write("nonsense\n")
            broker.reload()
            self.has(lambda line: line.startswith("27 sealmq: nothing is reloaded: "))
            on_standard_error = [line for line in broker.log.all() if line != "ready" and not line.startswith("listening on ")]
            self.assertEqual(on_standard_error, [])
        self.assertNotIn("", self.lines())

    def test_as_json_too(self):
        data = os.path.join(os.path.dirname(self.path), "data")
        with open(self.path + ".toml", "w") as file:
            file.write('log_to = "syslog"\nlog_format = "json"\n')
        process = subprocess.Popen([SEALMQ, "broker", "--data", data, "-p", "0", "-c", self.path + ".toml"], stderr=subprocess.PIPE,
                                   env={**os.environ, **self.environment})
        self.addCleanup(process.kill)
        self.has(lambda line: line.startswith("30 sealmq: ") and json.loads(line.removeprefix("30 sealmq: "))["event"] == "ready")
        process.terminate()
        self.assertEqual(process.communicate(timeout=PATIENCE), (None, b""))
        self.assertEqual(process.returncode, 0)
        for line in self.lines():
            json.loads(line.partition(" sealmq: ")[2])


if __name__ == "__main__":
    unittest.main()
