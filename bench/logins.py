#!/usr/bin/env python3
"""What letting somebody in costs a broker: hardened logins by PMQTT-2 and by SCACAuth here, beside TLS 1.3 handshakes with client
certificates at mosquitto, in turns.

usage: logins.py [--sealmq PATH] [--connects 400] [--rounds 5] [--json]

Connects per second on one broker core are 1 / CPU seconds of the broker's process for each connect. The bar: at least 2 logins for each
handshake, by either. SCACAuth as published is there to be looked at, and so is a broker whose keys are in a token of SoftHSM2. The client's password is hashed once, before; so is it in a client that stays. Exit 1 if the bar does not hold.
"""
import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BAR = 2
ROOT = pathlib.Path(__file__).resolve().parent.parent
PASSWORD = "s3cret pass"

TOKEN_TOML = """
threads = 1
durability = "memory"
[[listener]]
url = "mqtt://127.0.0.1:{port}"
insecure_channel = true
anonymous = true
[[topic]]
filter = "#"
publish = [{schemes}]
subscribe = [{schemes}]
"""
SEALMQ_TOML = TOKEN_TOML + """
[[listener]]
url = "mqtts://127.0.0.1:{tls_port}"
cert = "{folder}/server.pem"
key = "{folder}/server.key"
client_ca = "{folder}/ca.pem"
require_certificate = true
anonymous = true
"""
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
MOSQUITTO_CONF = """
user root
listener {port} 127.0.0.1
allow_anonymous true
cafile {folder}/ca.pem
certfile {folder}/server.pem
keyfile {folder}/server.key
require_certificate true
tls_version tlsv1.3
persistence false
sys_interval 0
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def make_token(folder):
    """Its address, for --keystore."""
    pathlib.Path(folder, "tokens").mkdir()
    pathlib.Path(folder, "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = folder + "/softhsm2.conf"
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "bench", "--so-pin", "314159", "--pin", "271828"], check=True,
                   capture_output=True)
    pin = pathlib.Path(folder, "pin")
    pin.write_text("271828\n")
    pin.chmod(0o600)
    return f"pkcs11:token=bench?module-path={SOFTHSM}&pin-source=file:{pin}"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sealmq", default=str(ROOT / "build/release/src/cli/sealmq"))
    options.add_argument("--connects", type=int, default=400)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", action="store_true")
    options = options.parse_args()
    for program in "mosquitto", "softhsm2-util":
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing")

    folder = tempfile.mkdtemp(prefix="sealmq-logins-")
    started = []
    try:
        subprocess.run(["sh", ROOT / "tests/support/make_certificates.sh", folder], check=True, capture_output=True)

        def sealmq(*arguments, sent=None, **environment):
            done = subprocess.run([options.sealmq, *map(str, arguments)], input=sent, capture_output=True, text=True, timeout=120,
                                  env={**os.environ, **environment})
            if done.returncode != 0:
                sys.exit(f"sealmq {arguments[0]}: {done.stderr}")
            return done.stdout

        port, tls_port, token_port, mosquitto_port = (free_port() for _ in range(4))
        data, token_data = folder + "/data", folder + "/token-data"
        pathlib.Path(folder, "sealmq.toml").write_text(SEALMQ_TOML.format(
            schemes='"sl1", "scacauth", "scacauth@paper"', port=port, tls_port=tls_port, folder=folder))
        pathlib.Path(folder, "token.toml").write_text(TOKEN_TOML.format(schemes='"scacauth"', port=token_port))
        pathlib.Path(folder, "mosquitto.conf").write_text(MOSQUITTO_CONF.format(port=mosquitto_port, folder=folder))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen([options.sealmq, "broker", "--data", data, "-c", folder + "/sealmq.toml"], **quiet))
        started.append(subprocess.Popen([options.sealmq, "broker", "--data", token_data, "-c", folder + "/token.toml",
                                         "--keystore", make_token(folder)], **quiet))
        started.append(subprocess.Popen(["mosquitto", "-c", folder + "/mosquitto.conf"], **quiet))
        ours, with_token, theirs = (broker.pid for broker in started)
        for each in (port, tls_port, token_port, mosquitto_port):
            wait_for(each)
        sealmq("identity", "new", "patient1", "-o", folder + "/patient1.key")
        sealmq("identity", "enroll", folder + "/patient1.pub", "--data", data)
        sealmq("identity", "new", "CLIENTE1", "--rsa", "2048", "-o", folder + "/CLIENTE1.key")
        sealmq("identity", "enroll", folder + "/CLIENTE1.pub", "--scheme", "scacauth", "--scheme", "scacauth@paper", "--data", data)
        sealmq("identity", "enroll", folder + "/CLIENTE1.pub", "--scheme", "scacauth", "--data", token_data)
        sealmq("identity", "password", "patient1", "--data", data, sent=PASSWORD + "\n")
        time.sleep(0.5)

        certificate = ["--tls-cert", folder + "/client.pem", "--tls-key", folder + "/client.key", "--cafile", folder + "/ca.pem"]
        login = ["--login", "-u", "patient1", "--key", folder + "/patient1.key", "--broker-key", data + "/broker.pub"]
        card = ["--key", folder + "/CLIENTE1.key", "--broker-key", data + "/broker.pub", "--login-scheme"]
        to_token = ["--key", folder + "/CLIENTE1.key", "--broker-key", token_data + "/broker.pub", "--login-scheme", "scacauth"]
        rows = {
            "PMQTT-2, ours": (f"mqtt://127.0.0.1:{port}", login, ours),
            "SCACAuth2, ours": (f"mqtt://127.0.0.1:{port}", [*card, "scacauth"], ours),
            "SCACAuth2, keys in SoftHSM2, ours": (f"mqtt://127.0.0.1:{token_port}", to_token, with_token),
            "SCACAuth as published, ours": (f"mqtt://127.0.0.1:{port}", [*card, "scacauth@paper"], ours),
            "TLS 1.3 with certificates, mosquitto": (f"mqtts://127.0.0.1:{mosquitto_port}", certificate, theirs),
            "TLS 1.3 with certificates, ours": (f"mqtts://127.0.0.1:{tls_port}", certificate, ours),
            "no login, ours": (f"mqtt://127.0.0.1:{port}", [], ours),
        }
        costs = {name: [] for name in rows}
        for _ in range(options.rounds):
            for name, (url, more, pid) in rows.items():
                told = sealmq("bench", url, "--churn", options.connects, "--parallel", 8, "--seconds", 60, "--pid", pid, "-V", 5, "--json",
                              *more, SEALMQ_PASSWORD=PASSWORD)
                costs[name].append(json.loads(told)["broker_cpu_us_per_connect"])
        figures = {name: {"cpu_us": statistics.median(each), "per_core_second": 1e6 / statistics.median(each), "lowest": min(each),
                          "highest": max(each)} for name, each in costs.items()}
        handshakes = figures["TLS 1.3 with certificates, mosquitto"]["per_core_second"]
        ratios = {name: figures[name]["per_core_second"] / handshakes for name in ("PMQTT-2, ours", "SCACAuth2, ours")}
        holds = min(ratios.values()) >= BAR
        if options.json:
            print(json.dumps({"bench": "logins", "connects": options.connects, "rounds": options.rounds, "figures": figures, "ratios": ratios}))
        else:
            for name, figure in figures.items():
                print(f"{name:38} {figure['cpu_us']:7.0f} µs CPU a connect [{figure['lowest']:.0f}–{figure['highest']:.0f}],"
                      f" {figure['per_core_second']:6.0f} a second on one core")
            for name, ratio in ratios.items():
                print(f"{name}: {ratio:.2f} for each handshake of mosquitto (at least {BAR}: {'holds' if ratio >= BAR else 'DOES NOT HOLD'})")
        return 0 if holds else 1
    finally:
        for broker in started:
            broker.terminate()
            broker.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
