"""Payloads that no broker reads: through our broker, mosquitto and Aedes; beside npm's COSE library and Paho C++; and keys of topics as
people share, replace and revoke them."""
import json
import os
import pathlib
import queue
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

import paho.mqtt.client as paho
from servers import PATIENCE, SEALMQ, Broker, Lines, require, wait_until
from test_pub_sub import Mosquitto, free_port
from transports import MAKE_CERTIFICATES

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = os.environ["EXAMPLES"]  # the folder with their programs
CONFIGURATION = """
[[topic]]
filter = "#"
publish = ["payload"]
subscribe = ["plain"]

[[topic]]
filter = "strict/#"
publish = ["payload"]
subscribe = ["plain"]

[scheme.payload]
min-enc = "strict/# a256gcm"
min-stamp = "strict/signed/# signature, strict/sealed/# mac"
"""

OPENING = """
topic_keys = "{folder}/admin"
[[listener]]
url = "mqtt://127.0.0.1:0"
[[listener]]
url = "mqtts://127.0.0.1:0"
cert = "{folder}/server.pem"
key = "{folder}/server.key"
[[topic]]
filter = "plant/#"
publish = ["payload-hop"]
subscribe = ["payload-hop", "plain"]
[[topic]]
filter = "open/#"
publish = ["plain"]
subscribe = ["plain"]
"""


class Aedes:
    def __init__(self):
        require("node")
        self._process = subprocess.Popen(["node", "aedes.mjs"], cwd=HERE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline())

    def stop(self):
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._process.stdout.close()


class Payload(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ours = Broker(configuration=CONFIGURATION)
        cls.addClassCleanup(cls.ours.stop)
        cls.mosquitto = Mosquitto(free_port())
        cls.addClassCleanup(cls.mosquitto.stop)
        cls.aedes = Aedes()
        cls.addClassCleanup(cls.aedes.stop)
        # Shared subscriptions are not in MQTT 3.1.1, which is all that Aedes speaks.
        cls.brokers = {"ours": (cls.ours, "5"), "mosquitto": (cls.mosquitto, "5"), "aedes": (cls.aedes, "311")}

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sealmq-payload-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.port, self.version = self.mosquitto.port, "5"
        for name in "admin", "boiler", "control":
            self.run_ok("identity", "new", name)

    def run_ok(self, *words, **keywords):
        result = self.run_any(*words, **keywords)
        self.assertEqual(result.returncode, 0, (words, result.stdout, result.stderr))
        return result.stdout

    def run_any(self, *words, **keywords):
        return subprocess.run([SEALMQ, *words], cwd=self.folder, capture_output=True, text=True, timeout=2 * PATIENCE, **keywords)

    def at(self, name):
        return "-h", "127.0.0.1", "-p", str(self.port), "-V", self.version, "--scheme", "payload", "--key", f"{name}.key", "--topic-keys", name

    def administer(self, *words):
        """As the administrator, at the broker."""
        return self.run_ok("key", *words, "--key", "admin.key", "--topic-keys", "admin", "-h", "127.0.0.1", "-p", str(self.port),
                           "-V", self.version)

    def share(self, topic, *more, members=("boiler", "control")):
        self.run_ok("key", "new", topic, "--key", "admin.key", "--topic-keys", "admin", *more)
        self.administer("share", topic, *[word for member in members for word in ("--to", f"{member}.pub")])
        for member in members:
            self.run_ok("key", "trust", "admin.pub", "--topic-keys", member)

    def sub(self, name, *options):
        process = subprocess.Popen([SEALMQ, "sub", *self.at(name), *options], cwd=self.folder, text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.out, process.err = Lines(process.stdout), Lines(process.stderr)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process, how=signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(how)
        process.wait(PATIENCE)
        for stream in process.stdout, process.stderr:
            if stream is not None:
                stream.close()

    def pub(self, topic, text, *options, name="boiler"):
        if "-r" in options and self.port == self.mosquitto.port:  # which the next test finds as it was
            self.addCleanup(subprocess.run, ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-t", topic, "-r", "-n", "-q", "1"])
        return self.run_any("pub", *self.at(name), "-t", topic, "-m", text, *options)

    def expect(self, process, *lines):
        self.assertTrue(process.out.wait_for(lambda got: len(got) >= len(lines)), (process.out.all(), process.err.all()))
        self.assertEqual(process.out.all(), list(lines), process.err.all())

    def settle(self, process, topic):
        """Until it is subscribed: a message of its own arrives."""
        def arrives():
            self.pub(topic, "ready", "-q", "1")
            return process.out.wait_for(lambda got: any("ready" in line for line in got), 1)
        self.assertTrue(wait_until(arrives), process.err.all())

    # -- from end to end, through each broker

    def through_each_broker(self, check):
        for name, (broker, version) in self.brokers.items():
            with self.subTest(broker=name):
                self.port, self.version = broker.port, version
                for member in "admin", "boiler", "control":
                    shutil.rmtree(self.folder / member, True)
                check(name)

    def test_every_qos_retained_and_wills(self):
        def check(broker):
            topic = f"plant/{broker}/temp"
            self.share("plant/+/temp")
            # Retained before anybody reads; keys come by themselves, with aedes behind its PINGRESP.
            first = self.pub(topic, "21.0", "-r", "-q", "1")
            self.assertEqual(first.returncode, 0, first.stderr)
            reader = self.sub("control", "-t", topic, "-q", "2", "-F", "%f %q %r %p")
            self.expect(reader, "boiler 1 1 21.0")
            for qos in "012":
                self.assertEqual(self.pub(topic, f"21.{qos}", "-q", qos).returncode, 0)
                self.assertTrue(reader.out.wait_for(lambda got: f"boiler {qos} 0 21.{qos}" in got), (reader.out.all(), reader.err.all()))
            # A Will, of a client that dies.
            dying = self.sub("boiler", "-t", "none", "--will-topic", f"plant/{broker}w/temp", "--will-payload", "gone", "--will-qos", "1",
                             "-i", f"boiler-{broker}")
            self.end(reader, signal.SIGTERM)
            watcher = self.sub("control", "-t", f"plant/{broker}w/temp", "-q", "1", "-F", "%f %p")
            self.settle(watcher, f"plant/{broker}w/temp")
            self.end(dying)
            self.assertTrue(watcher.out.wait_for(lambda got: "boiler gone" in got), (watcher.out.all(), watcher.err.all()))
            self.end(watcher, signal.SIGTERM)
        self.through_each_broker(check)

    def test_shared_subscriptions_hand_each_message_to_one_member(self):
        for broker in "ours", "mosquitto":
            with self.subTest(broker=broker):
                self.port, self.version = self.brokers[broker][0].port, "5"
                topic = f"shared/{broker}"
                for member in "admin", "boiler", "control":
                    shutil.rmtree(self.folder / member, True)
                self.share(topic, members=("boiler", "control", "admin"))
                members = [self.sub(name, "-t", f"$share/group/{topic}", "-q", "1", "-F", "%p") for name in ("control", "admin")]
                def both_are_there():
                    self.pub(topic, "ready", "-q", "1")
                    return all("ready" in one.out.all() for one in members)
                self.assertTrue(wait_until(both_are_there), [one.err.all() for one in members])
                for i in range(20):
                    self.assertEqual(self.pub(topic, str(i), "-q", "1").returncode, 0)
                def all_came():
                    return sorted(line for one in members for line in one.out.all() if line != "ready") == sorted(map(str, range(20)))
                self.assertTrue(wait_until(all_came), [one.out.all() for one in members])
                for one in members:
                    self.end(one, signal.SIGTERM)

    def test_named_readers(self):
        def check(broker):
            reader = self.sub("control", "--from", "boiler.pub", "-t", "letters", "-q", "1", "-F", "%f %p")
            def arrives():
                self.run_ok("pub", *self.at("boiler"), "--to", "control.pub", "-t", "letters", "-m", "for control", "-q", "1")
                return reader.out.wait_for(lambda got: "boiler for control" in got, 1)
            self.assertTrue(wait_until(arrives), (broker, reader.err.all()))
            self.run_ok("pub", *self.at("boiler"), "--to", "admin.pub", "-t", "letters", "-m", "for admin", "-q", "1")
            self.assertTrue(reader.err.wait_for(lambda got: any("decrypt: not encrypted for this reader" in line for line in got)))
            self.end(reader, signal.SIGTERM)
        self.through_each_broker(check)

    # -- replay

    def test_a_copy_is_refused_now_and_after_a_restart(self):
        self.share("plant/7/temp")
        spy = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.port), "-t", "plant/7/temp", "-F", "%x"],
                               stdout=subprocess.PIPE, text=True)
        spy.stderr = None
        self.addCleanup(self.end, spy)
        spied = Lines(spy.stdout)
        reader = self.sub("control", "-t", "plant/7/temp", "-q", "1", "-F", "%p")
        self.settle(reader, "plant/7/temp")
        self.assertTrue(wait_until(lambda: spied.all() or not self.pub("plant/7/temp", "ready")))
        captured = bytes.fromhex(spied.all()[-1])

        def send_again():
            subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-t", "plant/7/temp", "-s"], input=captured, check=True)

        before = len(reader.out.all())
        send_again()
        self.assertTrue(reader.err.wait_for(lambda got: any("replay: " in line for line in got)), reader.err.all())
        self.assertEqual(len(reader.out.all()), before)
        self.end(reader)  # by SIGKILL
        reader = self.sub("control", "-t", "plant/7/temp", "-q", "1", "-F", "%p")
        def is_refused():
            send_again()
            return reader.err.wait_for(lambda got: any("replay: " in line or "stale: " in line for line in got), 1)
        self.assertTrue(wait_until(is_refused), reader.err.all())
        self.assertEqual(reader.out.all(), [])

    def test_a_copied_folder_is_another_sender(self):
        self.share("a")
        reader = self.sub("control", "-t", "a", "-q", "1", "-F", "%f %p")
        self.settle(reader, "a")
        shutil.copytree(self.folder / "boiler", self.folder / "clone")
        for i in range(3):
            self.assertEqual(self.pub("a", f"original {i}", "-q", "1").returncode, 0)
            self.run_ok("pub", *["clone" if word == "boiler" else word for word in self.at("boiler")], "-t", "a", "-m", f"clone {i}", "-q", "1")
        self.assertTrue(reader.out.wait_for(lambda got: "boiler clone 2" in got), reader.err.all())
        self.assertEqual(len([line for line in reader.out.all() if "original" in line or "clone" in line]), 6, reader.err.all())

    # -- keys

    def test_keys_wait_for_who_was_away_and_rotation_loses_nothing(self):
        self.share("plant/+/temp")
        self.assertEqual(self.pub("plant/7/temp", "1", "-q", "1", "-r").returncode, 0)
        self.administer("rotate", "plant/+/temp")
        # The reader has both.
        reader = self.sub("control", "-t", "plant/7/temp", "-q", "1", "-F", "%p")
        self.expect(reader, "1")
        for text in "2", "3", "4":
            self.assertEqual(self.pub("plant/7/temp", text, "-q", "1").returncode, 0)
        self.expect(reader, "1", "2", "3", "4")
        keys = [json.loads(line) for line in self.run_ok("key", "list", "--json", "--topic-keys", "control").splitlines()]
        self.assertEqual(sorted(key["state"] for key in keys), ["active", "decrypt-only"])

    def test_who_is_removed_reads_nothing_more_and_counts_no_more(self):
        self.share("a", members=("boiler", "control"))
        removed = self.sub("control", "-t", "a", "-q", "1", "-F", "%p")
        self.settle(removed, "a")
        self.administer("revoke", "a", "control")
        self.assertEqual(self.pub("a", "after", "-q", "1").returncode, 0)
        self.assertTrue(removed.err.wait_for(lambda got: any("policy: under a key that is not known here" in line for line in got)),
                        removed.err.all())
        self.assertNotIn("after", removed.out.all())
        # What it still has seals and stamps as before, and nobody takes it any more.
        reader = self.sub("boiler", "-t", "a", "-q", "1", "-F", "%p")
        self.settle(reader, "a")
        self.run_ok("pub", *self.at("control"), "-t", "a", "-m", "counts no more", "-q", "1")
        self.assertTrue(reader.err.wait_for(lambda got: any("refused" in line for line in got)), reader.err.all())
        self.assertNotIn("counts no more", reader.out.all())

    def test_the_first_message_after_a_theft_goes_under_the_new_key(self):
        def check(broker):
            self.share(f"theft/{broker}")
            self.assertEqual(self.pub(f"theft/{broker}", "before", "-q", "1").returncode, 0)
            shutil.copytree(self.folder / "boiler", self.folder / "stolen", dirs_exist_ok=True)
            self.administer("revoke", f"theft/{broker}")
            result = self.pub(f"theft/{broker}", "after", "-q", "1", "-r")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("new key of", result.stderr)
            reader = self.sub("control", "-t", f"theft/{broker}", "-q", "1", "-F", "%f %p")
            self.expect(reader, "boiler after")
            self.end(reader, signal.SIGTERM)
            keys = [json.loads(line) for line in self.run_ok("key", "list", "--json", "--topic-keys", "stolen").splitlines()]
            held = bytes.fromhex(keys[0]["id"])
            sent = subprocess.run(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.port), "-t", f"theft/{broker}", "-C", "1", "-N"],
                                  capture_output=True, timeout=PATIENCE).stdout
            self.assertNotIn(held, sent)
            shutil.rmtree(self.folder / "stolen")
        self.through_each_broker(check)

    def test_nothing_changes_that_is_not_dealt_or_it_is_told(self):
        self.share("a")
        def listed():
            return [json.loads(line) for line in self.run_ok("key", "list", "--json", "--topic-keys", "admin").splitlines()]
        before = listed()
        nowhere = "-h", "127.0.0.1", "-p", str(free_port())
        for words in ("rotate", "a"), ("revoke", "a", "control"), ("revoke", "a"), ("share", "a", "--to", "admin.pub"):
            result = self.run_any("key", *words, "--key", "admin.key", "--topic-keys", "admin", *nowhere)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn("no key was changed", result.stderr)
            self.assertEqual(listed(), before)
        # A broker that takes connections and no keys.
        with Broker(configuration='[[topic]]\nfilter = "#"\npublish = []\nsubscribe = ["plain"]\n') as closed:
            refusing = "-h", "127.0.0.1", "-p", str(closed.port)
            for _ in range(2):
                result = self.run_any("key", "rotate", "a", "--key", "admin.key", "--topic-keys", "admin", *refusing)
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertIn("not yet sent", result.stderr)
                self.assertIn("sealmq key share 'a' sends it", result.stderr)
                self.assertEqual(len(listed()), 2, "a second try makes no second key")
        new = next(key for key in listed() if key["state"] == "active")
        self.assertTrue(new["not_sent"])
        self.assertIn("(not sent)", self.run_ok("key", "list", "--topic-keys", "admin"))
        self.administer("rotate", "a")
        self.assertEqual(len(listed()), 2)
        self.assertFalse(any(key["not_sent"] for key in listed()))
        self.assertEqual(self.pub("a", "x", "-q", "1").returncode, 0)
        its = [json.loads(line) for line in self.run_ok("key", "list", "--json", "--topic-keys", "boiler").splitlines()]
        self.assertIn(new["id"], [key["id"] for key in its])
        self.administer("rotate", "a")
        self.assertEqual(len(listed()), 3)

    def test_a_revocation_that_a_failed_write_cut_short_is_finished_by_the_next(self):
        self.share("a")
        self.administer("rotate", "a")
        files = {path.name: path.read_bytes() for path in (self.folder / "admin").glob("*.topic-key")}
        with Broker(configuration='[[topic]]\nfilter = "#"\npublish = []\nsubscribe = ["plain"]\n') as closed:
            result = self.run_any("key", "revoke", "a", "control", "--key", "admin.key", "--topic-keys", "admin", "-h", "127.0.0.1", "-p",
                                  str(closed.port))
            self.assertEqual(result.returncode, 3, result.stderr)
        for name, content in files.items():  # as if the disk had been full after the new key
            (self.folder / "admin" / name).write_bytes(content)
        self.administer("revoke", "a", "control")
        keys = [json.loads(line) for line in self.run_ok("key", "list", "--json", "--topic-keys", "admin").splitlines()]
        newest = max(keys, key=lambda key: key["not_before"])
        self.assertEqual((len(keys), newest["state"]), (3, "active"))
        for key in keys:
            self.assertEqual(key["members"], ["boiler"])
            if key is not newest:
                self.assertEqual(key["state"], "decrypt-only")
                self.assertLessEqual(key["not_after"], newest["not_before"])

    def test_a_key_lasts_as_long_as_is_said_or_as_the_one_before(self):
        own = "--key", "admin.key", "--topic-keys", "admin"
        def lasts(*words):
            made = json.loads(self.run_ok("key", *words, *own, "--json"))
            return made["not_after"] - made["not_before"]
        day = 86400
        self.assertEqual(lasts("new", "usual"), 30 * day)
        self.assertEqual(lasts("new", "a", "--lasts", "12h"), day / 2)
        self.assertEqual(lasts("rotate", "a"), day / 2)
        self.assertEqual(lasts("rotate", "a", "--lasts", "30d"), 30 * day)

    def test_running_out_of_patience_is_told_of_the_message_that_ran_out(self):
        self.share("a")
        with Broker(configuration=CONFIGURATION) as broker:
            at = "-h", "127.0.0.1", "-p", str(broker.port), "--key", "admin.key", "--topic-keys", "admin"
            self.run_ok("key", "share", "a", *at)
            self.port = broker.port
            publisher = subprocess.Popen([SEALMQ, "pub", *self.at("boiler"), "-t", "a", "-l", "-q", "1", "-W", "2", "-d"], cwd=self.folder,
                                         text=True, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            publisher.err = Lines(publisher.stderr)
            publisher.stdin.write("first\n")
            publisher.stdin.flush()
            self.assertTrue(publisher.err.wait_for(lambda got: any("the broker has them" in line for line in got)), publisher.err.all())
            time.sleep(2)  # longer than -W, which is for each message
        publisher.stdin.write("second\n")
        publisher.stdin.close()
        self.assertEqual(publisher.wait(PATIENCE), 2, publisher.err.all())
        publisher.stderr.close()

    def test_sharing_again_sends_what_was_not_dealt(self):
        self.share("a")
        with Broker(configuration='[[topic]]\nfilter = "#"\npublish = []\nsubscribe = ["plain"]\n') as closed:
            result = self.run_any("key", "revoke", "a", "control", "--key", "admin.key", "--topic-keys", "admin", "-h", "127.0.0.1", "-p",
                                  str(closed.port))
            self.assertEqual(result.returncode, 3, result.stderr)
        self.administer("share", "a")
        self.assertNotIn("(not sent)", self.run_ok("key", "list", "--topic-keys", "admin"))
        result = self.pub("a", "x", "-q", "1")
        self.assertIn("new key of a from admin", result.stderr)

    def test_a_member_without_a_key_is_told_what_to_do_at_once(self):
        self.run_ok("key", "trust", "admin.pub", "--topic-keys", "boiler")
        result = self.pub("a", "x", "-q", "1")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("there is no key for a", result.stderr)
        self.assertIn("hint: ask the administrator: sealmq key share FILTER --to boiler.pub", result.stderr)
        self.assertNotIn("refused the message", result.stderr)
        self.assertEqual(self.pub("a", "x").returncode, 1, "QoS 0 as well")
        # A broker that keeps the topics of keys closed is named.
        with Broker(configuration='[[topic]]\nfilter = "#"\npublish = ["payload"]\nsubscribe = ["plain"]\n'
                                  '[[topic]]\nfilter = "sealmq-keys/#"\npublish = []\nsubscribe = []\n') as closed:
            self.port = closed.port
            result = self.pub("a", "x", "-q", "1")
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn("the broker refuses sealmq-keys/admin/", result.stderr)

    def key_topics(self):
        return set(subprocess.run(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.port), "-t", "sealmq-keys/#", "-W", "2", "-F", "%t"],
                                  capture_output=True, text=True, timeout=PATIENCE).stdout.splitlines())

    def test_two_administrators_of_one_name_and_a_strangers_junk_make_no_noise(self):
        of_others = self.key_topics()
        self.share("a")
        (self.folder / "other").mkdir()
        for words in ("identity", "new", "admin"), ("key", "new", "b", "--key", "admin.key", "--topic-keys", "keys"):
            subprocess.run([SEALMQ, *words], cwd=self.folder / "other", check=True, capture_output=True, timeout=PATIENCE)
        subprocess.run([SEALMQ, "key", "share", "b", "--to", "../boiler.pub", "--key", "admin.key", "--topic-keys", "keys", "-h", "127.0.0.1",
                        "-p", str(self.port)], cwd=self.folder / "other", check=True, capture_output=True, timeout=PATIENCE)
        self.assertEqual(self.pub("a", "x", "-q", "1").returncode, 0)
        self.assertEqual(self.pub("a", "x", "-q", "1").stderr, "")
        # Both can be trusted, each for its own.
        result = self.run_any("key", "trust", "other/admin.pub", "b", "--topic-keys", "boiler")
        self.assertEqual(result.returncode, 1)
        self.assertIn("trusted for all topics", result.stderr)
        self.run_ok("key", "trust", "admin.pub", "a", "--topic-keys", "boiler")
        self.run_ok("key", "trust", "other/admin.pub", "b", "--topic-keys", "boiler")
        self.assertEqual(self.run_ok("key", "trust", "list", "--topic-keys", "boiler").count("admin "), 2)
        self.assertEqual(self.pub("b", "x", "-q", "1").returncode, 0)
        keys = [json.loads(line)["filter"] for line in self.run_ok("key", "list", "--json", "--topic-keys", "boiler").splitlines()]
        self.assertEqual(sorted(keys), ["a", "b"])
        # Junk on the very topics.
        folders = sorted({topic.rsplit("/", 2)[0] for topic in self.key_topics() - of_others})
        self.assertEqual(len(folders), 2)
        for i in range(30):
            topic = folders[i % 2] + f"/{i:016x}/readers"
            self.addCleanup(subprocess.run, ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-t", topic, "-r", "-n"])
            subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-t", topic, "-r", "-m", "junk"], check=True,
                           timeout=PATIENCE)
        result = self.pub("a", "x", "-q", "1")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn("ignored: topic keys that admin has not signed", result.stderr)

    def test_an_administrator_is_untrusted_and_deals_no_more(self):
        self.share("a")
        self.assertEqual(self.pub("a", "x", "-q", "1").returncode, 0)
        (self.folder / "admin.pub").rename(self.folder / "gone")
        self.run_ok("key", "untrust", "admin", "--topic-keys", "boiler")
        self.assertEqual(self.run_ok("key", "trust", "list", "--topic-keys", "boiler"), "")
        self.assertEqual(self.run_ok("key", "list", "--topic-keys", "boiler"), "")
        self.assertEqual(self.pub("a", "x", "-q", "1").returncode, 1)
        self.assertEqual(self.run_any("key", "untrust", "admin", "--topic-keys", "boiler").returncode, 1)

    def test_a_delegate_shares_keys_in_its_owners_place(self):
        self.run_ok("identity", "new", "shift")
        self.run_ok("key", "new", "plant/7/temp", "--key", "shift.key", "--topic-keys", "shift")
        self.run_ok("key", "share", "plant/7/temp", "--to", "boiler.pub", "--key", "shift.key", "--topic-keys", "shift", "-h", "127.0.0.1", "-p",
                    str(self.port))
        self.run_ok("key", "trust", "admin.pub", "plant/#", "--topic-keys", "boiler")
        self.run_ok("key", "trust", "shift.pub", "--delegated", "--topic-keys", "boiler")
        result = self.pub("plant/7/temp", "x", "-q", "1")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("policy: shift may not share keys for plant/7/temp", result.stderr)
        self.administer("delegate", "plant/7/#", "shift.pub")
        def is_known():  # what says so may come behind the keys, which are then taken at the next connection
            return self.pub("plant/7/temp", "x", "-q", "1").returncode == 0
        self.assertTrue(wait_until(is_known))
        self.administer("delegate", "plant/7/#", "shift.pub", "--end")
        self.assertTrue(wait_until(lambda: not is_known()))

    def test_an_archive_is_opened_elsewhere_with_its_older_keys(self):
        self.run_ok("key", "new", "a", "--key", "boiler.key", "--topic-keys", "boiler")
        (self.folder / "reading").write_text("21.5")
        self.run_ok("key", "seal", "reading", "-t", "a", "--key", "boiler.key", "--topic-keys", "boiler", "-o", "before")
        self.run_ok("key", "rotate", "a", "--key", "boiler.key", "--topic-keys", "boiler")
        self.run_ok("key", "export", "a", "-o", "key.json", "--topic-keys", "boiler")
        exported = json.loads((self.folder / "key.json").read_text())
        self.assertEqual([key["state"] for key in exported["keys"]], ["active", "decrypt-only"])
        opener = HERE.parents[1] / "examples" / "open_payload.py"
        result = subprocess.run(["/usr/bin/python3", opener, "before", "key.json", "a"], cwd=self.folder, capture_output=True, text=True,
                                timeout=PATIENCE)
        self.assertEqual(result.stdout, "21.5\n", result.stderr)

    def test_a_pair_is_for_many_who_write_and_few_who_read(self):
        self.run_ok("key", "new", "a", "--kind", "pair", "--key", "admin.key", "--topic-keys", "admin")
        self.administer("share", "a", "--to", "boiler.pub", "--write-only")
        self.administer("share", "a", "--to", "control.pub")
        for member in "boiler", "control":
            self.run_ok("key", "trust", "admin.pub", "--topic-keys", member)
        self.assertEqual(self.pub("a", "for who reads", "-q", "1", "-r").returncode, 0)
        reader = self.sub("control", "-t", "a", "-q", "1", "-F", "%f %p")
        self.expect(reader, "boiler for who reads")
        writer = self.sub("boiler", "-t", "a", "-q", "1", "-F", "%p")
        self.assertTrue(writer.err.wait_for(lambda got: any("decrypt: " in line for line in got)), writer.err.all())

    def test_files_are_for_their_owner(self):
        self.share("a")
        for path in (self.folder / "admin").iterdir():
            if path.name not in ("administrators", "delegations"):
                self.assertEqual(path.stat().st_mode & 0o077, 0, path)
        key = next((self.folder / "admin").glob("*.topic-key"))
        key.chmod(0o644)
        result = self.run_any("key", "list", "--topic-keys", "admin")
        self.assertEqual(result.returncode, 1)
        self.assertIn("chmod 600", result.stderr)

    # -- a broker that cannot read

    def test_our_broker_demands_what_it_can_see(self):
        self.port = self.ours.port
        for topic, options in (("strict/weak", []), ("strict/good", ["--cipher", "a256gcm"]),
                               ("strict/signed/hidden", ["--cipher", "a256gcm"]),
                               ("strict/signed/seen", ["--cipher", "a256gcm", "--form", "outside"])):
            self.run_ok("key", "new", topic, "--key", "boiler.key", "--topic-keys", "boiler", *options)
        self.assertEqual(self.pub("strict/good", "x", "-q", "1").returncode, 0)
        self.assertEqual(self.pub("strict/signed/seen", "x", "-q", "1").returncode, 0)
        for topic in "strict/weak", "strict/signed/hidden":
            self.assertEqual(self.pub(topic, "x", "-q", "1").returncode, 3, topic)
        # Nothing unprotected, and nothing that only begins like a container.
        for payload in b"21.5", bytes.fromhex("d08343a10101a041ff"), b"\xd0":
            result = subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-V", "5", "-t", "strict/good", "-q", "1", "-s"],
                                    input=payload, capture_output=True, timeout=PATIENCE)
            self.assertIn(b"failed", result.stderr + result.stdout, payload)

    # -- a broker that opens them

    def test_paho_reads_over_tls_what_our_broker_has_opened(self):
        subprocess.run([MAKE_CERTIFICATES, self.folder], check=True, timeout=60)
        self.run_ok("key", "new", "plant/+/temp", "--key", "boiler.key", "--topic-keys", "admin")
        with Broker(configuration=OPENING.format(folder=self.folder), own_listeners=True) as broker:
            self.run_ok("identity", "enroll", "boiler.pub", "--publish", "plant/#", "--data", broker.data)
            message = ("pub", "-h", "127.0.0.1", "-p", str(broker.ports[0]), "--scheme", "payload-hop", "--key", "boiler.key",
                       "--topic-keys", "admin", "-t", "plant/7/temp", "-m", "21.5", "-q", "1", "-r")
            self.run_ok(*message)
            for with_tls in False, True:
                got = queue.Queue()
                client = paho.Client(client_id=f"paho-{with_tls}", protocol=paho.MQTTv5)
                if with_tls:
                    client.tls_set(str(self.folder / "ca.pem"), tls_version=ssl.PROTOCOL_TLS_CLIENT)
                client.on_message = lambda _client, _data, message: got.put((message.topic, message.payload))
                client.on_connect = lambda its, *_: its.subscribe([("plant/#", 1), ("open/#", 1)])
                client.on_subscribe = lambda its, *_: its.publish("open/end", b"", 1)
                client.connect("localhost", broker.ports[with_tls])
                client.loop_start()
                if with_tls:
                    self.assertEqual(got.get(timeout=PATIENCE), ("plant/7/temp", b"21.5"))
                self.assertEqual(got.get(timeout=PATIENCE), ("open/end", b""))
                client.disconnect()
                client.loop_stop()

    # -- other people's libraries

    def test_npms_cose_library_in_both_directions(self):
        require("node")
        result = subprocess.run(["node", HERE / "payload_cose.mjs", SEALMQ, self.folder], cwd=HERE, capture_output=True, text=True,
                                timeout=240)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertTrue(result.stdout.endswith("done\n"), result.stdout)
        sys.stdout.write(result.stdout)

    def test_the_opener_in_the_documents_opens_a_captured_payload(self):
        self.run_ok("key", "new", "plant/+/temp", "--key", "boiler.key", "--topic-keys", "boiler")
        self.run_ok("key", "export", "plant/+/temp", "-o", "key.json", "--topic-keys", "boiler")
        capture = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.port), "-t", "plant/7/temp", "-C", "1", "-N"],
                                   stdout=subprocess.PIPE)
        self.mosquitto.wait_for_subscriptions("plant/7/temp", 1)
        self.assertEqual(self.pub("plant/7/temp", "21.5", "-q", "1").returncode, 0)
        (self.folder / "captured").write_bytes(capture.communicate(timeout=PATIENCE)[0])
        opener = HERE.parents[1] / "examples" / "open_payload.py"
        def opened(topic):
            return subprocess.run(["/usr/bin/python3", opener, "captured", "key.json", topic], cwd=self.folder, capture_output=True, text=True,
                                  timeout=PATIENCE)
        self.assertTrue(opened("plant/8/temp").stderr.endswith("cryptography.exceptions.InvalidTag\n"))
        result = opened("plant/7/temp")
        self.assertEqual(result.stdout, "21.5\n", result.stderr)
        self.assertEqual(self.run_ok("key", "open", "captured", "-t", "plant/7/temp", "--topic-keys", "boiler"), "21.5")
        documented = (HERE.parents[1] / "docs" / "payload.md").read_text()
        self.assertIn(opener.read_text(), documented)

    def test_paho_cpp_with_five_lines_more(self):
        self.run_ok("key", "new", "plant/+/temp", "--key", "boiler.key", "--topic-keys", "boiler")
        result = subprocess.run([os.path.join(EXAMPLES, "sealed_paho"), f"tcp://127.0.0.1:{self.port}", "boiler.key", "boiler", "plant/7/temp"],
                                cwd=self.folder, capture_output=True, text=True, timeout=2 * PATIENCE)
        self.assertEqual(result.stdout, "boiler: 21.5\nboiler: 21.6\nboiler: 21.7\n", result.stderr)

    # -- as published

    def test_the_paper_profile_with_openssls_keys(self):
        subprocess.run("openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out author.pem && openssl pkey -in author.pem -pubout"
                       " -out authors.pem && openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out topic.pem && openssl pkey"
                       " -in topic.pem -pubout -out topic.pub.pem && chmod 600 *.pem", shell=True, check=True, cwd=self.folder,
                       capture_output=True)
        paper = "-h", "127.0.0.1", "-p", str(self.port), "--scheme", "payload@paper"
        reader = subprocess.Popen([SEALMQ, "sub", *paper, "-t", "paper", "-q", "1", "--scheme-option", "payload.topic-private-key=@topic.pem",
                                   "--scheme-option", "payload.stamp-keys=@authors.pem"], cwd=self.folder, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        reader.out, reader.err = Lines(reader.stdout), Lines(reader.stderr)
        self.addCleanup(self.end, reader)
        def arrives():
            self.run_ok("pub", *paper, "-t", "paper", "-m", "as published", "-q", "1", "--scheme-option",
                        "payload.topic-public-key=@topic.pub.pem", "--scheme-option", "payload.stamp-key=@author.pem")
            return reader.out.wait_for(lambda got: "as published" in got, 1)
        self.assertTrue(wait_until(arrives), reader.err.all())


if __name__ == "__main__":
    unittest.main()
