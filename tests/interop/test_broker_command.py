"""`sealmq broker` as an operator meets it: signals, configuration, exit codes."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import packets
from packets import DISCONNECT, PUBACK, SUBACK, logged_in
from servers import PATIENCE, SEALMQ, Broker

SERVER_SHUTTING_DOWN = 0x8B
NOT_AUTHORIZED = 0x87


def run(*arguments):
    result = subprocess.run([SEALMQ, "broker", *arguments], timeout=PATIENCE, capture_output=True, text=True)
    return result.returncode, result.stderr


class BrokerCommand(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, content):
        path = os.path.join(self.folder, "sealmq.toml")
        with open(path, "w") as file:
            file.write(content)
        return path

    def test_it_listens_in_both_families(self):
        def listener(host, port):
            return f'[[listener]]\nurl = "mqtt://{host}:{port}"\n'

        def reach(port):
            for host in ("127.0.0.1", "::1"):
                socket.create_connection((host, port), PATIENCE).close()
        with Broker(configuration=listener("localhost", 0), own_listeners=True) as broker:
            self.assertEqual(len(broker.urls), 2, broker.urls)
            reach(max(broker.ports))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        for first, second in (("0.0.0.0", "[::]"), ("[::]", "0.0.0.0")):
            with Broker(configuration=listener(first, port) + listener(second, port), own_listeners=True):
                reach(port)

    def test_at_the_end_every_client_is_told(self):
        broker = Broker("--allow-plain", threads="3")
        clients = [logged_in(broker, f"client-{number}") for number in range(20)]
        broker.stop()
        for client in clients:
            self.assertEqual(client.expect(DISCONNECT)[0], SERVER_SHUTTING_DOWN)
            self.assertTrue(client.ends())
            client.close()

    def test_a_client_that_does_not_listen_cannot_keep_it_from_ending(self):
        broker = Broker("--allow-plain")
        with logged_in(broker, "deaf") as deaf, logged_in(broker, "loud") as loud:
            deaf.send(packets.subscribe("a"))
            deaf.expect(SUBACK)
            for number in range(1, 200):
                loud.send(packets.publish("a", bytes(50_000), number))
                loud.expect(PUBACK)
            begin = time.monotonic()
            broker.stop()
            self.assertLess(time.monotonic() - begin, 10, "packaging/systemd gives it 15 s")

    def test_a_port_that_is_taken_is_told_with_a_hint(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            code, said = run("-p", str(port), "--data", self.folder)
        self.assertEqual(code, 2)
        self.assertIn(f"cannot listen on 127.0.0.1:{port}", said)
        self.assertIn("hint: -p", said)

    def test_two_brokers_cannot_share_a_data_folder(self):
        with Broker() as broker:
            code, said = run("-p", "0", "--data", broker.data)
            self.assertEqual(code, 2)
            self.assertNotIn("ready", said)

    def test_check_tells_where_the_configuration_is_wrong_and_makes_nothing(self):
        data = os.path.join(self.folder, "data")
        self.assertEqual(run("--check", "-c", self.file("threads = 2\n"), "--data", data), (0, ""))
        code, said = run("--check", "-c", self.file("threads = 2\n\ncolour = 'red'\n"), "--data", data)
        self.assertEqual(code, 1)
        self.assertIn("sealmq.toml:3:1: unknown key", said)
        self.assertEqual(run("--check", "-c", os.path.join(self.folder, "none.toml"))[0], 2)
        self.assertFalse(os.path.exists(data))

    def test_check_tells_whether_orders_of_the_authority_would_be_carried_out(self):
        authority = os.path.join(self.folder, "authority")
        subprocess.run([SEALMQ, "authority", "new", "--folder", authority], check=True, capture_output=True)
        names_it = f"authority = '{authority}/authority.pub'\n"
        data = os.path.join(self.folder, "data")

        def check(text):
            return run("--check", "-c", self.file(text), "--data", data)
        row = "[[topic]]\nfilter = '#'\npublish = ['{0}']\nsubscribe = ['{0}']\n"
        self.assertEqual(check(names_it + row.format("sl1")), (0, ""), "sl3 is not needed")
        code, said = check(names_it + row.format("payload"))
        self.assertEqual(code, 0)
        self.assertIn("warning: nothing would carry out the orders of the authority", said)
        self.assertEqual(check(f"authority = '{self.folder}/none.pub'\n")[0], 2)
        subprocess.run([SEALMQ, "identity", "new", "boiler-7", "-o", f"{self.folder}/boiler-7.key"], check=True, capture_output=True)
        code, said = check(f"authority = '{self.folder}/boiler-7.pub'\n")
        self.assertEqual(code, 1)
        self.assertIn("is not the public key of an authority", said)

    def test_a_configuration_in_the_data_folder_is_found(self):
        self.file("[[topic]]\nfilter = 'a'\npublish = ['no such scheme']\n")
        self.assertEqual(run("--check", "--data", self.folder)[0], 1)

    def test_hangup_reloads_the_topics_and_says_what_changed(self):
        everything = "[[topic]]\nfilter = '#'\npublish = ['plain']\nsubscribe = ['plain']\n"
        with Broker(configuration=everything) as broker:
            with logged_in(broker, "client") as client:
                def answer_to_publish(number):
                    client.send(packets.publish("a/b", b"x", number))
                    body = client.expect(PUBACK)
                    return body[2] if len(body) > 2 else 0
                self.assertIn(answer_to_publish(1), (0, 0x10))

                def reload(configuration, expected):
                    with open(broker.path("test.toml"), "w") as file:
                        file.write(configuration)
                    os.kill(broker.pid, signal.SIGHUP)
                    self.assertTrue(broker.log.wait_for(lambda lines: any(expected in line for line in lines)), broker.log.all())

                reload("[[topic]]\nfilter = 'c/#'\npublish = ['plain']\n[limits]\nmaximum_retained = 7\n", 'topic "c/#": new')
                self.assertTrue(broker.log.wait_for(lambda lines: any('topic "#": removed' in line for line in lines)))
                self.assertTrue(broker.log.wait_for(lambda lines: any("limits.maximum_retained" in line and "next start" in line for line in lines)))
                self.assertEqual(answer_to_publish(2), NOT_AUTHORIZED)

                reload("nonsense\n", "nothing is reloaded")
                self.assertEqual(answer_to_publish(3), NOT_AUTHORIZED)
                reload(everything, 'topic "#": new')
                self.assertIn(answer_to_publish(4), (0, 0x10))

    def test_signals_of_others_habits_do_not_end_it(self):
        with Broker("--allow-plain") as broker:
            for stray in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
                os.kill(broker.pid, stray)
                with logged_in(broker, "client"):
                    pass

    def test_the_reader_of_its_log_may_go_away(self):
        broker = subprocess.Popen([SEALMQ, "broker", "--allow-plain", "-p", "0", "--data", os.path.join(self.folder, "data")],
                                  stderr=subprocess.PIPE, text=True)
        try:
            port = None
            for line in broker.stderr:
                if line.startswith("listening on "):
                    port = int(line.rsplit(":", 1)[1])
                if line == "ready\n":
                    break
            broker.stderr.close()
            for _ in range(3):  # each is refused, and the log has nowhere to go
                with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as stranger:
                    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    stranger.recv(100)
            self.assertIsNone(broker.poll())
        finally:
            broker.terminate()
            self.assertEqual(broker.wait(PATIENCE), 0)

    def test_a_damaged_store_is_told_with_what_to_do(self):
        broker = Broker("--allow-plain")
        data = os.path.join(self.folder, "data")
        shutil.copytree(broker.data, data, ignore=shutil.ignore_patterns("*.lock"))
        broker.stop()
        with open(os.path.join(data, "sessions.db"), "r+b") as file:
            file.write(b"x" * 4096)
        for name in os.listdir(data):
            if name.startswith("sessions.db-"):
                os.remove(os.path.join(data, name))
        code, said = run("-p", "0", "--data", data)
        self.assertEqual(code, 2)
        self.assertIn("sessions.db", said)
        self.assertIn("damaged", said)
        self.assertIn("hint: put back a copy", said)
        self.assertNotIn("hint: -p", said)

    def test_schemes_for_study_are_warned_about(self):
        with Broker(configuration="[[topic]]\nfilter = 'a'\npublish = ['sl1@paper']\n") as broker:
            self.assertTrue(any("sl1@paper is there for study" in line for line in broker.log.all()), broker.log.all())


if __name__ == "__main__":
    unittest.main()
