"""Attacks on a broker, for `bench/flood.py --attacks`: each makes as much work as it can for one shard until it is killed. Those that
test_overload.py has are taken from there; the others ask for what is dear: many filters at once, retained messages, wildcards, names
with one hash, logins, handshakes.
"""
import itertools
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

from packets import packet, text
from servers import SEALMQ
from test_overload import (connect, connection_flood, cut_short, deep_subscriptions, fresh_sessions, half_open, publish, publish_flood,
                           queue_flood, reconnect_storm, retained_flood, sl2_requests_of_many_addresses, sl2_requests_of_one_address,
                           subscribe, topic_aliases, unread_answers)

MASK = (1 << 64) - 1
MURMUR = 0xC6A4A793_5BD1E995
MURMUR_SEED = 0xC70F6907  # of libstdc++'s std::hash


def user_property(name, value):
    return b"\x26" + text(name) + text(value)


def variable(number):
    out = b""
    while True:
        number, digit = divmod(number, 128)
        out += bytes([digit | (0x80 if number else 0)])
        if not number:
            return out


def subscribe_with(filters, properties):
    return packet(0x82, b"\0\1" + variable(len(properties)) + properties + b"".join(text(f) + b"\0" for f in filters))


def repeat(a, name, *packets_of):
    """The same packets on one connection after the other."""
    number = 0
    while a.goes_on():
        number += 1
        connection = a.login(f"{name}-{number}")
        if connection is None:
            time.sleep(0.01)
            continue
        for data in packets_of:
            if not a.send(connection, data):
                break
            a.swallow(connection)
            a.counts()
        a.close(connection)


def filters_times_properties(a):
    repeat(a, "properties", subscribe_with(["t"] * 130_000, user_property("", "") * 100_000))


def filters_times_a_large_property(a):
    repeat(a, "large", subscribe_with(["t"] * 10_000, user_property("sl", "A" * 65_535)))


def filters_times_retained(a):
    """1000 filters that begin with a wildcard, again and again, in a table of 30 000 retained messages."""
    writer = a.login("retains-much")
    for number in range(30_000):
        a.send(writer, publish(f"retained/{number % 100}/{number}", b"x", 1, retain=True))
        if number % 100 == 0:
            a.swallow(writer)
    repeat(a, "scans", *[subscribe([f"+/{number}/x" for number in range(1000)])] * 20)


def many_unsubscribes(a):
    repeat(a, "unsubscribes", packet(0xA2, b"\0\1\0" + b"".join(text(f"t/{number}") for number in range(100_000))))


def shift_mix(value):
    return value ^ value >> 47


def names_with_one_hash(count):
    """Of 16 bytes, all below 0x80: MurmurHash64A, which std::hash is, can be computed backwards."""
    inverse = pow(MURMUR, -1, 1 << 64)
    mixed = lambda block: shift_mix(block * MURMUR & MASK) * MURMUR & MASK
    unmixed = lambda value: shift_mix(value * inverse & MASK) * inverse & MASK
    begin = MURMUR_SEED ^ 16 * MURMUR & MASK
    wanted, found = None, []
    for number in itertools.count():
        first = b"%08x" % number
        state = (begin ^ mixed(int.from_bytes(first, "little"))) * MURMUR & MASK
        if wanted is None:
            wanted = state ^ mixed(int.from_bytes(b"an aim !", "little"))
        second = unmixed(state ^ wanted).to_bytes(8, "little")
        if all(0x20 < byte < 0x7F and byte not in b"+#/$" for byte in second):
            found.append((first + second).decode())
            if len(found) == count:
                return found


def names_of_one_hash(a):
    names = names_with_one_hash(2000)
    repeat(a, "hashes", *[subscribe([f"{level}/{name}" for name in names[:1000]]) for level in range(10)],
           *[publish(f"{level}/{name}", b"x") for level in range(10) for name in names[1000:1200]])


def wildcards_in_every_level(a):
    """{a,+}^16 by 66 clients, and messages to a/a/…/a."""
    levels = 16
    crowd = []
    for number in range(66):
        if (connection := a.login(f"tree-{number}")) is None:
            continue
        filters = ["/".join("+" if bits >> level & 1 else "a" for level in range(levels)) for bits in range(number * 1000, min(number * 1000 + 1000, 1 << levels))]
        for at in range(0, len(filters), 100):
            a.send(connection, subscribe(filters[at:at + 100]))
            a.swallow(connection)
        crowd.append(connection)
    writer, number = a.login("tree-writer"), 0
    while a.goes_on() and writer is not None:
        number += 1
        if not a.send(writer, publish("/".join(["a"] * (levels - 1)) + f"/{number}", b"x")):
            break
        a.counts()
        a.swallow(writer)


def many_shared_groups(a):
    for number in range(20):
        if (connection := a.login(f"groups-{number}")) is not None:
            for at in range(0, 1000, 100):
                a.send(connection, subscribe([f"$share/{number}-{group}/#" for group in range(at, at + 100)]))
                a.swallow(connection)
    publish_flood(a)


def erasures(a):
    writer, number = a.login("erases"), 0
    while a.goes_on() and writer is not None:
        number += 1
        if not a.send(writer, publish(f"nothing/{number}", b"", 1, retain=True)):
            break
        a.swallow(writer)
        a.counts()


def retained_properties(a):
    properties = user_property("n", "p" * 60_000) * 16
    writer, number = a.login("properties"), 0
    while a.goes_on() and writer is not None:
        number += 1
        body = text(f"large/{number % 30}") + b"\0\1" + variable(len(properties)) + properties + b"x"
        if not a.send(writer, packet(0x33, body)):
            break
        a.swallow(writer)
        a.counts()


def wrong_passwords(a):
    number = 0
    while a.goes_on():
        number += 1
        a.source = f"127.0.3.{number % 250 + 1}"
        if (made := a.dial()) is None:
            continue
        a.send(made, packet(0x10, text("MQTT") + b"\5\xc2\0\0\0" + text(f"guess-{number}") + text("alice") + text(f"wrong {number}")))
        a.counts()
        time.sleep(0.002)


def logins_that_stall(a):
    """The first step of PMQTT-2 and nothing more: a point and a nonce, which cost nothing."""
    hello = b"\1" + bytes(32) + bytes.fromhex("036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
    properties = b"\x15" + text("PMQTT-2") + b"\x16" + struct.pack(">H", len(hello)) + hello
    number = 0
    while a.goes_on():
        number += 1
        if (made := a.dial()) is None:
            continue
        a.send(made, packet(0x10, text("MQTT") + b"\5\2\0\0" + variable(len(properties)) + properties + text(f"stalls-{number}") + b""))
        a.counts()


def silent_connections(a):
    while a.goes_on():
        for port in range(len(a.ports)):
            if a.dial(port) is not None:
                a.counts()


def tls_handshakes(a):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    while a.goes_on():
        if (made := a.dial(3)) is None:
            continue
        try:
            context.wrap_socket(made).close()
            a.counts()
        except (OSError, ValueError):
            pass
        a.close(made)


def deaths_at_once(a):
    """A thousand clients with Wills, cut at once."""
    number = 0
    while a.goes_on():
        crowd = []
        for _ in range(1000):
            number += 1
            if (made := a.dial()) is not None:
                will = b"\0" + text(f"dead/{number}") + struct.pack(">H", 100) + bytes(100)
                a.send(made, packet(0x10, text("MQTT") + b"\5\6\0\0\0" + text(f"dies-{number}") + will))
                crowd.append(made)
        for made in crowd:
            a.close(made)
        a.counts(len(crowd))


def admin_places(a):
    held = []
    while a.goes_on():
        made = socket.socket()
        try:
            made.connect(("127.0.0.1", a.admin))
            held.append(made)
            a.counts()
        except OSError:
            made.close()
        if len(held) > 200:
            held.pop(0).close()
        time.sleep(0.002)


def replay_marks(a):
    """One identity signs as fast as it can: each of its messages leaves a mark against copies of it."""
    folder = os.path.dirname(a.data)
    for words in (("new", "signer"), ("enroll", "signer.pub", "--publish", "signed/#", "--data", a.data)):
        subprocess.run([SEALMQ, "identity", *words], cwd=folder, check=True, capture_output=True)
    while a.goes_on():
        signer = subprocess.Popen([SEALMQ, "pub", "-h", "127.0.0.1", "-p", str(a.ports[0]), "--scheme", "sl1", "--key", "signer.key",
                                   "--broker-key", os.path.join(a.data, "broker.pub"), "-t", "signed/x", "-q", "1", "-l"],
                                  cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while a.goes_on():
                signer.stdin.write(b"x\n" * 100)
                signer.stdin.flush()
                a.counts(100)
        except BrokenPipeError:
            pass
        finally:
            signer.kill()
            signer.wait()


def a_held_shard(a):
    """One client asks its shard for what is dearest, another sends large messages to all shards: the first must not hold up the others."""
    writer = a.login("fills")
    for number in range(5000):
        a.send(writer, publish(f"{number}/x", b"x", 1, retain=True))
        a.swallow(writer)
    asks = threading.Thread(target=repeat, args=(a, "asks", *[subscribe([f"+/none-{number}" for number in range(1000)])] * 20), daemon=True)
    asks.start()
    large = publish("large", bytes(100_000))
    while a.goes_on():
        if not a.send(writer, large):
            writer = a.login("fills") or writer
        a.swallow(writer)


a_held_shard.shards = 3


ATTACKS = [filters_times_properties, filters_times_a_large_property, filters_times_retained, many_unsubscribes, names_of_one_hash,
           wildcards_in_every_level, many_shared_groups, deep_subscriptions, wrong_passwords, logins_that_stall, silent_connections, half_open,
           tls_handshakes, connection_flood, reconnect_storm, deaths_at_once, fresh_sessions, retained_flood, retained_properties, erasures,
           queue_flood, publish_flood, unread_answers, topic_aliases, cut_short, sl2_requests_of_one_address, sl2_requests_of_many_addresses,
           admin_places, replay_marks, a_held_shard]
