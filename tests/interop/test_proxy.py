"""Our client by a SOCKS5 proxy (RFC 1928, RFC 1929) that is written here: names it alone knows, logins, circuits kept apart."""
import os
import select
import socket
import subprocess
import threading
import unittest

from servers import PATIENCE, SEALMQ, Broker, Lines
from transports import Transports

NOWHERE = "broker.invalid"  # no name server knows it [RFC 6761]


class Proxy:
    """Knows NOWHERE as this machine. `seen` is (user, host, port) of each connection; `methods` what clients offered."""

    def __init__(self, login=None, refuses=0):
        self.login, self.refuses, self.seen, self.methods = login, refuses, [], []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def url(self, user=""):
        return f"socks5h://{user}127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client):
        def read(count):
            data = b""
            while len(data) < count:
                data += client.recv(count - len(data)) or exit()
            return data

        with client:
            methods = read(read(2)[1])
            self.methods.append(methods)
            user = None
            if self.login is None and 0 in methods:
                client.sendall(b"\5\0")
            elif 2 in methods:
                client.sendall(b"\5\2")
                user = read(read(2)[1])
                password = read(read(1)[0])
                good = self.login in (None, "any", (user, password))
                client.sendall(b"\1" + (b"\0" if good else b"\1"))
                if not good:
                    return
            else:
                return client.sendall(b"\5\xff")
            kind = read(4)[3]
            host = read(read(1)[0]).decode() if kind == 3 else socket.inet_ntop({1: socket.AF_INET, 4: socket.AF_INET6}[kind], read(4 if kind == 1 else 16))
            port = int.from_bytes(read(2), "big")
            self.seen.append((user, host, port))
            if self.refuses:
                return client.sendall(bytes([5, self.refuses, 0, 1]) + bytes(6))
            with socket.create_connection(("127.0.0.1" if host == NOWHERE else host, port)) as server:
                client.sendall(b"\5\0\0\3\3abc\0\0")
                ends = {client: server, server: client}
                while True:
                    for ready in select.select(list(ends), [], [])[0]:
                        data = ready.recv(65536)
                        if not data:
                            return
                        ends[ready].sendall(data)


class ByProxy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Transports()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def run_command(self, *command, code=0, **keywords):
        done = subprocess.run([SEALMQ, *map(str, command)], timeout=PATIENCE, capture_output=True, text=True, **keywords)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def test_every_transport_by_a_proxy_that_alone_knows_the_name(self):
        with Proxy() as proxy:
            for transport, scheme in (("tcp", "mqtt"), ("ws", "ws")):
                at = ["-L", f"{scheme}://{NOWHERE}:{self.broker.port_of[transport]}" + ("/mqtt" if scheme == "ws" else ""),
                      "--proxy", proxy.url(), "-t", "by/" + transport]
                self.run_command("pub", *at, "-r", "-q", "1", "-m", "hello")
                self.assertEqual(self.run_command("sub", *at, "-C", "1", "-W", "10").stdout, "hello\n")
                self.assertEqual(proxy.seen[-1], (None, NOWHERE, self.broker.port_of[transport]))
            # TLS is from end to end: the certificate is for the broker's name, not for the proxy's.
            tls = ["-h", "localhost", "-p", self.broker.port_of["tls"], "--cafile", self.broker.file("ca.pem"), "-t", "by/tls", "-m", "x"]
            self.run_command("pub", *tls, "--proxy", proxy.url())
            self.assertEqual(proxy.seen[-1], (None, "localhost", self.broker.port_of["tls"]))
            self.run_command("pub", "-L", f"mqtts://{NOWHERE}:{self.broker.port_of['tls']}", *tls[4:], "--proxy", proxy.url(), code=4)
            self.run_command("pub", *tls, env={**os.environ, "SEALMQ_PROXY": proxy.url()})
            self.assertEqual(len(proxy.seen), 7)

    def test_names_are_looked_up_here_where_that_is_asked_for(self):
        with Proxy() as proxy:
            self.run_command("pub", "-h", "localhost", "-p", self.broker.port_of["tcp"], "-t", "a", "-m", "x", "--proxy",
                             proxy.url().replace("socks5h", "socks5"))
            self.assertIn(proxy.seen[-1][1], ("127.0.0.1", "::1"))

    def test_a_login_at_the_proxy(self):
        at = ["pub", "-h", NOWHERE, "-p", self.broker.port_of["tcp"], "-t", "a", "-m", "x", "--proxy"]
        with Proxy(login=(b"me", b"se:cret")) as proxy:
            self.run_command(*at, proxy.url("me:se%3acret@"))
            self.assertEqual(proxy.methods[-1], b"\2")
            self.assertIn("refuses this name and password", self.run_command(*at, proxy.url("me:wrong@"), code=2).stderr)
            self.assertIn("wants a name and a password", self.run_command(*at, proxy.url(), code=2).stderr)

    def test_what_the_proxy_cannot_do_is_told(self):
        at = ["pub", "-h", NOWHERE, "-p", "1883", "-t", "a", "-m", "x", "--proxy"]
        with Proxy(refuses=5) as proxy:
            self.assertIn("connection refused", self.run_command(*at, proxy.url(), code=2).stderr)
            port = proxy.port
        self.run_command(*at, f"socks5h://127.0.0.1:{port}", code=2)  # nobody is there any more
        self.run_command(*at, "http://127.0.0.1", code=1)


class AnonymousByProxy(unittest.TestCase):
    def test_each_anonymous_subscription_has_a_circuit_of_its_own(self):
        broker = Broker(configuration='[[topic]]\nfilter = "#"\npublish = ["sl2"]\nsubscribe = ["sl2"]\n')
        device = broker.path("device.key")
        for words in (["new", "device", "-o", device], ["enroll", broker.path("device.pub"), "--publish", "#", "--data", broker.data]):
            subprocess.run([SEALMQ, "identity", *words], check=True, stdout=subprocess.DEVNULL)
        try:
            with Proxy(login="any") as proxy:
                parties = ["--scheme", "sl2", "--broker-key", os.path.join(broker.data, "broker.pub"), "-p", str(broker.port)]
                reader = subprocess.Popen([SEALMQ, "sub", "-h", NOWHERE, "--proxy", proxy.url(), *parties, "-d", "-C", "2", "-t", "a/#", "-t", "b/#",
                                           "-t", "c", "-W", str(4 * PATIENCE)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                said = Lines(reader.stderr)
                self.assertTrue(said.wait_for(lambda lines: sum("subscribed to" in line for line in lines) == 3, 2 * PATIENCE), said.all())
                for topic in ("a/1", "b/1"):
                    subprocess.run([SEALMQ, "pub", "-h", "127.0.0.1", *parties, "--key", device, "-q", "1", "-t", topic, "-m", topic], check=True,
                                   timeout=PATIENCE)
                self.assertEqual(sorted(reader.stdout.read().splitlines()), ["a/1", "b/1"])
                self.assertEqual(reader.wait(PATIENCE), 0, said.all())
                reader.stdout.close()
                users = [user for user, host, _ in proxy.seen if host == NOWHERE]
                self.assertEqual((len(users), len(set(users))), (3, 3), "no two circuits are the same")
                self.assertEqual(set(proxy.methods), {b"\2"}, "a proxy that would mix them is not taken")
        finally:
            broker.stop()


if __name__ == "__main__":
    unittest.main()
