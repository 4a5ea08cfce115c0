#!/usr/bin/env python3
"""Stands between clients and a broker, and does what a broker can do that means no good.

usage: hostile_broker.py --listen PORT --broker PORT [--do WHAT[,WHAT...]]

  read      looks for readable text in messages
  swap      puts keys of its own in place of those that two ends agree by
  change    flips a bit of every fifth message
  replay    publishes every fifth message once more, a moment later
  move      publishes every fifth message once more, under another topic
  drop      acknowledges every seventh message and throws it away
  reorder   brings every third message after the next one (QoS 0 only: others wait for their receipt)

It says on standard output what it does. It meddles with MQTT 3.1.1 and 5, and only with topics that begin with pmqtt/.
"""
import argparse
import asyncio
import re

PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 3, 4, 5, 6, 7
LONGEST_BY_CHANCE = 16  # printable characters in a row in what is encrypted
DEEDS = ("read", "swap", "change", "replay", "move", "drop", "reorder")


def variable_length(number):
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def read_variable_length(data, at):
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        at += 1
        shift += 7
        if not data[at - 1] & 0x80:
            return number, at


async def read_packet(stream):
    """The first octet and what follows the length."""
    first = (await stream.readexactly(1))[0]
    length = shift = 0
    while True:
        digit = (await stream.readexactly(1))[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return first, await stream.readexactly(length)


def encode(first, body):
    return bytes([first]) + variable_length(len(body)) + body


class Publish:
    def __init__(self, first, body, is_v5):
        self.first, self.is_v5 = first, is_v5
        size = int.from_bytes(body[:2], "big")
        self.topic = body[2:2 + size].decode()
        at = 2 + size
        self.packet_id = body[at:at + 2] if self.qos else b""
        at += len(self.packet_id)
        self.properties = b""
        if is_v5:
            length, start = read_variable_length(body, at)
            self.properties = body[at:start + length]
            at = start + length
        self.payload = body[at:]

    @property
    def qos(self):
        return self.first >> 1 & 3

    def encode(self):
        topic = self.topic.encode()
        return encode(self.first, len(topic).to_bytes(2, "big") + topic + self.packet_id + self.properties + self.payload)

    def copy(self, topic=None):
        """The same message once more, as QoS 0, so that nobody waits for an answer to it."""
        other = Publish.__new__(Publish)
        other.__dict__.update(self.__dict__)
        other.first, other.packet_id = 0x30, b""
        other.topic = topic or self.topic
        return other


class Hostile:
    """What is done to the messages of one run. `tell` gets a sentence for each deed."""

    def __init__(self, deeds, tell=print):
        self.deeds, self.tell = set(deeds), tell
        self.messages = 0
        self.held = None

    def meddle(self, publish):
        """The packets to send on instead of this one; the packet to answer its sender with, if it goes no further."""
        if publish.topic.startswith("pmqtt/kx/"):
            return self.meddle_with_keys(publish), None
        if not publish.topic.startswith("pmqtt/e2e/") or publish.topic.count("/") < 4:
            return [publish], None
        self.messages += 1
        turn = self.messages
        if "read" in self.deeds:
            text = max(re.findall(rb"[ -~]+", publish.payload), key=len, default=b"").decode()
            readable = "pulse" in text or len(text) >= LONGEST_BY_CHANCE
            self.tell(f"read: {len(publish.payload)} octets on {publish.topic}: {text if readable else 'nothing to be made of them'}")
        if "drop" in self.deeds and turn % 7 == 0:
            self.tell(f"drop: message {turn} on {publish.topic}")
            return [], self.acknowledgement(publish)
        if "reorder" in self.deeds and turn % 3 == 0 and publish.qos == 0 and self.held is None:
            self.tell(f"reorder: message {turn} waits for the next one")
            self.held = publish
            return [], None
        out = [publish]
        if "change" in self.deeds and turn % 5 == 0:
            self.tell(f"change: a bit of message {turn}")
            changed = bytearray(publish.payload)
            changed[-20] ^= 0x04
            publish.payload = bytes(changed)
        if "replay" in self.deeds and turn % 5 == 1:
            self.tell(f"replay: message {turn}")
            out.append(publish.copy())
        if "move" in self.deeds and turn % 5 == 2:
            self.tell(f"move: message {turn} to another topic")
            out.append(publish.copy(publish.topic + "/dose"))
        if self.held is not None:
            out.append(self.held)
            self.held = None
        return out, None

    def meddle_with_keys(self, publish):
        if "swap" in self.deeds and publish.payload[:2] in (b"\x02\x01", b"\x02\x02"):
            self.tell(f"swap: the point on {publish.topic} is replaced by another")
            generator = bytes.fromhex("036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
            publish.payload = publish.payload[:42] + generator + publish.payload[75:]
        return [publish]

    @staticmethod
    def acknowledgement(publish):
        if publish.qos == 0:
            return None
        return encode((PUBACK if publish.qos == 1 else PUBREC) << 4, publish.packet_id)


async def client_to_broker(hostile, client, client_out, broker_out):
    is_v5 = False
    thrown_away = set()  # identifiers of QoS 2 messages that the broker never saw
    while True:
        first, body = await read_packet(client)
        kind = first >> 4
        if kind == 1:
            is_v5 = body[6] == 5
        if kind == PUBREL and body[:2] in thrown_away:
            thrown_away.discard(body[:2])
            client_out.write(encode(PUBCOMP << 4, body[:2]))
            continue
        if kind != PUBLISH:
            broker_out.write(encode(first, body))
            await broker_out.drain()
            continue
        publish = Publish(first, body, is_v5)
        packets, answer = hostile.meddle(publish)
        for packet in packets:
            broker_out.write(packet.encode())
        if answer is not None:
            if publish.qos == 2:
                thrown_away.add(publish.packet_id)
            client_out.write(answer)
        await broker_out.drain()


async def broker_to_client(broker, client_out):
    while data := await broker.read(65536):
        client_out.write(data)
        await client_out.drain()


async def serve(listen, broker_port, hostile):
    async def connected(client, client_out):
        broker, broker_out = await asyncio.open_connection("127.0.0.1", broker_port)
        tasks = [asyncio.create_task(client_to_broker(hostile, client, client_out, broker_out)),
                 asyncio.create_task(broker_to_client(broker, client_out))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for out in (client_out, broker_out):
            out.close()

    return await asyncio.start_server(connected, "127.0.0.1", listen)


async def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--broker", type=int, required=True)
    parser.add_argument("--do", default=",".join(d for d in DEEDS if d != "swap"))
    options = parser.parse_args()
    deeds = options.do.split(",")
    if unknown := [deed for deed in deeds if deed not in DEEDS]:
        parser.error(f"unknown: {', '.join(unknown)}")

    def tell(text):
        print(text, flush=True)

    server = await serve(options.listen, options.broker, Hostile(deeds, tell))
    tell(f"ready on port {server.sockets[0].getsockname()[1]}")
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
