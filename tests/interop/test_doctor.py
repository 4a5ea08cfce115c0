"""`sealmq doctor` against Debian's mosquitto, our own broker, and nobody."""
import json
import os
import socket
import subprocess
import threading
import unittest

from servers import PATIENCE, SEALMQ, Broker, require
from test_bridge import Mosquitto, free_port
from transports import Transports

require("mosquitto")


def doctor(*arguments):
    done = subprocess.run([SEALMQ, "doctor", *arguments], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def report(*arguments):
    code, said, _ = doctor("--json", *arguments)
    lines = [json.loads(line) for line in said.splitlines()]
    return code, {line["check"]: line["value"] for line in lines if "value" in line}, [line for line in lines if not line["ok"]]


class Doctor(unittest.TestCase):
    @staticmethod
    def group():
        """What both ends agree on with this OpenSSL."""
        version = subprocess.run(["openssl", "version"], check=True, capture_output=True, text=True).stdout.split()[1]
        return "X25519MLKEM768" if tuple(map(int, version.split(".")[:2])) >= (3, 5) else "x25519"

    def test_a_broker_that_is_as_it_should_be(self):
        with Broker() as broker:
            code, facts, findings = report("-h", "127.0.0.1", "-p", str(broker.port), "--data", broker.data,
                                           "--broker-key", os.path.join(broker.data, "broker.pub"))
            self.assertEqual((code, findings), (0, []))
            self.assertEqual((facts["mqtt 5"], facts["mqtt 3.1.1"], facts["mqtt 3.1"]), ("yes", "yes", "yes"))
            self.assertEqual(facts["receive maximum"], "1024")
            self.assertIn("not authorized", facts["anonymous publish"].lower())
            self.assertIn("nothing is wrong", doctor("-h", "127.0.0.1", "-p", str(broker.port))[1])

    def test_an_open_mosquitto(self):
        with Mosquitto() as broker:
            code, facts, findings = report("-h", "127.0.0.1", "-p", str(broker.port))
            self.assertEqual(code, 1)
            self.assertEqual({finding["check"] for finding in findings}, {"anonymous publish", "anonymous subscribe"})
            self.assertTrue(all(finding["next"] for finding in findings))
            self.assertEqual((facts["anonymous round trip"], facts["retained round trip"]), ("yes", "yes"))

    def test_a_mosquitto_that_asks_for_a_password(self):
        with Mosquitto("allow_anonymous false\n") as broker:
            code, facts, findings = report("-h", "127.0.0.1", "-p", str(broker.port))
            self.assertEqual((code, findings), (0, []))
            self.assertTrue(facts["mqtt 5"].startswith("yes, but login: "), facts)

    def test_nobody_is_there(self):
        code, _, said = doctor("-h", "127.0.0.1", "-p", str(free_port()))
        self.assertEqual(code, 2)
        self.assertIn("cannot connect", said)

    def test_what_is_wrong_with_the_files_is_told_with_the_command_to_type(self):
        with Broker("--allow-plain") as broker, Broker() as another:
            key = os.path.join(broker.data, "broker.key")
            os.chmod(key, 0o644)
            os.chmod(broker.data, 0o755)
            code, _, findings = report("-h", "127.0.0.1", "-p", str(broker.port), "--data", broker.data,
                                       "--broker-key", os.path.join(another.data, "broker.pub"))
            self.assertEqual(code, 1)
            commands = {finding["next"] for finding in findings}
            self.assertIn(f"chmod 600 {key}", commands)
            self.assertIn(f"chmod 700 {broker.data}", commands)
            self.assertTrue(any(command.startswith("cp ") for command in commands))
            done = subprocess.run([SEALMQ, "broker", "--check", "--data", broker.data], capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"chmod 600 {key}", done.stderr)

    def test_a_port_that_others_can_reach(self):
        with Broker("--bind", "0.0.0.0") as broker:
            code, _, findings = report("-h", "127.0.0.1", "-p", str(broker.port))
            self.assertEqual((code, [finding["check"] for finding in findings]), (1, ["encryption"]))

    def test_brokers_behind_tls(self):
        with Transports() as broker:
            trusted = ["--cafile", broker.file("ca.pem")]
            for to in (["-L", broker.url["tls"]], ["-L", broker.url["wss"]], ["-h", "127.0.0.1", "-p", str(broker.port_of["tls"])]):
                code, facts, findings = report(*to, *trusted)
                self.assertEqual((facts["mqtt 5"], facts["encryption"]), ("yes", "TLSv1.3, key exchange by " + self.group()), to)
                self.assertEqual((code, {finding["check"] for finding in findings}), (1, {"anonymous publish", "anonymous subscribe"}))
            self.assertEqual(report("-L", broker.url["ws"])[1]["mqtt 5"], "yes")
            self.assertEqual(report("-L", broker.url["unix"])[1]["encryption"], "a socket of this machine")

    def test_tls_where_it_is_not_expected_and_the_other_way_round(self):
        with Transports() as broker:
            for to, check, said in ((["-L", f"mqtt://127.0.0.1:{broker.port_of['tls']}"], "tls", "this port speaks TLS"),
                                    (["-L", f"mqtts://127.0.0.1:{broker.port_of['tcp']}"], "tls", "this port does not speak TLS"),
                                    (["-L", broker.url["tls"]], "certificate", "certificate verify failed")):
                code, _, findings = report(*to)
                self.assertEqual((code, [finding["check"] for finding in findings]), (1, [check]), to)
                self.assertIn(said, findings[0]["finding"])
                self.assertTrue(findings[0]["next"])

    def test_its_advice_on_anonymous_clients_helps(self):
        rows = "[[topic]]\nfilter = '#'\npublish = ['plain']\nsubscribe = ['plain']\n"
        listener = "[[listener]]\nurl = 'mqtt://127.0.0.1:0'\n"
        with Broker(configuration=listener + rows, own_listeners=True) as broker:
            code, _, findings = report("-h", "127.0.0.1", "-p", str(broker.port))
            self.assertEqual(code, 1)
            self.assertTrue(all("anonymous = false" in finding["next"] for finding in findings), findings)
        with Broker(configuration=listener + "anonymous = false\n" + rows, own_listeners=True) as broker:
            self.assertEqual(report("-h", "127.0.0.1", "-p", str(broker.port))[::2], (0, []))

    def test_a_peer_that_is_no_broker(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE)

            def answer():
                for _ in range(3):
                    peer = listener.accept()[0]
                    peer.recv(100)
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    peer.close()
            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            code, _, findings = report("-h", "127.0.0.1", "-p", str(listener.getsockname()[1]))
            thread.join(PATIENCE)
            self.assertEqual((code, [finding["check"] for finding in findings]), (1, ["versions"]))


if __name__ == "__main__":
    unittest.main()
