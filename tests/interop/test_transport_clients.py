"""Other people's clients over TLS, WebSocket and both: mosquitto's, Paho for Python and C++, MQTT.js in Node and in a browser."""
import http.server
import os
import pathlib
import queue
import ssl
import subprocess
import tempfile
import threading
import unittest

import paho.mqtt.client as paho

from servers import PATIENCE, SEALMQ, require
from transports import OWN_IDENTITY, PSK, PSK_IDENTITY, Transports

HERE = pathlib.Path(__file__).resolve().parent
BUNDLE = HERE / "node_modules" / "mqtt" / "dist" / "mqtt.min.js"


class TransportClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        require("mosquitto_pub", "mosquitto_sub", "openssl")
        cls.broker = Transports()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def run_command(self, *command, code=0, **keywords):
        done = subprocess.run([str(word) for word in command], timeout=PATIENCE, capture_output=True, text=True, **keywords)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def says(self, transport, *options, code=0):
        """mosquitto_pub and mosquitto_sub over a transport: what one says retained the other reads."""
        address = ["-h", "localhost", "-p", self.broker.port_of[transport], *options]
        topic = f"{self._testMethodName}/{transport}"
        self.run_command("mosquitto_pub", *address, "-V", "5", "-q", "2", "-r", "-t", topic, "-m", "over " + transport, code=code)
        if code == 0:
            self.assertEqual(self.run_command("mosquitto_sub", *address, "-q", "2", "-t", topic, "-C", "1", "-W", "10"),
                             f"over {transport}\n")

    def test_mosquitto_over_tls(self):
        for version in ("tlsv1.2", "tlsv1.3"):
            self.says("tls", "--cafile", self.broker.file("ca.pem"), "--tls-version", version)

    def test_mosquitto_with_a_client_certificate(self):
        trust = ["--cafile", self.broker.file("ca.pem")]
        for name, code in (("client", 0), ("revoked", 7), ("other-client", 7)):
            self.says("client_certificate", *trust, "--cert", self.broker.file(name + ".pem"), "--key", self.broker.file(name + ".key"),
                      code=code)
        self.assertTrue(self.broker.log.wait_for(lambda lines: any("certificate revoked" in line for line in lines)))

    def test_mosquitto_with_a_pre_shared_key(self):
        self.says("psk", "--psk-identity", PSK_IDENTITY, "--psk", PSK, "--tls-version", "tlsv1.2")
        # With a pre-shared key newer mosquitto programs offer no TLS 1.3; OpenSSL's does, and says that the key was taken.
        self.assertIn("Reused, TLSv1.3", self.run_command(
            "openssl", "s_client", "-connect", f"localhost:{self.broker.port_of['psk']}", "-tls1_3", "-psk_identity", PSK_IDENTITY,
            "-psk", PSK, input=""))

    def test_our_own_client_over_everything(self):
        trust = ["--cafile", self.broker.file("ca.pem")]
        key = ["--psk-identity", OWN_IDENTITY, "--psk", PSK]
        certificate = [*trust, "--tls-cert", self.broker.file("client.pem"), "--tls-key", self.broker.file("client.key")]
        for transport, options in (("tcp", []), ("tls", trust), ("client_certificate", certificate), ("psk", key), ("ws", []),
                                   ("wss", trust), ("unix", []), ("origins", [])):
            with self.subTest(transport):
                at = ["-L", self.broker.url[transport], *options, "-t", "ours/" + transport]
                self.run_command(SEALMQ, "pub", *at, "-r", "-q", "1", "-m", "hello")
                self.assertEqual(self.run_command(SEALMQ, "sub", *at, "-C", "1", "-W", "10"), "hello\n")

    def test_our_own_client_refuses_who_is_not_vouched_for(self):
        at = ["pub", "-L", self.broker.url["tls"].replace("127.0.0.1", "localhost"), "-t", "a", "-m", "x"]
        self.run_command(SEALMQ, *at, code=4)
        self.run_command(SEALMQ, *at, "--cafile", self.broker.file("other-ca.pem"), code=4)
        self.run_command(SEALMQ, *at, "--cafile", self.broker.file("ca.pem"))
        self.run_command(SEALMQ, "pub", "-L", self.broker.url["tcp"], "-t", "a", "-m", "x", "--insecure", code=1)

    def test_paho_python_over_tls_and_websockets(self):
        for transport in ("tls", "ws", "wss"):
            for version in (paho.MQTTv311, paho.MQTTv5):
                with self.subTest(transport=transport, version=version):
                    messages = queue.Queue()
                    client = paho.Client(client_id=f"paho-{transport}", protocol=version,
                                         transport="websockets" if transport.startswith("ws") else "tcp")
                    if transport != "ws":
                        client.tls_set(self.broker.file("ca.pem"), tls_version=ssl.PROTOCOL_TLS_CLIENT)
                    client.on_message = lambda _client, _data, message: messages.put(message.payload)
                    topic = f"paho/{transport}/{version}"
                    client.on_connect = lambda c, *_: c.subscribe(topic, 2)
                    client.on_subscribe = lambda c, *_: [c.publish(topic, payload, 2) for payload in (b"small", b"x" * 300_000)]
                    client.connect("localhost", self.broker.port_of[transport])
                    client.loop_start()
                    self.assertEqual(messages.get(timeout=PATIENCE), b"small")
                    self.assertEqual(messages.get(timeout=PATIENCE), b"x" * 300_000)
                    client.disconnect()
                    client.loop_stop()

    def test_mqttjs_over_tls_and_websockets(self):
        require("node")
        self.assertTrue(BUNDLE.exists(), "MQTT.js is missing: npm ci in tests/interop (./dev does)")
        for transport in ("tls", "ws", "wss"):
            with self.subTest(transport):
                url = self.broker.url[transport].replace("127.0.0.1", "localhost")
                done = self.run_command("node", "mqttjs_transport.mjs", url, cwd=HERE,
                                        env={**os.environ, "NODE_EXTRA_CA_CERTS": self.broker.file("ca.pem")})
                self.assertEqual(done, "done\n")

    def test_paho_cpp_over_tcp_tls_and_websocket(self):
        require("c++")
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "paho_cpp")
            self.run_command("c++", "-std=c++17", "-o", program, HERE / "paho_cpp.cpp", "-lpaho-mqttpp3", "-lpaho-mqtt3as")
            for transport, scheme in (("tcp", "tcp"), ("tls", "ssl"), ("ws", "ws")):
                with self.subTest(transport):
                    path = "/mqtt" if transport == "ws" else ""
                    url = f"{scheme}://localhost:{self.broker.port_of[transport]}{path}"
                    self.assertEqual(self.run_command(program, url, self.broker.file("ca.pem")), "done\n")

    def test_mqttjs_in_a_browser(self):
        require("chromium")
        self.assertTrue(BUNDLE.exists(), "MQTT.js is missing: npm ci in tests/interop (./dev does)")
        page = (HERE / "browser.html").read_text()
        with PageServer({"/": ("text/html", page.encode()), "/mqtt.min.js": ("text/javascript", BUNDLE.read_bytes())}) as server:
            for url, expected in ((self.broker.url["ws"], "done"), (self.broker.url["origins"], "refused")):
                # The second listener wants pages of good.example.
                with self.subTest(url), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                    with subprocess.Popen(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                                           "--user-data-dir=" + profile, f"{server.url}?{url}"],
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
                        try:
                            self.assertEqual(server.results.get(timeout=2 * PATIENCE), expected)
                        finally:
                            browser.terminate()


class PageServer:
    """Serves a few files on the loopback interface; `results` is what pages post."""

    def __init__(self, files):
        self.results = results = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                kind, body = files.get(self.path.split("?")[0], ("text/plain", b""))
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                results.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


if __name__ == "__main__":
    unittest.main()
