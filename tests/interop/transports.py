"""A broker with a listener for every transport, and the certificates for it, made for the test that asks."""
import os
import pathlib
import subprocess
import tempfile

from servers import Broker

MAKE_CERTIFICATES = pathlib.Path(__file__).resolve().parent.parent / "support" / "make_certificates.sh"
PSK_IDENTITY, PSK = "boiler-7", "000102030405060708090a0b0c0d0e0f"
OWN_IDENTITY = "boiler-8"  # whose key is used as our client does

CONFIGURATION = """
[[listener]]
url = "mqtt://127.0.0.1:0"
[[listener]]
url = "mqtts://127.0.0.1:0"
cert = "{folder}/server.pem"
key = "{folder}/server.key"
[[listener]]
url = "mqtts://127.0.0.1:0"
cert = "{folder}/server.pem"
key = "{folder}/server.key"
client_ca = "{folder}/ca.pem"
client_crl = "{folder}/used-crl.pem"
require_certificate = true
anonymous = true
[[listener]]
url = "mqtts://127.0.0.1:0"
psk_file = "{folder}/psk"
anonymous = true
[[listener]]
url = "ws://127.0.0.1:0"
[[listener]]
url = "wss://127.0.0.1:0"
cert = "{folder}/server.pem"
key = "{folder}/server.key"
[[listener]]
url = "unix:{folder}/socket"
mode = "0660"
[[listener]]
url = "mqtt://127.0.0.1:0"
proxy_protocol = true
[[listener]]
url = "ws://127.0.0.1:0/here"
origins = ["https://good.example"]
[[listener]]
url = "ws://127.0.0.1:0"
path = ["/mqtt", "/"]
forwarded_for = true
"""
NAMES = ["tcp", "tls", "client_certificate", "psk", "ws", "wss", "unix", "proxy", "origins", "forwarded"]


class Transports(Broker):
    """port["tls"], url["wss"]; in folder/ the files of make_certificates.sh."""

    def __init__(self, *options, **keywords):
        self._certificates = tempfile.TemporaryDirectory(prefix="sealmq-certificates-")
        self.folder = pathlib.Path(self._certificates.name)
        self.make_certificates()
        self.write("psk", f"{PSK_IDENTITY}:{PSK} raw\n{OWN_IDENTITY}:{PSK}\n")
        self.write("used-crl.pem", self.read("crl.pem"))
        super().__init__("--allow-plain", *options, configuration=CONFIGURATION.format(folder=self.folder), own_listeners=True, **keywords)
        self.url = dict(zip(NAMES, self.urls))
        self.port_of = dict(zip(NAMES, self.ports))

    def make_certificates(self):
        subprocess.run([MAKE_CERTIFICATES, self.folder], check=True, timeout=60)

    def file(self, name):
        return str(self.folder / name)

    def read(self, name):
        return (self.folder / name).read_text()

    def write(self, name, text):
        with open(os.open(self.folder / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)

    def stop(self):
        try:
            super().stop()
        finally:
            self._certificates.cleanup()
