// MQTT.js through our broker: `node mqttjs.mjs PORT`. Both versions, every QoS; ends with 1 at the first thing that is wrong.
import assert from "node:assert/strict";
import { once } from "node:events";
import mqtt from "mqtt";

const port = Number(process.argv[2]);
const versions = [4, 5]; // MQTT 3.1.1 and 5
const patience = 30_000;

async function connect(version, clientId, options = {}) {
  const session = version === 5 && options.clean === false ? { sessionExpiryInterval: 3600 } : {};
  const client = mqtt.connect({
    host: "127.0.0.1", port, protocolVersion: version, clientId, reconnectPeriod: 0, clean: true,
    properties: session, ...options,
  });
  client.inbox = [];
  client.on("message", (topic, payload, packet) => {
    client.inbox.push({ topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain, properties: packet.properties });
    client.emit("arrived");
  });
  client.on("error", () => {}); // a connection that is refused or lost shows in what follows
  const [connack] = await once(client, "connect", { signal: AbortSignal.timeout(patience) });
  client.sessionPresent = connack.sessionPresent;
  return client;
}

async function receive(client, count) {
  const late = AbortSignal.timeout(patience);
  while (client.inbox.length < count) await once(client, "arrived", { signal: late });
  return client.inbox.splice(0, count);
}

async function vanish(client) {
  const closed = once(client, "close");
  client.stream.destroy(); // as if the process had died: no DISCONNECT
  await closed;
}

const checks = {
  async "every qos arrives at the lower of both"(publisher, subscriber, topic) {
    const out = await connect(publisher, `${topic}/out`);
    const at = await connect(subscriber, `${topic}/in`);
    for (const granted of [0, 1, 2]) {
      const [answer] = await at.subscribeAsync(`${topic}/${granted}/+`, { qos: granted });
      assert.equal(answer.qos, granted);
      for (const qos of [0, 1, 2]) await out.publishAsync(`${topic}/${granted}/${qos}`, "hello", { qos });
      const seen = (await receive(at, 3)).map((m) => [m.topic, m.qos, m.payload, m.retain]).sort();
      assert.deepEqual(seen, [0, 1, 2].map((qos) => [`${topic}/${granted}/${qos}`, Math.min(qos, granted), "hello", false]));
    }
    await out.endAsync();
    await at.endAsync();
  },

  async "a retained message waits until it is cleared"(publisher, subscriber, topic) {
    const out = await connect(publisher, `${topic}/out`);
    const at = await connect(subscriber, `${topic}/in`);
    await out.publishAsync(topic, "last value", { qos: 1, retain: true });
    await at.subscribeAsync(topic, { qos: 1 });
    assert.deepEqual((await receive(at, 1)).map((m) => [m.payload, m.retain]), [["last value", true]]);
    await at.unsubscribeAsync(topic);
    await out.publishAsync(topic, "", { qos: 1, retain: true });
    await at.subscribeAsync(topic, { qos: 1 });
    await out.publishAsync(topic, "live", { qos: 1 });
    assert.deepEqual((await receive(at, 1)).map((m) => [m.payload, m.retain]), [["live", false]]);
    await out.endAsync();
    await at.endAsync();
  },

  async "a will is for who vanishes"(publisher, subscriber, topic) {
    const at = await connect(subscriber, `${topic}/in`);
    await at.subscribeAsync(topic, { qos: 2 });
    const will = (payload) => ({ will: { topic, payload: Buffer.from(payload), qos: 2, retain: false } });
    await (await connect(publisher, `${topic}/a`, will("left"))).endAsync();
    await vanish(await connect(publisher, `${topic}/b`, will("vanished")));
    assert.deepEqual((await receive(at, 1)).map((m) => [m.payload, m.qos]), [["vanished", 2]]);
    await at.endAsync();
  },

  async "a persistent session gets what came meanwhile"(publisher, subscriber, topic) {
    const first = await connect(subscriber, topic, { clean: false });
    assert.equal(first.sessionPresent, false);
    await first.subscribeAsync(topic, { qos: 2 });
    await vanish(first);
    const out = await connect(publisher, `${topic}/out`);
    for (const qos of [1, 2]) await out.publishAsync(topic, `meanwhile ${qos}`, { qos });
    const again = await connect(subscriber, topic, { clean: false });
    assert.equal(again.sessionPresent, true);
    assert.deepEqual((await receive(again, 2)).map((m) => [m.payload, m.qos]), [["meanwhile 1", 1], ["meanwhile 2", 2]]);
    await again.endAsync();
    const anew = await connect(subscriber, topic);
    assert.equal(anew.sessionPresent, false);
    await anew.endAsync();
    await out.endAsync();
  },

  async "five hundred messages at qos 2 come once and in order"(publisher, subscriber, topic) {
    const out = await connect(publisher, `${topic}/out`);
    const at = await connect(subscriber, `${topic}/in`);
    await at.subscribeAsync(topic, { qos: 2 });
    const numbers = Array.from({ length: 500 }, (_, number) => String(number));
    await Promise.all(numbers.map((number) => out.publishAsync(topic, number, { qos: 2 })));
    assert.deepEqual((await receive(at, 500)).map((m) => m.payload), numbers);
    assert.equal(at.inbox.length, 0);
    await out.endAsync();
    await at.endAsync();
  },
};

async function takeover() {
  const first = await connect(5, "same name");
  const told = once(first, "disconnect", { signal: AbortSignal.timeout(patience) });
  const second = await connect(5, "same name");
  assert.equal((await told)[0].reasonCode, 0x8e); // session taken over
  await second.subscribeAsync("takeover");
  await second.publishAsync("takeover", "still here");
  await receive(second, 1);
  await second.endAsync();
}

async function properties() {
  const client = await connect(5, "properties");
  await client.subscribeAsync("properties", { qos: 1, properties: { subscriptionIdentifier: 7 } });
  await client.publishAsync("properties", "x", {
    qos: 1,
    properties: { contentType: "text/plain", correlationData: Buffer.from([0, 1]), responseTopic: "answers",
                  userProperties: { colour: ["red", "blue"] } },
  });
  const [message] = await receive(client, 1);
  assert.equal(message.properties.contentType, "text/plain");
  assert.deepEqual([...message.properties.correlationData], [0, 1]);
  assert.equal(message.properties.responseTopic, "answers");
  assert.deepEqual(message.properties.userProperties.colour, ["red", "blue"]);
  assert.equal(message.properties.subscriptionIdentifier, 7);
  await client.endAsync();
}

for (const publisher of versions)
  for (const subscriber of versions)
    for (const [name, check] of Object.entries(checks)) {
      console.log(`${name}: ${publisher} to ${subscriber}`);
      await check(publisher, subscriber, `${name.replaceAll(" ", "-")}/${publisher}/${subscriber}`);
    }
console.log("takeover");
await takeover();
console.log("properties");
await properties();
console.log("done");
process.exit(0);
