#!/usr/bin/env python3
"""How long the revocation of one identity takes when many are connected: from the command to the last broker that has done it.

usage: revocation.py [--sealmq PATH] [--clients 1000] [--group 100] [--rounds 5] [--postgres]

Starts two brokers on one list of identities (in SQLite two brokers cannot share one, so without --postgres there is one broker), an
authority, and clients: most of them are connected and silent, and --group of them are subscribers of SL3 that share a group's key. Each round
revokes and restores the identity of one member. The bar is 200 ms on every broker. Exit 1 if it does not hold.
"""
import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BAR = 200  # milliseconds
ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sealmq", default=str(ROOT / "build/release/src/cli/sealmq"))
    options.add_argument("--clients", type=int, default=1000)
    options.add_argument("--group", type=int, default=100)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--postgres", action="store_true")
    options = options.parse_args()

    os.environ["SEALMQ"] = options.sealmq
    sys.path.insert(0, str(ROOT / "tests/interop"))
    from packets import logged_in
    from servers import PATIENCE, Broker, Postgres, wait_until

    def sealmq(*arguments):
        return subprocess.run([options.sealmq, *arguments], check=True, timeout=120, capture_output=True, text=True).stdout

    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sealmq-revocation-"))
        own = folder + "/authority"
        sealmq("authority", "new", "--folder", own)
        configuration = f"""
authority = "{own}/authority.pub"
[[topic]]
filter = "plant/#"
publish = ["sl3"]
subscribe = ["sl3"]
multicast = true
"""
        if options.postgres:
            registry = ["--registry", stack.enter_context(Postgres()).url]
            brokers = [stack.enter_context(Broker(*registry, configuration=configuration)) for _ in range(2)]
        else:
            brokers = [stack.enter_context(Broker(configuration=configuration))]
            registry = ["--data", brokers[0].data]
        urls = [word for b in brokers for word in ("--broker", f"mqtt://127.0.0.1:{b.port}")]
        authority = subprocess.Popen([options.sealmq, "authority", "serve", "--folder", own, *urls], stderr=subprocess.DEVNULL)
        stack.callback(authority.wait, PATIENCE)
        stack.callback(authority.terminate)

        names = [f"member-{number}" for number in range(options.group)]
        members = []
        for number, name in enumerate(names):
            sealmq("identity", "new", name, "-o", f"{folder}/{name}.key")
            sealmq("identity", "enroll", f"{folder}/{name}.pub", "--subscribe", "plant/#", *registry)
            broker = brokers[number % len(brokers)]
            members.append(subprocess.Popen([options.sealmq, "sub", "-p", str(broker.port), "-t", "plant/7", "--scheme", "sl3", "--key",
                                             f"{folder}/{name}.key", "--broker-key", broker.data + "/broker.pub"],
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            stack.callback(members[-1].wait, PATIENCE)
            stack.callback(members[-1].terminate)
        silent = [stack.enter_context(logged_in(brokers[i % len(brokers)], f"silent-{i}", keep_alive=0))
                  for i in range(options.clients - options.group)]
        wait_until(lambda: False, 3)  # for the members' sessions
        print(f"{len(brokers)} brokers, {len(silent)} silent clients, {len(members)} members of a group; load {os.getloadavg()[0]:.1f}")

        worst = 0
        for number in range(options.rounds):
            name = names[number % len(names)]
            start = time.monotonic()
            lines = sealmq("authority", "revoke", name, "--reason", "1", "--folder", own, *registry, "--json").splitlines()
            whole = (time.monotonic() - start) * 1000
            order, report = json.loads(lines[0]), json.loads(lines[1])
            done = order["milliseconds"] + report["microseconds"] / 1000
            worst = max(worst, done)
            print(f"acknowledged after {order['milliseconds']:6.1f} ms; carried out by {len(report['brokers'])} in {report['microseconds'] / 1000:6.1f} ms"
                  f" ({report['sessions']} sessions, {report['groups']} groups); the whole command {whole:6.1f} ms")
            sealmq("authority", "restore", name, "--folder", own, *registry)
        print(f"worst {worst:.1f} ms; the bar of {BAR} ms {'holds' if worst <= BAR else 'does not hold'}")
        return 0 if worst <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
