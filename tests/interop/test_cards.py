"""Smart cards through pcscd, and tokens of SoftHSM2: the whole way, from making the keys to a message that arrives.

To be run by ../support/with_card_reader.py, which gives it a reader of its own.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from servers import PATIENCE, SEALMQ, Broker, Lines, require, wait_until

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "271828"
ROWS = "[[topic]]\nfilter = '#'\npublish = ['%s']\nsubscribe = ['%s']\n"
ADMIN = "[admin]\nurl = 'http://127.0.0.1:0'\n"


def run(*arguments, folder, exits=0, **environment):
    """What it printed: standard output, standard error."""
    clean = {name: value for name, value in os.environ.items() if name not in ("SEALMQ_PIN", "SEALMQ_NEW_PIN")}
    done = subprocess.run([SEALMQ, *arguments], cwd=folder, env=clean | environment, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, start_new_session=True)  # without a terminal there is nobody to ask
    if done.returncode != exits:
        raise AssertionError(f"{arguments} ended with {done.returncode}, not {exits}:\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def read(path):
    with open(path) as file:
        return file.read()


class Card:
    """A simulated card in the first slot of the virtual reader."""

    def __init__(self, folder):
        self._folder = folder
        self.insert()

    def insert(self):
        self._process = subprocess.Popen([SEALMQ, "card", "simulate", "--folder", os.path.join(self._folder, "card")],
                                         stderr=subprocess.PIPE, text=True)
        said = Lines(self._process.stderr)
        if not said.wait_for(lambda lines: "the card is in the reader" in lines):
            raise AssertionError(f"no card: {said.all()}")
        if not wait_until(lambda: card_in_reader(self._folder)):
            raise AssertionError("pcscd does not see the card")

    def pull_out(self):
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(PATIENCE)
        self._process.stderr.close()
        if status != 0:
            raise AssertionError(f"the card ended with {status}")
        wait_until(lambda: not card_in_reader(self._folder))


def card_in_reader(folder):
    lines = run("card", "info", "--json", folder=folder)[0].splitlines()
    return any(json.loads(line)["card"] for line in lines)


class Subscriber:
    def __init__(self, folder, *options):
        self._process = subprocess.Popen([SEALMQ, "sub", *options], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         text=True)
        self.out, self.err = Lines(self._process.stdout), Lines(self._process.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._process.stdout.close()
        self._process.stderr.close()


class WithFolder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sealmq-cards-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_it(self, *arguments, **options):
        return run(*arguments, folder=self.folder, **options)

    def broker(self, scheme, *options, configuration="", **named):
        if scheme.endswith("@paper"):  # nothing protects the connection after such a login
            configuration += "[[listener]]\nurl = 'mqtt://127.0.0.1:0'\ninsecure_channel = true\n"
            named["own_listeners"] = True
        broker = Broker(*options, configuration=ADMIN + configuration + ROWS % (scheme, scheme), **named)
        self.addCleanup(broker.stop)
        return broker

    def enroll(self, broker, name, *options):
        return self.run_it("identity", "enroll", f"{name}.pub", "--publish", "#", "--subscribe", "#", "--data", broker.data, *options)

    def connection(self, broker, key, scheme):
        return ["-p", str(broker.port), "--scheme", scheme, "--key", key, "--broker-key", os.path.join(broker.data, "broker.pub")]

    def message_arrives(self, broker, key, scheme, text, reader="reader07.key", pub_options=(), **environment):
        """From who has `key` to somebody with a key in a file."""
        with Subscriber(self.folder, *self.connection(broker, reader, scheme), "-t", "plant/#", "-q", "2", "-d", "-F", "%t %p") as subscriber:
            self.assertTrue(subscriber.err.wait_for(lambda lines: "sealmq: subscribed to plant/#" in lines), subscriber.err.all())
            self.run_it("pub", *self.connection(broker, key, scheme), "-t", "plant/x", "-m", text, "-q", "2", *pub_options, **environment)
            self.assertTrue(subscriber.out.wait_for(lambda lines: lines), subscriber.err.all())
            return subscriber.out.all()[0]


class SmartCards(WithFolder):
    def setUp(self):
        super().setUp()
        self.card = Card(self.folder)
        self.addCleanup(self.card.pull_out)

    def parties(self, scheme, *init, **environment):
        broker = self.broker(scheme)
        self.run_it("card", "init", "boiler07", *init, **environment)
        self.run_it("identity", "new", "reader07", "--rsa", "2048")
        for name in ("boiler07", "reader07"):
            self.enroll(broker, name, "--scheme", scheme)
        return broker

    def test_a_card_says_what_it_holds(self):
        self.run_it("card", "init", "boiler07")
        out, _ = self.run_it("card", "info")
        self.assertIn("uid          boiler07", out)
        self.assertRegex(out, r"rsa          SHA256:.{43}")
        self.assertIn("pin          none", out)
        shown, _ = self.run_it("identity", "show", "boiler07.key")
        public = read(os.path.join(self.folder, "boiler07.pub")).splitlines()[0]
        self.assertIn(public, shown)
        self.assertIn(public, self.run_it("identity", "show", "pcsc:")[0])
        _, err = self.run_it("identity", "new", "long-name", "--keystore", "pcsc:", exits=1)
        self.assertIn("hint:", err)

    def test_messages_signed_in_by_a_card_arrive(self):
        broker = self.parties("scacauth")
        self.assertEqual(self.message_arrives(broker, "boiler07.key", "scacauth", "21.5"), "plant/x 21.5")
        self.assertEqual(self.message_arrives(broker, "pcsc:", "scacauth", "22.5"), "plant/x 22.5")

    def test_the_published_form_with_a_card_at_one_end(self):
        broker = self.parties("scacauth@paper")
        self.assertEqual(self.message_arrives(broker, "boiler07.key", "scacauth@paper", "21.5"), "plant/x 21.5")

    def test_a_card_that_was_pulled_out_is_missed_and_works_again(self):
        broker = self.parties("scacauth")
        self.card.pull_out()
        _, err = self.run_it("pub", *self.connection(broker, "boiler07.key", "scacauth"), "-t", "plant/x", "-m", "1", exits=2)
        self.assertIn("there is no card in the reader", err)
        self.card.insert()
        self.assertEqual(self.message_arrives(broker, "boiler07.key", "scacauth", "21.5"), "plant/x 21.5")

    def test_two_programs_take_turns_at_one_card(self):
        broker = self.parties("scacauth")
        both = [subprocess.Popen([SEALMQ, "pub", *self.connection(broker, "boiler07.key", "scacauth"), "-i", "boiler07", "-t", "plant/x",
                                  "-m", "1", "-q", "1"], cwd=self.folder, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        ends = [(process.communicate(timeout=PATIENCE)[1], process.returncode) for process in both]
        # The broker lets one connection of a client take the place of another; neither may fail at the card.
        for err, status in ends:
            self.assertNotIn("card", err)
        self.assertIn(0, [status for _, status in ends], ends)

    def test_a_wrong_pin_never_uses_up_the_last_try(self):
        broker = self.parties("scacauth", "--pin", SEALMQ_NEW_PIN=PIN)
        publish = ["pub", *self.connection(broker, "boiler07.key", "scacauth"), "-t", "plant/x", "-m", "1"]
        _, err = self.run_it(*publish, exits=1)
        self.assertIn("hint:", err)
        _, err = self.run_it(*publish, exits=1, SEALMQ_PIN="000000")
        self.assertIn("2 tries are left", err)
        self.assertEqual(self.message_arrives(broker, "boiler07.key", "scacauth", "21.5", SEALMQ_PIN=PIN), "plant/x 21.5")
        for _ in range(2):
            self.run_it(*publish, exits=1, SEALMQ_PIN="000000")
        for pin in ("000000", "111111"):
            _, err = self.run_it(*publish, exits=1, SEALMQ_PIN=pin)
            self.assertIn("one try is left", err)
        self.assertIn("1 tries left", self.run_it("card", "info")[0])


class Tokens(WithFolder):
    def setUp(self):
        super().setUp()
        require("softhsm2-util")
        os.mkdir(self.path("tokens"))
        with open(self.path("softhsm2.conf"), "w") as file:
            file.write(f"directories.tokendir = {self.path('tokens')}\nobjectstore.backend = file\n")
        os.environ["SOFTHSM2_CONF"] = self.path("softhsm2.conf")
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "plant", "--so-pin", "314159", "--pin", PIN], check=True,
                       stdout=subprocess.DEVNULL)
        with open(self.path("pin"), "w") as file:
            file.write(PIN + "\n")
        os.chmod(self.path("pin"), 0o600)
        self.uri = f"pkcs11:token=plant?module-path={MODULE}&pin-source=file:{self.path('pin')}"

    def path(self, name):
        return os.path.join(self.folder, name)

    def test_messages_signed_in_by_a_token_arrive(self):
        broker = self.broker("scacauth")
        out, _ = self.run_it("identity", "new", "boiler07", "--keystore", self.uri, "--rsa", "2048")
        self.assertIn("schnorr-p256=- ", out)
        self.run_it("identity", "new", "reader07")
        _, err = self.enroll(broker, "boiler07")
        self.assertIn("hint: scacauth", err)
        self.enroll(broker, "reader07")
        self.assertEqual(self.message_arrives(broker, "boiler07.key", "scacauth", "21.5"), "plant/x 21.5")
        address = self.uri.replace("?", ";object=boiler07?")
        self.assertEqual(self.message_arrives(broker, address, "scacauth", "22.5"), "plant/x 22.5")

    def test_what_a_token_cannot_do_is_told_at_enrolment(self):
        broker = self.broker("scacauth")
        self.run_it("identity", "new", "boiler07", "--keystore", self.uri)
        _, err = self.run_it("identity", "enroll", "boiler07.pub", "--scheme", "sl1", "--data", broker.data, exits=1)
        self.assertIn("Schnorr", err)
        self.assertIn("hint: scacauth", err)

    def test_a_pin_stands_in_no_option(self):
        _, err = self.run_it("identity", "new", "boiler07", "--keystore", f"pkcs11:token=plant?module-path={MODULE}&pin-value={PIN}", exits=1)
        self.assertIn("hint: pin-source", err)

    def readyz(self, broker):
        url = next(line.removeprefix("listening on ") for line in broker.log.all() if line.startswith("listening on http"))
        try:
            with urllib.request.urlopen(url + "/readyz", timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def test_a_broker_whose_token_is_lost_says_so_and_goes_on_when_it_is_back(self):
        broker = self.broker("scacauth", "--keystore", self.uri)
        self.assertIn("keystore pkcs11:", read(os.path.join(broker.data, "broker.key")))
        for name in ("boiler07", "reader07"):
            self.run_it("identity", "new", name)
            self.enroll(broker, name)
        self.assertEqual(self.message_arrives(broker, "boiler07.key", "scacauth", "21.5"), "plant/x 21.5")
        self.assertTrue(wait_until(lambda: self.readyz(broker)[0] == 200), self.readyz(broker))

        os.rename(self.path("tokens"), self.path("away"))
        self.assertTrue(wait_until(lambda: self.readyz(broker)[0] == 503), self.readyz(broker))
        parts = {part["name"]: part for part in self.readyz(broker)[1]["components"]}
        self.assertFalse(parts["broker key"]["ok"])
        self.assertIn("nobody new can log in", parts["broker key"]["text"])
        self.run_it("pub", *self.connection(broker, "boiler07.key", "scacauth"), "-t", "plant/x", "-m", "1", "-q", "1", exits=3)

        os.rename(self.path("away"), self.path("tokens"))
        self.assertTrue(wait_until(lambda: self.readyz(broker)[0] == 200), self.readyz(broker))
        self.assertEqual(self.message_arrives(broker, "boiler07.key", "scacauth", "22.5"), "plant/x 22.5")

    def test_a_broker_with_a_token_refuses_schemes_that_would_wait_for_it(self):
        with open(self.path("sl1.toml"), "w") as file:
            file.write(ROWS % ("sl1", "sl1"))
        _, err = self.run_it("broker", "--data", self.path("data"), "-p", "0", "-c", self.path("sl1.toml"), "--keystore", self.uri, exits=1)
        self.assertRegex(err, re.compile("the broker's keys live in a token, and sl1 .*hint: ", re.DOTALL))
        with open(self.path("scacauth.toml"), "w") as file:
            file.write(ROWS % ("scacauth", "scacauth"))
        _, err = self.run_it("broker", "--data", self.path("other"), "-p", "0", "-c", self.path("scacauth.toml"), "--keystore", "pcsc:", exits=1)
        self.assertIn("not on a card", err)


if __name__ == "__main__":
    unittest.main()
