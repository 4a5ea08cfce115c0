#!/usr/bin/env python3
"""What a flood of SL2 requests does to ordinary clients: their latency quiet, and while one address or many want Rabin roots.

usage: flood.py [--sealmq PATH] [--processors ALL] [--clients 10] [--rate 20] [--seconds 10] [--rounds 3] [--addresses 200]

A broker with one shard on the first processors, with plain and SL3 clients (bench/bystanders.cpp) that send themselves messages at
a fixed rate from processor 1. The flood asks for subscriptions with numbers made up by chance: each costs the broker a root. From one
address 64 connections, from many two of each; who is disconnected comes again. Each round measures quiet, one, many; printed are
medians of the rounds. The bars: p99 at most doubles, and the resident set stays below at rest + 5/4 of maximum_memory + 16 MB. Exit 1
if one does not hold. As root it asks for a higher priority, so that other work on the machine is in the figures as little as possible.
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import selectors
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEMORY = 64 << 20
MODULUS = 4096 // 8  # of a Rabin key that a broker makes
CONFIGURATION = f"""
[[topic]]
filter = "bystander/#"
publish = ["plain", "sl3"]
subscribe = ["plain", "sl3"]
[[topic]]
filter = "flooded/#"
publish = ["sl2"]
subscribe = ["sl2"]
[limits]
maximum_memory = {MEMORY}
connects_per_second_per_address = 0
"""


def flood(port, addresses, connections, size, done, told):
    """From each address so many connections: a request, its answer, the next request."""
    from packets import connect, packet, text
    selector = selectors.DefaultSelector()
    # The highest bit of a modulus is set, so this is below it.
    request = lambda: packet(0x32, text("$sl/sub") + b"\0\1\0" + b"\2\x21\1" + size.to_bytes(2, "big")
                             + bytes([os.urandom(1)[0] & 0x7F]) + os.urandom(size - 1) + os.urandom(64))

    def begin(address):
        made = socket.socket()
        made.bind((address, 0))
        made.setblocking(False)
        made.connect_ex(("127.0.0.1", port))
        selector.register(made, selectors.EVENT_WRITE, [address, b""])

    for _ in range(connections):
        for address in addresses:
            begin(address)
    told.set()
    while True:
        for key, events in selector.select():
            address, got = key.data
            try:
                if events & selectors.EVENT_WRITE:
                    key.fileobj.send(connect("") + request())
                    selector.modify(key.fileobj, selectors.EVENT_READ, key.data)
                    continue
                got += key.fileobj.recv(4096)
                if not got:
                    raise ConnectionResetError
                over = False
                while len(got) > 1 and len(got) >= 2 + got[1]:
                    if got[0] >> 4 == 4:
                        with done.get_lock():
                            done.value += 1
                        key.fileobj.send(request())
                    over = over or got[0] >> 4 == 14
                    got = got[2 + got[1]:]
                key.data[1] = got
                if over:
                    raise ConnectionResetError
            except BlockingIOError:
                continue
            except OSError:
                selector.unregister(key.fileobj)
                key.fileobj.close()
                begin(address)


def resident(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sealmq", default=str(ROOT / "build/release/src/cli/sealmq"))
    options.add_argument("--bystanders", default=str(ROOT / "build/release/bench/bystanders"))
    for name, default in (("processors", os.cpu_count()), ("clients", 10), ("rate", 20), ("seconds", 10), ("rounds", 3), ("addresses", 200)):
        options.add_argument("--" + name, type=int, default=default)
    options = options.parse_args()
    if options.addresses > 250:
        sys.exit("at most 250 addresses")

    if os.geteuid() == 0:
        os.nice(-10)
    os.environ["SEALMQ"] = options.sealmq
    sys.path.insert(0, str(ROOT / "tests/interop"))
    os.sched_setaffinity(0, set(range(options.processors)))
    from servers import Broker
    with Broker(configuration=CONFIGURATION, threads="1") as broker:
        os.sched_setaffinity(0, {1})
        folder = os.path.dirname(broker.data)
        for number in range(options.clients):
            name = f"bystander-{number}"
            subprocess.run([options.sealmq, "identity", "new", name], cwd=folder, check=True, capture_output=True)
            subprocess.run([options.sealmq, "identity", "enroll", name + ".pub", "--publish", "bystander/#", "--subscribe", "bystander/#",
                            "--data", broker.data], cwd=folder, check=True, capture_output=True)
        time.sleep(1)  # until the broker has read its list again
        sources = {"quiet": ([], 0), "one address": (["127.0.1.1"], 64),
                   f"{options.addresses} addresses": ([f"127.0.2.{number + 1}" for number in range(options.addresses)], 2)}
        rest = peak = resident(broker.pid)
        rounds = {name: [] for name in sources}
        for _ in range(options.rounds):
            for name, (addresses, connections) in sources.items():
                done, told = multiprocessing.Value("Q", 0), multiprocessing.Event()
                attack = None
                if addresses:
                    attack = multiprocessing.Process(target=lambda: (os.nice(5), flood(broker.port, addresses, connections, MODULUS, done, told)))
                    attack.start()
                    told.wait()
                    time.sleep(1)
                before, since = done.value, time.monotonic()
                load = subprocess.Popen([options.bystanders, str(broker.port), broker.data + "/broker.pub", folder, str(options.clients),
                                         str(options.rate), str(options.seconds)], stdout=subprocess.PIPE, text=True)
                while load.poll() is None:
                    peak = max(peak, resident(broker.pid))
                    time.sleep(0.02)
                roots = (done.value - before) / (time.monotonic() - since)
                if attack is not None:
                    attack.kill()
                    attack.join()
                if load.returncode != 0:
                    sys.exit(f"the clients beside the flood failed ({name})")
                figures = json.loads(load.stdout.read())
                rounds[name].append((figures, roots))
                time.sleep(1)

    print(f"{options.clients} plain and {options.clients} SL3 clients, {options.rate} messages/s each; {options.rounds} rounds of "
          f"{options.seconds} s; load {os.getloadavg()[0]:.1f}")
    print(f"{'':14} {'roots/s':>8} {'plain p50':>10} {'p99':>8} {'ratio':>6} {'sl3 p50':>10} {'p99':>8} {'ratio':>6} {'slowest begin':>14}  (ms)")
    holds = True
    quiet = {}
    for name, all_rounds in rounds.items():
        row = f"{name:14} {statistics.median(roots for _, roots in all_rounds):8.0f}"
        for kind in ("plain", "sl3"):
            median = lambda what: statistics.median(figures[kind][what] for figures, _ in all_rounds)
            p99 = median("p99_ms")
            ratio = p99 / quiet.setdefault(kind, p99)
            holds = holds and ratio <= 2
            row += f" {median('p50_ms'):10.2f} {p99:8.2f} {ratio:6.2f}"
            lost = sum(figures[kind]["sent"] - figures[kind]["received"] for figures, _ in all_rounds)
            holds = holds and lost == 0
        print(row + f" {statistics.median(figures['sl3']['slowest_begin_ms'] for figures, _ in all_rounds):14.0f}")
    bound = rest + MEMORY * 5 // 4 + (16 << 20)
    holds = holds and peak < bound
    print(f"resident: {rest / 2**20:.1f} MB at rest, {peak / 2**20:.1f} at most, bound {bound / 2**20:.1f}; the bars {'hold' if holds else 'do not hold'}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
