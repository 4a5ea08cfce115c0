// MQTT.js over one transport: `node mqttjs_transport.mjs URL`. Both versions; small, large and many messages.
import assert from "node:assert/strict";
import { once } from "node:events";
import mqtt from "mqtt";

const url = process.argv[2];
for (const protocolVersion of [4, 5]) {
  const client = mqtt.connect(url, { protocolVersion, reconnectPeriod: 0 });
  client.on("error", (error) => { throw error; });
  await once(client, "connect", { signal: AbortSignal.timeout(30_000) });
  const topic = `mqttjs/${url.split(":")[0]}/${protocolVersion}`;
  const seen = [];
  const all = new Promise((resolve) => client.on("message", (_, payload) => {
    seen.push(payload.length);
    if (seen.length === 103) resolve();
  }));
  await client.subscribeAsync(topic, { qos: 2 });
  const sizes = [0, 200_000, 65_536, ...Array.from({ length: 100 }, (_, i) => i + 1)];
  await Promise.all(sizes.map((size) => client.publishAsync(topic, Buffer.alloc(size, "x"), { qos: 2 })));
  await all;
  assert.deepEqual(seen, sizes);
  await client.endAsync();
}
console.log("done");
