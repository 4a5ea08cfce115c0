"""Sessions as people's systems have them, against a model that counts: nothing is lost, nothing of QoS 2 comes twice, nobody is locked
out. Zigbee2MQTT, Home Assistant, Sparkplug, and a fleet in Kubernetes behind one address; brokers and clients are restarted all the
while. Each for SEALMQ_WORKLOAD_SECONDS: 3, if the environment does not say; `./dev endurance` says 600.
"""
import asyncio
import collections
import os
import random
import struct
import subprocess
import time
import unittest

from clients import Client
from servers import PATIENCE, SEALMQ, Broker

SECONDS = float(os.environ.get("SEALMQ_WORKLOAD_SECONDS", "3"))
IS_LONG = SECONDS >= 60
SEED = int(os.environ.get("SEED", str(random.randrange(1 << 30))))
LIMITS = "[limits]\nmaximum_queued_messages = 100000\nmaximum_queued_bytes = 200000000\n"


async def until(condition, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"seed {SEED}: {what() if callable(what) else what}"
        await asyncio.sleep(0.02)


class Workload(unittest.TestCase):
    CONFIGURATION = LIMITS
    OPTIONS = ("--allow-plain",)

    def setUp(self):
        print(f"seed {SEED}", flush=True)
        self.chance = random.Random(SEED)
        self.broker = Broker(*self.OPTIONS, configuration=self.CONFIGURATION)
        self.addCleanup(self.broker.stop)
        self.clients = []
        self.end = time.monotonic() + SECONDS
        self.restarts = 0

    def goes_on(self):
        return time.monotonic() < self.end

    def client(self, *arguments, **more):
        made = Client(self.broker, *arguments, **more)
        self.clients.append(made)
        return made

    async def restart_broker(self):
        """In turn as a service manager does it, and as a power cut; then everybody who was there comes back at once."""
        there = [client for client in self.clients if client.is_open]
        self.restarts += 1
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.broker.kill if self.restarts % 2 else self.broker.terminate)
        await loop.run_in_executor(None, self.broker.start)
        await asyncio.gather(*(client.wait_for_end() for client in there))
        await asyncio.gather(*(client.connect() for client in there))

    async def finish(self, *conditions):
        for condition, what in conditions:
            await until(condition, what)
        for client in self.clients:
            self.assertEqual(client.trouble, [], f"seed {SEED}")
            if client.is_open:
                await client.leave()

    def count(self, **figures):
        print(", ".join(f"{value} {name.replace('_', ' ')}" for name, value in {**figures, "restarts": self.restarts}.items()), flush=True)


class Zigbee2Mqtt(Workload):
    """One bridge speaks for all devices: 3000 retained messages when it starts, then states as they change."""
    DEVICES = 1500

    def test_every_state_arrives_and_every_retained_message_is_the_last(self):
        asyncio.run(self.work())

    async def work(self):
        states, sent, got = {}, collections.Counter(), collections.Counter()
        last = {}

        def heard(topic, payload, _):
            got[topic, payload] += 1
            last[topic] = payload

        automation = self.client("automation", on_message=heard)
        await automation.connect()
        await automation.subscribe("zigbee2mqtt/#", "homeassistant/#")
        bridge = self.client("zigbee2mqtt")

        async def start():
            await bridge.connect()
            for device in range(self.DEVICES):
                await bridge.publish(f"homeassistant/sensor/{device}/config", b'{"name":"%d"}' % device, 1, True)
                done = await bridge.publish(f"zigbee2mqtt/{device}", states.setdefault(f"zigbee2mqtt/{device}", b"0"), 1, True)
            await asyncio.wait_for(done, PATIENCE)

        async def newcomer():
            """Who subscribes now gets all that is retained, and of each the last."""
            found = {}
            fresh = self.client(f"newcomer-{self.restarts}-{time.monotonic()}", clean=True, expiry=0,
                                on_message=lambda topic, payload, retained: found.__setitem__(topic, payload) if retained else None)
            await fresh.connect()
            await fresh.subscribe("#")
            wanted = dict(states, **{f"homeassistant/sensor/{d}/config": b'{"name":"%d"}' % d for d in range(self.DEVICES)})
            await until(lambda: len(found) >= len(wanted), lambda: f"{len(found)} retained messages of {len(wanted)}")
            self.assertEqual(found, wanted, f"seed {SEED}")
            await fresh.leave()
            self.clients.remove(fresh)

        async def change(count):
            pending = []
            for _ in range(count):
                topic = f"zigbee2mqtt/{self.chance.randrange(self.DEVICES)}"
                states[topic] = b"%d" % (sum(sent.values()) + 1)
                sent[topic, states[topic]] += 1
                pending.append(await bridge.publish(topic, states[topic], 1, True))
            return pending

        await start()
        await newcomer()
        while True:
            pending = await change(200)
            step = self.chance.randrange(4)
            if step == 0:
                await self.restart_broker()
            elif step == 1:
                bridge.cut()
                await start()
            elif step == 2:
                automation.cut()
                pending += await change(100)
                await automation.connect()
            await asyncio.wait_for(asyncio.gather(*pending), PATIENCE)
            await newcomer()
            if not self.goes_on() and self.restarts > 0:
                break
        self.count(states=sum(sent.values()), messages=sum(got.values()))
        await self.finish((lambda: all(got[key] for key in sent), lambda: f"{[key for key in sent if not got[key]][:5]} never came"),
                          (lambda: all(last[topic] == state for topic, state in states.items()), "an older state came last"))


class HomeAssistant(Workload):
    """A hub that listens to everything; devices with retained availability as Wills, and commands that each takes once."""
    DEVICES = 60

    def test_wills_commands_and_discovery(self):
        asyncio.run(self.work())

    async def work(self):
        offline, expected_offline = collections.Counter(), collections.Counter()
        commands, taken = collections.Counter(), collections.Counter()
        discovered = set()
        self.got_everything = 0

        def hub_hears(topic, payload, retained):
            name = topic.split("/")[1]
            if topic.endswith("/availability") and payload.startswith(b"offline") and not retained:
                offline[name, payload] += 1
            if topic.endswith("/config"):
                discovered.add(name)

        hub = self.client("hub", on_message=hub_hears)
        await hub.connect()
        await hub.subscribe("#", qos=2)
        devices = []
        for number in range(self.DEVICES):
            def device_hears(topic, payload, _, name=f"{number}"):
                taken[name, payload] += 1
            devices.append(self.client(f"device-{number}", on_message=device_hears))

        async def come(number):
            device = devices[number]
            device.lives = getattr(device, "lives", 0) + 1
            device.will = (f"dev/{number}/availability", b"offline %d" % device.lives, 1, True)
            await device.connect()
            if device.lives == 1:
                await device.subscribe(f"dev/{number}/set", qos=2)
            await device.publish(f"homeassistant/{number}/config", b"{}", 1, True)
            await asyncio.wait_for(await device.publish(f"dev/{number}/availability", b"online", 1, True), PATIENCE)

        async def command(count):
            pending = []
            for _ in range(count):
                name = f"{self.chance.randrange(self.DEVICES)}"
                payload = b"%d" % (len(commands) + 1)
                commands[name, payload] += 1
                pending.append(await hub.publish(f"dev/{name}/set", payload, 2))
            return pending

        await asyncio.gather(*(come(number) for number in range(self.DEVICES)))
        while self.goes_on():
            pending = await command(100)
            step = self.chance.randrange(5)
            if step == 0:
                for device in devices:
                    await device.leave()
                # DISCONNECT is not acknowledged: a kill at once might come before the store has learnt that the Wills are void.
                await asyncio.sleep(0.5)
                await self.restart_broker()
                for number in range(self.DEVICES):
                    await come(number)
            elif step == 1:
                hub.cut()
                await asyncio.sleep(0.05)
                await hub.connect()
            else:
                chosen = self.chance.sample(range(self.DEVICES), 5)
                for number in chosen:
                    expected_offline[f"{number}", devices[number].will[1]] += 1
                    devices[number].cut()
                pending += await command(50)
                await until(lambda: all(offline[f"{number}", devices[number].will[1]] for number in chosen), "a Will did not come")
                await asyncio.gather(*(come(number) for number in chosen))
            await asyncio.wait_for(asyncio.gather(*pending), PATIENCE)
        self.count(commands=sum(commands.values()), wills=sum(expected_offline.values()))
        await self.finish((lambda: taken.keys() >= commands.keys(), lambda: f"{len(commands.keys() - taken.keys())} commands never came"),
                          (lambda: len(discovered) == self.DEVICES, "a device was not discovered"))
        self.assertEqual([key for key in taken if taken[key] != 1], [], f"seed {SEED}: QoS 2 comes once")
        self.assertEqual(offline.keys() - expected_offline.keys(), set(), f"seed {SEED}: nobody was offline then")


class Sparkplug(Workload):
    """Edge nodes with births, data in numbered order, and deaths as Wills that belong to their births; two host applications."""
    NODES = 20

    def test_deaths_belong_to_births_and_data_has_no_gaps(self):
        asyncio.run(self.work())

    async def work(self):
        births, deaths, data = collections.Counter(), 0, 0
        wrong = []

        class Host:
            """What one host application believes of each node."""
            def __init__(self):
                self.alive, self.sequence, self.since, self.deaths = {}, {}, {}, collections.Counter()

            def hears(self, topic, payload, _):
                _, _, kind, node = topic.split("/")
                session, sequence = struct.unpack(">IB", payload)
                if kind == "NBIRTH":
                    self.alive[node], self.sequence[node] = session, 0
                elif kind == "NDATA" and self.alive.get(node) == session:
                    if sequence != (self.sequence[node] + 1) % 256:
                        wrong.append(f"{node}: {sequence} after {self.sequence[node]}")
                    self.sequence[node] = sequence
                elif kind == "NDEATH":
                    self.deaths[node, session] += 1
                    if self.alive.get(node) == session:
                        self.alive[node] = None

        hosts = [Host(), Host()]
        links = []
        for number, host in enumerate(hosts):
            link = self.client(f"host-{number}", on_message=host.hears, expiry=0, clean=True, will=(f"STATE/host-{number}", b"offline", 1, True))
            links.append(link)

        async def host_comes(number):
            hosts[number].alive.clear()
            await links[number].connect()
            await links[number].subscribe("spBv1.0/plant/#", qos=1)
            await asyncio.wait_for(await links[number].publish(f"STATE/host-{number}", b"online", 1, True), PATIENCE)

        sessions, sequences = [0] * self.NODES, [0] * self.NODES
        states = collections.defaultdict(list)
        nodes = [self.client(f"node-{number}", expiry=0, clean=True, on_message=lambda topic, payload, retained, n=number: states[n].append((topic, payload)))
                 for number in range(self.NODES)]

        async def say(number, kind):
            sequences[number] = 0 if kind == "NBIRTH" else (sequences[number] + 1) % 256
            await nodes[number].publish(f"spBv1.0/plant/{kind}/n{number}", struct.pack(">IB", sessions[number], sequences[number]), 0)

        async def born(number):
            sessions[number] += 1
            nodes[number].will = (f"spBv1.0/plant/NDEATH/n{number}", struct.pack(">IB", sessions[number], 0), 1, False)
            await nodes[number].connect()
            await nodes[number].subscribe("STATE/#")
            await say(number, "NBIRTH")
            births[number] += 1

        def all_alive():
            return all(host.alive.get(f"n{number}") == sessions[number] for host in hosts for number in range(self.NODES))

        for number in range(2):
            await host_comes(number)
        await asyncio.gather(*(born(number) for number in range(self.NODES)))
        await until(all_alive, "a birth did not come")
        while self.goes_on():
            for _ in range(20):
                for number in range(self.NODES):
                    await say(number, "NDATA")
                    data += 1
                await asyncio.sleep(0)
            step = self.chance.randrange(4)
            if step == 0:  # a host is away; its Will and its return are seen, and every node is born again
                number = self.chance.randrange(2)
                for state in states.values():
                    state.clear()
                links[number].cut()
                await until(lambda: all((f"STATE/host-{number}", b"offline") in states[n] for n in range(self.NODES)), "a host's Will did not come")
                await host_comes(number)
                await until(lambda: all((f"STATE/host-{number}", b"online") in states[n] for n in range(self.NODES)), "a host's return was not told")
                for n in range(self.NODES):
                    await say(n, "NBIRTH")
            elif step == 1:  # everybody at once
                for client in nodes + links:
                    await client.leave()
                await self.restart_broker()
                for number in range(2):
                    await host_comes(number)
                await asyncio.gather(*(born(number) for number in range(self.NODES)))
            else:
                for number in self.chance.sample(range(self.NODES), 3):
                    before = sessions[number]
                    nodes[number].cut()
                    deaths += 1
                    await until(lambda: all(host.deaths[f"n{number}", before] == 1 for host in hosts), "a death did not come, or twice")
                    await born(number)
            await until(all_alive, "a birth did not come")
            for n in range(self.NODES):
                await until(lambda: all(host.sequence[f"n{n}"] == sequences[n] for host in hosts), "data did not come")
        self.count(births=sum(births.values()), deaths=deaths, data=data)
        await self.finish()
        self.assertEqual(wrong, [], f"seed {SEED}")
        for host in hosts:
            self.assertEqual([key for key, count in host.deaths.items() if count != 1], [], f"seed {SEED}")


class Kubernetes(Workload):
    """A thousand clients behind one address, with one password; they are replaced in batches, and now and then all come at once."""
    CLIENTS = 1000 if IS_LONG else 150
    CONFIGURATION = LIMITS + "[[topic]]\nfilter = '#'\npublish = ['plain']\nsubscribe = ['plain']\n"
    OPTIONS = ()

    def test_a_rolling_restart_locks_nobody_out_and_loses_nothing(self):
        for name, password in (("fleet", "secret of the fleet\n"), ("control", "secret of control\n")):
            for words, said in ((("enroll", name, "--password-only", "--publish", "#", "--subscribe", "#"), None), (("password", name), password)):
                done = subprocess.run([SEALMQ, "identity", *words, "--data", self.broker.data], input=said, text=True, capture_output=True,
                                      timeout=PATIENCE)
                self.assertEqual(done.returncode, 0, done.stderr)
        asyncio.run(self.work())

    async def work(self):
        jobs, taken = collections.Counter(), collections.Counter()
        once, twice = collections.Counter(), collections.Counter()

        def pod_hears(topic, payload, _, name):
            (once if payload.startswith(b"2 ") else taken)[name, payload] += 1

        pods = []
        for number in range(self.CLIENTS):
            name = f"pod-{number}"
            pods.append(self.client(name, on_message=lambda topic, payload, retained, name=name: pod_hears(topic, payload, retained, name),
                                    user="fleet", password="secret of the fleet"))
        control = self.client("control", user="control", password="secret of control")
        await control.connect()
        begin = time.monotonic()
        await asyncio.gather(*(pod.connect() for pod in pods))
        print(f"{self.CLIENTS} clients of one address were let in within {time.monotonic() - begin:.1f} s", flush=True)
        await asyncio.gather(*(pod.subscribe(f"jobs/{pod.name}", qos=2) for pod in pods))

        async def give(count):
            pending = []
            for _ in range(count):
                name = f"pod-{self.chance.randrange(self.CLIENTS)}"
                qos = self.chance.randrange(1, 3)
                payload = b"%d %d" % (qos, len(jobs) + len(twice) + 1)
                (jobs if qos == 1 else twice)[name, payload] += 1
                pending.append(await control.publish(f"jobs/{name}", payload, qos))
            return pending

        at, batch = 0, max(10, self.CLIENTS // 10)
        while True:
            pending = await give(200)
            if self.chance.randrange(4) == 0 or (not self.goes_on() and self.restarts == 0):
                await self.restart_broker()
            else:  # the next batch is replaced: half leave in order, half are killed
                leaving = [pods[(at + i) % self.CLIENTS] for i in range(batch)]
                at += batch
                for number, pod in enumerate(leaving):
                    if number % 2:
                        pod.cut()
                    else:
                        await pod.leave()
                pending += await give(100)
                await asyncio.gather(*(pod.connect() for pod in leaving))
            await asyncio.wait_for(asyncio.gather(*pending), PATIENCE)
            if not self.goes_on() and self.restarts > 0:
                break
        self.count(jobs=sum(jobs.values()) + sum(twice.values()))
        await self.finish((lambda: taken.keys() >= jobs.keys(), lambda: f"{len(jobs.keys() - taken.keys())} jobs of QoS 1 never came"),
                          (lambda: once.keys() >= twice.keys(), lambda: f"{len(twice.keys() - once.keys())} jobs of QoS 2 never came"))
        self.assertEqual([key for key in once if once[key] != 1], [], f"seed {SEED}: QoS 2 comes once")


if __name__ == "__main__":
    unittest.main()
