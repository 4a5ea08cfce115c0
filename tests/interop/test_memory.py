"""What a look into the broker's memory finds: no password after the login, and no core dump. Other programs of the same user cannot
look at all; root can, so the search is root's."""
import os
import resource
import secrets
import signal
import socket
import ssl
import subprocess
import unittest

from servers import PATIENCE, SEALMQ
from test_tls_logins import connect
from transports import Transports


def count(pid, needle):
    """How often it stands in what the process can write to."""
    found = 0
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw") or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            first, end = (int(word, 16) for word in span.split("-"))
            if end - first > 1 << 32:  # a sanitizer's own
                continue
            try:
                memory.seek(first)
                found += memory.read(end - first).count(needle)
            except OSError:  # gone meanwhile
                continue
    return found


class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Transports(threads="2")  # a CONNECT that comes to the wrong one is handed on
        subprocess.run([SEALMQ, "identity", "enroll", "ann", "--password-only", "--publish", "#", "--data", cls.broker.data], check=True,
                       stdout=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def setUp(self):
        self.password = "pw-" + secrets.token_hex(16)
        subprocess.run([SEALMQ, "identity", "password", "ann", "--data", self.broker.data], check=True, input=self.password + "\n", text=True,
                       stdout=subprocess.DEVNULL)

    def assert_gone(self, *words):
        if os.geteuid() != 0:
            with self.assertRaises(PermissionError):
                count(self.broker.pid, b"x")
            return
        self.assertGreater(count(self.broker.pid, b"mqtt"), 0, "the search finds nothing at all")
        for word in words:
            for _ in range(50):  # the end of a login may still be under way
                if count(self.broker.pid, word.encode()) == 0:
                    break
            else:
                self.fail(f"{count(self.broker.pid, word.encode())} copies of a password")

    def open(self, transport):
        connection = socket.create_connection(("127.0.0.1", self.broker.port_of[transport]), PATIENCE)
        if transport in ("tls", "wss"):
            connection = ssl.create_default_context(cafile=self.broker.file("ca.pem")).wrap_socket(connection, server_hostname="localhost")
        if transport in ("ws", "wss"):
            connection.sendall(b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               b"Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += connection.recv(1)
        return connection

    @staticmethod
    def frame(transport, packet):
        if transport not in ("ws", "wss"):
            return packet
        mask = secrets.token_bytes(4)
        return bytes([0x82, 0x80 | len(packet)]) + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(packet))

    def log_in(self, transport, client_id, password, pieces=1):
        connection = self.open(transport)
        sent = self.frame(transport, connect(client_id, user="ann", password=password))
        size = -(-len(sent) // pieces)
        for at in range(0, len(sent), size):
            connection.sendall(sent[at:at + size])
            if pieces > 1:
                self.broker_has_read(connection)
        header = 2 if transport in ("ws", "wss") else 0
        return connection, connection.recv(64)[header + 3]

    @staticmethod
    def broker_has_read(connection):
        """The kernel has nothing left that the peer has not taken."""
        import array
        import fcntl
        import termios
        unsent = array.array("i", [1])
        while unsent[0] > 0:
            fcntl.ioctl(connection, termios.TIOCOUTQ, unsent)

    def test_a_password_is_gone_when_the_login_is_over(self):
        kept = []
        for transport in ("tcp", "tls", "ws", "wss", "proxy"):
            for client_id in ("a", "b", "c", "d"):  # of both shards
                if transport == "proxy":
                    connection = socket.create_connection(("127.0.0.1", self.broker.port_of["proxy"]), PATIENCE)
                    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([127, 0, 0, 1, 127, 0, 0, 1, 0, 80, 0, 81])
                    connection.sendall(header + connect(client_id, user="ann", password=self.password))
                    self.assertEqual(connection.recv(64)[3], 0)
                else:
                    connection, reason = self.log_in(transport, client_id, self.password)
                    self.assertEqual(reason, 0)
                kept.append(connection)
        self.assert_gone(self.password)
        for connection in kept:
            connection.close()
        self.assert_gone(self.password)

    def test_a_connect_in_pieces_leaves_none(self):
        connection, reason = self.log_in("tcp", "a", self.password, pieces=20)
        self.assertEqual(reason, 0)
        self.assert_gone(self.password[8:])
        connection.close()

    def test_a_wrong_password_is_wiped_too(self):
        wrong = "no-" + secrets.token_hex(16)
        connection, reason = self.log_in("tcp", "a", wrong)
        self.assertEqual(reason, 0x87)
        self.assert_gone(wrong)
        connection.close()

    def test_no_core_is_dumped(self):
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        process = subprocess.Popen([SEALMQ, "sub", "-h", "127.0.0.1", "-p", str(self.broker.port_of["tcp"]), "-t", "a", "-d"],
                                   stderr=subprocess.PIPE, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, unlimited)
                                   if os.geteuid() == 0 else None)
        process.stderr.readline()  # it has begun
        with open(f"/proc/{process.pid}/limits", encoding="ascii") as limits:
            core = next(line for line in limits if line.startswith("Max core file size"))
        self.assertEqual(core.split()[4:6], ["0", "0"])
        process.send_signal(signal.SIGABRT)
        status = os.waitpid(process.pid, 0)[1]
        self.assertEqual(os.WTERMSIG(status), signal.SIGABRT)
        self.assertFalse(os.WCOREDUMP(status))
        process.returncode = -signal.SIGABRT
        process.stderr.close()


if __name__ == "__main__":
    unittest.main()
