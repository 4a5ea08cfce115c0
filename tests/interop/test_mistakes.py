"""Mistakes that people make, each with what it is told: the cause, what to do next, and an exit code for scripts."""
import os
import pathlib
import subprocess
import tempfile
import unittest

from servers import PATIENCE, SEALMQ, Broker
from transports import Transports

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"


class Mistakes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sealmq-mistakes-")
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)

    def start(self, broker):
        self.addCleanup(broker.stop)
        return broker

    def sealmq(self, *words, stdin="", **variables):
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SEALMQ_")}
        done = subprocess.run([SEALMQ, *words], cwd=self.home, env={**inherited, **variables}, input=stdin, capture_output=True,
                              text=True, timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr

    def good(self, *words, **keywords):
        code, out, said = self.sealmq(*words, **keywords)
        self.assertEqual(code, 0, said)
        return out

    def expect(self, exit_code, *told, words):
        code, _, said = self.sealmq(*words)
        self.assertEqual(code, exit_code, said)
        for text in told:
            self.assertIn(text, said)
        return said

    def test_a_signed_message_that_is_refused_hints_at_the_clock_first(self):
        broker = self.start(Broker())
        self.good("identity", "new", "stranger")
        said = self.expect(3, "the broker refused the message: Not authorized", words=[
            "pub", "-p", str(broker.port), "-t", "a", "-m", "1", "-q", "1", "--scheme", "sl1", "--key", "stranger.key",
            "--broker-key", f"{broker.data}/broker.pub"])
        hint = said[said.index("hint:"):]
        self.assertLess(hint.index("clock"), hint.index("identity list"))
        self.assertLess(hint.index("identity list"), hint.index("--broker-key"))

    def test_what_no_broker_can_verify_needs_a_row(self):
        """Clock and broker.pub have nothing to do with it."""
        broker = self.start(Broker())
        for name in ("dev", "peer", "admin"):
            self.good("identity", "new", name)
        self.good("identity", "enroll", "dev.pub", "--publish", "#", "--subscribe", "#", "--data", broker.data)
        to_broker = ["-p", str(broker.port)]
        dev = [*to_broker, "--key", "dev.key", "-t", "a"]
        for scheme in ("payload", "pmqtt"):
            for words in (["pub", "-m", "1", "-q", "1", "--to", "peer.pub"], ["sub", "-W", "5", "--from", "peer.pub"]):
                said = self.expect(3, f"hint: does a [[topic]] row of the broker's configuration take {scheme} there?",
                                   words=[*words, "--scheme", scheme, *dev])
                self.assertNotIn("clock", said)
        self.good("key", "new", "a", "--key", "admin.key")
        said = self.expect(3, "the key is changed here, and not yet sent to its members",
                           "hint: a [[topic]] row of the broker for 'sealmq-keys/#' has to take payload; then sealmq key share 'a' sends it",
                           words=["key", "share", "a", "--to", "dev.pub", "--key", "admin.key", *to_broker])
        self.assertIn("(not sent)", self.good("key", "list"))

    def test_a_login_by_a_scheme_that_is_refused(self):
        broker = self.start(Broker())
        for name in ("dev", "peer"):
            self.good("identity", "new", name)
        said = self.expect(3, "hint: is the name on the broker's list, with these keys?", words=[
            "sub", "-p", str(broker.port), "--scheme", "pmqtt", "-u", "dev", "--key", "dev.key", "--broker-key",
            f"{broker.data}/broker.pub", "--from", "peer.pub", "-t", "a", "-W", "5"])
        self.assertNotIn("sealmq identity password", said)

    def test_a_hint_stands_without_the_name_of_the_program(self):
        self.good("identity", "new", "admin")
        self.good("identity", "new", "dev")
        self.good("key", "new", "a", "--key", "admin.key")
        broker = self.start(Broker("--allow-plain"))
        code, _, said = self.sealmq("key", "share", "a", "--to", "dev.pub", "--key", "admin.key", "-p", str(broker.port))
        self.assertEqual((code, said), (0, "hint: on every member's machine, once: sealmq key trust admin.pub\n"))

    def test_ports_with_and_without_tls(self):
        broker = self.start(Transports())
        plain, tls = str(broker.port_of["tcp"]), str(broker.port_of["tls"])
        ca = ["--cafile", broker.file("ca.pem")]
        one = ["-t", "a", "-m", "1"]
        self.expect(2, "hint: is this a TLS port? --cafile FILE", words=["pub", "-p", tls, *one])
        self.expect(2, "hint: does this port speak TLS?", words=["pub", "-p", plain, *ca, *one])
        said = self.expect(4, "hint: the certificate is for another name", words=["pub", "-h", "127.1", "-p", tls, *ca, *one])
        self.assertNotIn("--cafile FILE", said)
        self.expect(4, "hint: --cafile FILE names who signed", words=["pub", "-L", f"mqtts://localhost:{tls}", *one])

    def test_nobody_listens(self):
        here = self.expect(2, "hint: is a broker running there? sealmq broker starts one", words=["pub", "-p", "1", "-t", "a", "-m", "1"])
        self.assertNotIn("TLS", here)

    def test_a_wrong_password(self):
        broker = self.start(Broker("--allow-plain"))
        self.good("identity", "new", "desk")
        self.good("identity", "enroll", "desk.pub", "--publish", "#", "--data", broker.data)
        self.good("identity", "password", "desk", "--data", broker.data, stdin="right one\n")
        words = ["pub", "-p", str(broker.port), "-t", "a", "-m", "1", "-u", "desk"]
        code, _, said = self.sealmq(*words, SEALMQ_PASSWORD="wrong one")
        self.assertEqual(code, 3, said)
        self.assertIn("hint: is the password right? sealmq identity password NAME", said)
        self.assertNotIn("--allow-plain", said)

    def test_a_listener_that_wants_a_login(self):
        broker = self.start(Broker(configuration='[[listener]]\nurl = "mqtt://127.0.0.1:0"\nanonymous = false\n', own_listeners=True))
        self.expect(3, "hint: this listener wants a login: -u NAME --password-file FILE", words=[
            "pub", "-p", str(broker.port), "-t", "a", "-m", "1"])
        self.assertTrue(broker.log.wait_for(
            lambda lines: any("anonymous client refused: this listener wants a login" in line for line in lines)))

    def test_messages_that_cannot_be(self):
        broker = self.start(Broker("--allow-plain"))
        pub = ["pub", "-p", str(broker.port)]
        self.expect(1, "not a topic name: plant/#; + and # stand for other levels in subscriptions only",
                    words=[*pub, "-t", "plant/#", "-m", "1"])
        self.expect(1, "nothing came on standard input", "hint: -n sends an empty message", words=[*pub, "-t", "a", "-s"])
        self.good(*pub, "-t", "a", "-s", "-r")  # which takes away what is retained
        self.good(*pub, "-t", "a", "-n")
        self.expect(1, "a message comes from one place\nhint: one of -m, -f", words=[*pub, "-t", "a", "-m", "1", "-n"])
        self.expect(2, "cannot read missing: No such file or directory", words=[*pub, "-t", "a", "-f", "missing"])
        self.expect(2, f"{self.home} is a folder", words=[*pub, "-t", "a", "-f", str(self.home)])

    def test_what_would_be_left_out_in_silence(self):
        """Refused before anything is sent: the broker's port is not even connected to."""
        pub, sub = ["pub", "-p", "1", "-t", "a", "-m", "1"], ["sub", "-p", "1", "-t", "a"]
        for version in "311", "31":
            old = ["-V", version]
            for words in ([*pub, "--user-property", "a=b"], [*pub, "-D", "publish", "content-type", "text"],
                          [*pub, "-D", "connect", "receive-maximum", "5"], [*sub, "-D", "subscribe", "subscription-identifier", "1"],
                          [*pub, "--will-topic", "w", "-D", "will", "will-delay-interval", "5"], [*sub, "--retain-as-published"],
                          [*sub, "--retain-handling", "never"]):
                self.expect(1, "MQTT 3 has no ", "hint: -V 5", words=[*words, *old])
            for words in pub, sub:
                self.expect(1, "-x is of MQTT 5", words=[*words, *old, "-i", "kept", "-c", "-x", "60"])
        for option in ("--will-payload", "gone"), ("--will-qos", "0"), ("--will-retain",):
            for words in pub, sub:
                self.expect(1, f"{option[0]} requires --will-topic", words=[*words, *option])
        self.expect(1, "--stdin-line excludes --repeat", words=["pub", "-p", "1", "-t", "a", "-l", "--repeat", "2"])
        self.expect(1, "--repeat-delay requires --repeat", words=["pub", "-p", "1", "-t", "a", "-l", "--repeat-delay", "2"])
        self.expect(1, "0 is not a number of 1 to", words=[*pub, "--repeat", "0"])
        self.expect(1, "--lasts excludes --end", words=["key", "delegate", "a", "dev.pub", "--end", "--lasts", "1d"])
        for words in (["key", "new", "a", "--key", "dev.key", "--lasts"], ["key", "rotate", "a", "--key", "dev.key", "--lasts"],
                      ["key", "delegate", "a", "dev.pub", "--key", "dev.key", "--lasts"], ["identity", "ticket", "dev", "--expires"]):
            for wrong in "30", "0d", "1w", "d", "99999999999999999999s", "40000d":
                self.expect(1, f"{wrong} is not a time such as 30m, 12h or 7d, ", words=[*words, wrong])

    def test_protection_that_would_not_be(self):
        broker = self.start(Broker("--allow-plain"))
        for name in ("dev", "peer"):
            self.good("identity", "new", name)
        pub, sub = (["pub", "-p", str(broker.port), "-t", "a", "-m", "1", "-q", "1"], ["sub", "-p", str(broker.port), "-t", "a", "-W", "0.1"])
        pinned = ["--broker-key", f"{broker.data}/broker.pub"]
        for words, told in (
                ([*pub, "--key", "dev.key"], "--key needs --scheme: without it every message goes in clear"),
                ([*pub, *pinned], "--broker-key needs --scheme"),
                ([*pub, "--to", "peer.pub", "--key", "dev.key"], "--key and --to need --scheme"),
                ([*pub, "--topic-keys", "keys"], "--topic-keys needs --scheme"),
                ([*pub, "--scheme", "plain", "--key", "dev.key"], "--key needs --scheme"),
                ([*sub, "--from", "peer.pub"], "--from needs --scheme"),
                ([*sub, "--evidence", "kept"], "--evidence needs --scheme"),
                ([*pub, "--scheme", "sl1", "--key", "dev.key", *pinned, "--to", "peer.pub"],
                 "sl1 does not encrypt for anybody; pmqtt, smqtt and payload do"),
                ([*pub, "--scheme", "sl3", "--key", "dev.key", *pinned, "--to", "peer.pub"], "sl3 does not encrypt for anybody"),
                ([*pub, "--scheme", "sl1", "--key", "dev.key", *pinned, "--topic-keys", "keys"], "sl1 has no keys of topics"),
                ([*pub, "--scheme", "payload", "--key", "dev.key", *pinned], "payload checks nothing of the broker"),
                ([*sub, "--scheme", "payload", "--key", "dev.key", "--evidence", "kept"], "payload leaves no evidence"),
                (["bench", f"mqtt://127.0.0.1:{broker.port}", "--key", "dev.key"], "of use with a login only"),
                (["authority", "serve", "-p", str(broker.port), "--key", "dev.key"], "this command has no use for --key"),
        ):
            self.expect(1, told, words=words)
            self.assertFalse((self.home / "keys").exists())
        # Ambient, and not asked for here.
        code, _, said = self.sealmq(*pub, SEALMQ_TOPIC_KEYS="keys")
        self.assertEqual(code, 0, said)

    def test_orders_that_nobody_has_carried_out(self):
        self.good("identity", "new", "dev")
        self.good("authority", "new")
        code, out, said = self.sealmq("authority", "revoke", "dev.pub", "--reason", "stolen")
        self.assertEqual(code, 2, said)
        self.assertIn("order 1: revoke dev", out)
        self.assertIn("order 1 is written and not sent\nhint: sealmq authority serve", said)
        code, _, said = self.sealmq("authority", "restore", "dev.pub")
        self.assertEqual(code, 2, said)
        self.assertIn("order 2 is written and not sent", said)

    def test_a_broker_with_a_token_refuses_before_it_makes_keys(self):
        said = self.expect(1, "no token is fast enough", words=["broker", "-p", "0", "--data", "data", "--keystore",
                                                                 f"pkcs11:token=none?module-path={SOFTHSM}"])
        self.assertIn("hint: let the rows [[topic]]", said)
        self.assertFalse((self.home / "data/broker.key").exists())

    def test_a_card_stays_as_it_was_when_the_broker_has_no_key_for_it(self):
        broker = self.start(Broker())
        self.expect(1, "holds no RSA key; the card is as it was", words=["card", "init", "boiler07", "--broker-key", f"{broker.data}/broker.pub"])
        self.assertFalse((self.home / "boiler07.key").exists())

    def test_what_is_allowed_takes_nothing_away(self):
        self.good("identity", "new", "op")
        code, _, said = self.sealmq("identity", "enroll", "op.pub", "--publish", "#")
        self.assertEqual(code, 0, said)
        self.assertIn("made ./sealmq-data, a new broker's data folder", said)
        self.good("identity", "allow", "op", "--scheme", "plain")
        self.assertIn('"schemes":[]', self.good("identity", "list", "--json"))
        self.good("identity", "allow", "op", "--scheme", "sl1@paper")
        schemes = self.good("identity", "list", "--json")
        for name in ("sl1", "sl3", "payload", "plain", "sl1@paper"):
            self.assertIn(f'"{name}"', schemes)
        self.good("identity", "deny", "op", "--scheme", "plain")
        self.assertNotIn('"plain"', self.good("identity", "list", "--json"))

    def test_an_author_who_is_not_pinned_is_found_in_the_list(self):
        broker = self.start(Broker())
        self.good("identity", "new", "dev")
        self.good("identity", "enroll", "dev.pub", "--publish", "#", "--subscribe", "#", "--data", broker.data)
        signed = ["-p", str(broker.port), "-t", "a", "--scheme", "sl1", "--key", "dev.key", "--broker-key", f"{broker.data}/broker.pub"]
        self.good("pub", *signed, "-m", "1", "-q", "1", "-r")
        author = self.good("sub", *signed, "-C", "1", "-W", "10", "-F", "%f").strip()
        self.assertRegex(author, "^id:[0-9a-f]{16}$")
        self.assertRegex(self.good("identity", "list", "--data", broker.data), rf"dev .* {author}")
        self.assertIn(author, self.good("identity", "show", "dev.pub"))

    def test_a_key_of_tls_that_everybody_can_read(self):
        broker = self.start(Transports())
        key = broker.file("client.key")
        os.chmod(key, 0o644)
        self.home.joinpath("sealmq.toml").write_text(
            f'[[listener]]\nurl = "mqtts://127.0.0.1:0"\ncert = "{broker.file("client.pem")}"\nkey = "{key}"\n')
        said = self.expect(2, f"everybody on this machine can read {key}\nhint: chmod o= {key}", words=["broker", "-c", "sealmq.toml"])
        self.assertNotIn("another port", said)


if __name__ == "__main__":
    unittest.main()
