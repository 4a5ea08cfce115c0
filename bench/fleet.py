#!/usr/bin/env python3
"""A fleet of devices behind one address, each with a name and a password of its own, connects at once: how long until all are in,
here and at mosquitto, just after a start of the broker and once more.

usage: fleet.py [--sealmq PATH] [--devices 100] [--rounds 3]

Prints the ratio of the two brokers. After a start each password takes a slow hash here (scrypt, 32 MB three times), at mosquitto a quick one
(PBKDF2 with 101 rounds). Later it is what was verified within the last hour. Exit 1 if somebody did not get in.
"""
import argparse
import asyncio
import base64
import hashlib
import os
import pathlib
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROW = '[[topic]]\nfilter = "#"\npublish = ["plain"]\nsubscribe = ["plain"]\n'
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
PATIENCE = 600


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect_packet(name, password):
    def text(value):
        return struct.pack(">H", len(value)) + value.encode()
    body = text("MQTT") + bytes([4, 0xC2]) + struct.pack(">H", 60) + text(name) + text(name) + text(password)
    return bytes([0x10, len(body)]) + body


async def try_once(port, name, password):
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(connect_packet(name, password))
        try:
            return await asyncio.wait_for(reader.readexactly(4), PATIENCE) == b"\x20\2\0\0"
        finally:
            writer.close()
    except (asyncio.IncompleteReadError, asyncio.TimeoutError, ConnectionError):
        return False


async def log_in(port, name, password):
    """True when it is in. Who is refused comes again after a second, as devices do."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if await try_once(port, name, password):
            return True
        await asyncio.sleep(1)
    return False


def wave(port, devices):
    """Seconds until all were in, and how many were."""
    async def all_of_them():
        return await asyncio.gather(*(log_in(port, *device) for device in devices.items()))
    begun = time.monotonic()
    entered = sum(asyncio.run(all_of_them()))
    return time.monotonic() - begun, entered


def wait_for(port):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def scrypt_line(name, password):
    """As `sealmq identity password` writes it."""
    def in_base64(data):
        return base64.urlsafe_b64encode(data).decode().rstrip("=")
    salt = os.urandom(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=1 << 15, r=8, p=3, maxmem=64 << 20, dklen=32)
    return f"{name} scrypt 15 8 3 {in_base64(salt)} {in_base64(digest)}\n"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sealmq", default=str(ROOT / "build/release/src/cli/sealmq"))
    options.add_argument("--devices", type=int, default=100)
    options.add_argument("--rounds", type=int, default=3)
    options = options.parse_args()
    for program in "mosquitto", "mosquitto_passwd":
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing")

    devices = {f"device-{number}": f"secret of {number}" for number in range(options.devices)}
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sealmq-fleet-"))
    folder.chmod(0o755)
    try:
        subprocess.run([options.sealmq, "identity", "enroll", *devices, "--password-only", "--data", folder / "data"], check=True, **QUIET)
        passwords = folder / "passwords"
        passwords.write_text("".join(scrypt_line(*device) for device in devices.items()))
        passwords.chmod(0o600)
        theirs = folder / "mosquitto.passwords"
        theirs.write_text("".join(f"{name}:{password}\n" for name, password in devices.items()))
        subprocess.run(["mosquitto_passwd", "-U", theirs], check=True, **QUIET)
        theirs.chmod(0o644)
        figures, all_in = {}, True
        for _ in range(options.rounds):
            for who in "sealmq", "mosquitto":
                port = free_port()
                if who == "sealmq":
                    (folder / "sealmq.toml").write_text(f'data = "{folder}/data"\npassword_file = "{passwords}"\n{ROW}[[listener]]\nurl = "mqtt://127.0.0.1:{port}"\n')
                    broker = subprocess.Popen([options.sealmq, "broker", "-c", folder / "sealmq.toml"], **QUIET)
                else:
                    (folder / "mosquitto.conf").write_text(f"user root\nlistener {port} 127.0.0.1\nallow_anonymous false\npassword_file {theirs}\npersistence false\n")
                    broker = subprocess.Popen(["mosquitto", "-c", folder / "mosquitto.conf"], **QUIET)
                try:
                    wait_for(port)
                    for when in "after a start", "once more":
                        seconds, entered = wave(port, devices)
                        figures.setdefault((when, who), []).append(seconds)
                        all_in = all_in and entered == len(devices)
                        if entered != len(devices):
                            print(f"{who}, {when}: {entered} of {len(devices)} got in")
                finally:
                    broker.terminate()
                    broker.wait(20)
        for when in "after a start", "once more":
            ours, others = (statistics.median(figures[when, who]) for who in ("sealmq", "mosquitto"))
            print(f"{options.devices} devices {when}: {ours:.2f} s here, {others:.2f} s at mosquitto, ratio {ours / others:.1f}")
        return 0 if all_in else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
