// Two decoders, one opinion: `node differential.mjs DECODER [PACKETS [SEED]]`. Random packets, most of them damaged, go to our decoder
// (decode_packets.cpp) and to npm's mqtt-packet. Where both accept, every field must be equal. Where one refuses, a rule below must
// say why, with the standard's statement, and where it can, see the offence for itself. What no rule explains fails.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import mqttPacket from "mqtt-packet";
import mqttConstants from "mqtt-packet/constants.js";

const [decoder, wanted = "100000", seed = "20240229"] = process.argv.slice(2);

// -- chance, the same on every machine -----------------------------------------------------------------------------------------

let state = Number(seed) >>> 0;
function below(n) { // mulberry32
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return Math.floor(((t ^ (t >>> 14)) >>> 0) / 4294967296 * n);
}
const pick = (list) => list[below(list.length)];
const coin = () => below(2) === 1;
const sometimes = (make, one = 4) => (below(one) === 0 ? make() : undefined);
const list = (least, most, make) => Array.from({ length: least + below(most - least + 1) }, make);
const bytes = (most) => Buffer.from(list(0, most, () => below(256)));
const parts = ["a", "plant", "/", "/", "Ω", "€", "\u{1F512}", "\uFEFF", "temp erature", "0", "$", "\uFFFD".slice(1), "é", "\u0001"];
const text = (least = 0) => list(least, 5, () => pick(parts)).join("") || (least > 0 ? "x" : "");
const filter = () => pick(["#", "+", "a/#", "+/b", "$share/g/a", text(1), text(1)]);

function without_undefined(object) {
  for (const key of Object.keys(object)) if (object[key] === undefined) delete object[key];
  return object;
}

// -- legal packets, encoded by mqtt-packet --------------------------------------------------------------------------------------

const u16 = () => pick([1, 2, 255, 256, 65535, 1 + below(65535)]);
const u32 = () => pick([0, 1, 3600, 4294967295]);
const users = () => {
  const all = {};
  for (let i = below(4); i > 0; --i) all[pick(["a", "b", "Ω", text(1)])] = coin() ? text(1) : [text(1), text(1)];
  return all;
};
const property = {
  payloadFormatIndicator: coin, messageExpiryInterval: u32, contentType: text, responseTopic: () => text(1), correlationData: () => bytes(9),
  sessionExpiryInterval: u32, assignedClientIdentifier: text, serverKeepAlive: u16, authenticationMethod: text, authenticationData: () => bytes(9),
  requestProblemInformation: coin, willDelayInterval: u32, requestResponseInformation: coin, responseInformation: text,
  serverReference: text, reasonString: text, receiveMaximum: u16, topicAliasMaximum: u16, topicAlias: u16, maximumQoS: () => below(2),
  retainAvailable: coin, maximumPacketSize: () => 1 + below(100000), wildcardSubscriptionAvailable: coin,
  subscriptionIdentifiersAvailable: coin, sharedSubscriptionAvailable: coin, userProperties: users,
};
const message = ["payloadFormatIndicator", "messageExpiryInterval", "contentType", "responseTopic", "correlationData", "userProperties"];
const answer = ["reasonString", "userProperties"];
const properties_of = { // MQTT 5 section 2.2.2.2, by packet
  connect: ["sessionExpiryInterval", "receiveMaximum", "maximumPacketSize", "topicAliasMaximum", "requestResponseInformation",
    "requestProblemInformation", "userProperties", "authenticationMethod", "authenticationData"],
  will: [...message, "willDelayInterval"],
  connack: [...answer, "sessionExpiryInterval", "receiveMaximum", "maximumQoS", "retainAvailable", "maximumPacketSize", "assignedClientIdentifier",
    "topicAliasMaximum", "wildcardSubscriptionAvailable", "subscriptionIdentifiersAvailable", "sharedSubscriptionAvailable",
    "serverKeepAlive", "responseInformation", "serverReference", "authenticationMethod", "authenticationData"],
  publish: [...message, "topicAlias", "subscriptionIdentifier"],
  puback: answer, pubrec: answer, pubrel: answer, pubcomp: answer,
  subscribe: ["subscriptionIdentifier", "userProperties"], suback: answer,
  unsubscribe: ["userProperties"], unsuback: answer, pingreq: [], pingresp: [],
  disconnect: [...answer, "sessionExpiryInterval", "serverReference"],
  auth: [...answer, "authenticationMethod", "authenticationData"],
};
function properties(carrier) {
  const made = {};
  for (const name of properties_of[carrier])
    if (property[name] && below(4) === 0) made[name] = property[name]();
  if (carrier === "publish" && below(6) === 0) made.subscriptionIdentifier = list(1, 3, () => 1 + below(268435455));
  if (carrier === "subscribe" && below(3) === 0) made.subscriptionIdentifier = 1 + below(268435455);
  if (made.authenticationData && made.authenticationMethod === undefined) delete made.authenticationData;
  return made;
}

const common = [0, 0x80, 0x83, 0x87];
const reasons = {
  connack: [...common, 0x81, 0x82, 0x84, 0x85, 0x86, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f],
  puback: [...common, 0x10, 0x90, 0x91, 0x97, 0x99], pubrec: [...common, 0x10, 0x90, 0x91, 0x97, 0x99], pubrel: [0, 0x92], pubcomp: [0, 0x92],
  suback: [...common, 1, 2, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2], unsuback: [...common, 0x11, 0x8f, 0x91],
  disconnect: [...common, 4, 0x81, 0x82, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d,
    0x9e, 0x9f, 0xa0, 0xa1, 0xa2],
  auth: [0, 0x18, 0x19],
};

const make = {
  connect(v) {
    const will = sometimes(() => without_undefined({
      topic: text(1), payload: bytes(12), qos: below(3), retain: coin(), properties: v === 5 ? properties("will") : undefined }), 3);
    const username = sometimes(text, 3);
    return { protocolId: v === 3 ? "MQIsdp" : "MQTT", protocolVersion: v, bridgeMode: v !== 5 && below(9) === 0, clean: true, keepalive: below(65536),
      clientId: text(1), will, username, password: username === undefined ? undefined : sometimes(() => bytes(8), 2) };
  },
  connack: (v) => v === 5 ? { reasonCode: pick(reasons.connack), sessionPresent: false } : { returnCode: below(6), sessionPresent: false },
  publish: () => {
    const qos = below(3);
    return { topic: text(1), payload: bytes(40), qos, retain: coin(), dup: qos > 0 && coin(), messageId: qos > 0 ? u16() : undefined };
  },
  subscribe: (v) => ({ messageId: u16(), subscriptions: list(1, 3, () => v === 5
    ? { topic: filter(), qos: below(3), nl: below(4) === 0, rap: coin(), rh: below(3) } : { topic: filter(), qos: below(3) }) }),
  suback: (v) => ({ messageId: u16(), granted: list(1, 3, () => pick(v === 5 ? reasons.suback : [0, 1, 2, 128])) }),
  unsubscribe: () => ({ messageId: u16(), unsubscriptions: list(1, 3, filter) }),
  unsuback: (v) => ({ messageId: u16(), granted: v === 5 ? list(1, 3, () => pick(reasons.unsuback)) : [] }),
  pingreq: () => ({}), pingresp: () => ({}),
  disconnect: (v) => (v === 5 ? { reasonCode: pick(reasons.disconnect) } : {}),
  auth: () => ({ reasonCode: pick(reasons.auth) }),
};
for (const ack of ["puback", "pubrec", "pubrel", "pubcomp"])
  make[ack] = (v) => ({ messageId: u16(), reasonCode: v === 5 ? pick(reasons[ack]) : undefined });

function legal(v) {
  const names = Object.keys(make).filter((name) => name !== "auth" || v === 5);
  const cmd = pick([...names, "connect", "publish", "publish", "subscribe"]);
  const packet = { cmd, ...without_undefined(make[cmd](v)) };
  if (v === 5) packet.properties = properties(cmd);
  return mqttPacket.generate(packet, { protocolVersion: v });
}

// -- damage ---------------------------------------------------------------------------------------------------------------------

function header_size(packet) {
  let size = 2;
  while (size <= 5 && packet[size - 1] & 0x80) ++size;
  return size;
}
function with_its_length(first, body) {
  const length = [];
  let left = body.length;
  do {
    length.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    left >>>= 7;
  } while (left > 0);
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

const snippets = [ // what hits more often than chance: properties, lengths, text that is not UTF-8
  [0x01, 1], [0x01, 2], [0x02, 0, 0, 0, 9], [0x03, 0, 1, 0x61], [0x08, 0, 1, 0x2b], [0x09, 0, 1, 1], [0x0b, 0], [0x0b, 7], [0x11, 0, 0, 0, 1],
  [0x13, 0, 5], [0x15, 0, 1, 0x6d], [0x16, 0, 1, 0x64], [0x17, 2], [0x1f, 0, 1, 0x72], [0x21, 0, 0], [0x23, 0, 0], [0x23, 0, 1], [0x24, 2], [0x27, 0, 0, 0, 0],
  [0x26, 0, 1, 0x6e, 0, 1, 0x76], [0x7f], [0x80, 0], [0xff, 0xff, 0xff, 0xff], [0, 0], [0xff], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xef, 0xbb, 0xbf],
  [0x23], [0x2b], [0x85], [0],
];
/// Where the length of the properties stands; only those of less than 128 bytes are of use.
function section_of(first, body) {
  const after_text = 2 + (body[0] << 8) + body[1];
  switch (first >> 4) {
    case 1: return 10;
    case 2: case 8: case 9: case 10: case 11: return 2;
    case 3: return after_text + ((first & 6) !== 0 ? 2 : 0);
    case 4: case 5: case 6: case 7: return body.length > 3 ? 3 : undefined;
    case 14: case 15: return body.length > 1 ? 1 : undefined;
    default: return undefined;
  }
}
function damage(v, packet) {
  const at = header_size(packet);
  let first = packet[0], body = [...packet.subarray(at)];
  const section = section_of(first, body);
  if (v === 5 && section !== undefined && body[section] < 100 && below(3) === 0) { // one more property, or one again, in good form
    const end = section + 1 + body[section];
    const more = coin() ? pick(snippets) : body.slice(section + 1, end);
    body.splice(end, 0, ...more);
    body[section] += more.length;
    return with_its_length(first, Buffer.from(body));
  }
  for (let i = 1 + below(2); i > 0; --i) {
    const here = below(body.length + 1);
    switch (below(8)) {
      case 0: if (body.length > 0) body[below(body.length)] ^= 1 << below(8); break;
      case 1: if (body.length > 0) body[below(body.length)] = below(256); break;
      case 2: body.splice(here, 1 + below(3)); break;
      case 3: body.splice(here, 0, ...pick(snippets)); break;
      case 4: body.splice(here, pick(snippets).length, ...pick(snippets)); break;
      case 5: body = body.slice(0, here); break;
      case 6: body = [...body, ...bytes(4)]; break;
      case 7: if (below(3) === 0) first ^= 1 << below(8); else if (body.length > 0) body[below(Math.min(16, body.length))] ^= 1 << below(8); break;
    }
  }
  const whole = with_its_length(first, Buffer.from(body));
  if (below(20) === 0) whole[1] ^= 1 << below(8);
  if (below(60) === 0) return Buffer.from([first, 0x80 | (body.length & 0x7f), body.length >> 7, ...body]); // perhaps longer than need be
  return whole;
}

function next(v) {
  const kind = below(10);
  let packet = kind === 0 ? with_its_length(below(256), bytes(30)) : legal(v);
  if (kind > 2) packet = damage(v, packet);
  // One packet at most: mqtt-packet looks into what follows.
  let length = 0, shift = 1, at = 1;
  for (; at < 5 && at < packet.length; shift *= 128) {
    length += (packet[at] & 0x7f) * shift;
    if (!(packet[at++] & 0x80)) break;
  }
  return packet.subarray(0, at + length);
}

// -- what each says -------------------------------------------------------------------------------------------------------------

function theirs_of(v, packet) {
  const parser = mqttPacket.parser({ protocolVersion: v });
  const verdict = {};
  parser.on("error", (error) => { verdict.refused ??= error.message; });
  parser.on("packet", (decoded) => { if (verdict.refused === undefined && verdict.packet === undefined) verdict.packet = decoded; });
  try {
    parser.parse(packet);
  } catch (error) {
    verdict.refused ??= "throws: " + error.message; // it looks beyond the end
  }
  if (verdict.refused === undefined && verdict.packet === undefined) verdict.incomplete = true;
  return verdict;
}

const hex = (buffer) => Buffer.from(buffer ?? []).toString("hex");
function their_properties(p) {
  const out = { ...p };
  for (const name of ["correlationData", "authenticationData"]) if (out[name] !== undefined) out[name] = hex(out[name]);
  if (typeof out.subscriptionIdentifier === "number") out.subscriptionIdentifier = [out.subscriptionIdentifier];
  if (out.userProperties) out.userProperties = { ...out.userProperties };
  return out;
}
/// mqtt-packet keeps user properties in an object: the order between names is lost, and an empty value that another one follows.
function our_properties(p) {
  const out = { ...p };
  if (!p.userProperties) return out;
  const object = Object.create(null);
  for (const [name, value] of p.userProperties) {
    if (Array.isArray(object[name])) object[name].push(value);
    else object[name] = object[name] ? [object[name], value] : value;
  }
  out.userProperties = { ...object };
  return out;
}

const return_codes = [0, 0x84, 0x85, 0x88, 0x86, 0x87];
/// Their packet in our form.
function normal(v, p) {
  const out = { properties: their_properties(p.properties) };
  const take = (...names) => { for (const name of names) out[name] = p[name]; };
  switch (p.cmd) {
    case "connect":
      take("protocolVersion", "clean", "keepalive", "clientId");
      out.bridgeMode = p.bridgeMode ?? false;
      if (p.username !== undefined) out.username = p.username;
      if (p.password !== undefined) out.password = hex(p.password);
      if (p.will) out.will = { topic: p.will.topic, payload: hex(p.will.payload), qos: p.will.qos, retain: p.will.retain,
        properties: their_properties(p.will.properties) };
      break;
    case "connack":
      out.sessionPresent = v !== 3 && p.sessionPresent; // MQTT 3.1 does not use that byte
      out.reasonCode = v === 5 ? p.reasonCode : return_codes[p.returnCode];
      break;
    case "publish":
      take("dup", "qos", "retain", "topic");
      out.payload = hex(p.payload);
      if (p.qos > 0) take("messageId");
      break;
    case "puback": case "pubrec": case "pubrel": case "pubcomp":
      take("messageId");
      out.reasonCode = p.reasonCode ?? 0;
      break;
    case "subscribe":
      take("messageId");
      out.subscriptions = p.subscriptions.map((s) => ({ topic: s.topic, qos: s.qos, nl: s.nl ?? false, rap: s.rap ?? false, rh: s.rh ?? 0 }));
      break;
    case "suback": take("messageId", "granted"); break;
    case "unsubscribe": take("messageId", "unsubscriptions"); break;
    case "unsuback":
      take("messageId");
      out.granted = p.granted ?? [];
      break;
    case "disconnect": case "auth":
      out.reasonCode = p.reasonCode ?? 0;
      break;
  }
  return out;
}
function ours_normal(p) {
  const out = { ...p, properties: our_properties(p.properties ?? {}) };
  if (p.will) out.will = { ...p.will, properties: our_properties(p.will.properties) };
  return out;
}

// -- rules ----------------------------------------------------------------------------------------------------------------------

function* texts(value) {
  if (typeof value === "string") yield value;
  else if (value && typeof value === "object" && !Buffer.isBuffer(value))
    for (const [key, inner] of Object.entries(value)) { yield key; yield* texts(inner); }
}
/// Every property as it stands in the bytes: mqtt-packet forgets a first value that is 0, false or empty when a second one comes.
function* raw_properties(p, packet) {
  const body = packet.subarray(header_size(packet));
  const variable = (at) => {
    let value = 0, shift = 1;
    for (;; shift *= 128) {
      value += (body[at] & 0x7f) * shift;
      if (!(body[at++] & 0x80)) return [value, at];
    }
  };
  const size_of = { byte: () => 1, int8: () => 1, int16: () => 2, int32: () => 4, var: (at) => variable(at)[1] - at,
    string: (at) => 2 + body.readUInt16BE(at), binary: (at) => 2 + body.readUInt16BE(at),
    pair: (at) => { const name = 2 + body.readUInt16BE(at); return name + 2 + body.readUInt16BE(at + name); } };
  const start = section_of(packet[0], body);
  const sections = start === undefined ? [] : [[p.cmd, start]];
  for (const [carrier, from] of sections) {
    let [length, at] = variable(from);
    for (const end = at + length; at < end;) {
      const [id, value_at] = variable(at);
      const name = mqttConstants.propertiesCodes[id];
      if (name === undefined) return;
      const size = value_at + 2 <= body.length ? size_of[mqttConstants.propertiesTypes[name]](value_at) : 1;
      yield [carrier, name, body.subarray(value_at, value_at + size)];
      at = value_at + size;
    }
    if (carrier === "connect" && p.will) sections.push(["will", at + 2 + body.readUInt16BE(at)]);
  }
}
function some_property(p, packet, test) {
  const seen = new Set();
  for (const [carrier, name, raw] of raw_properties(p, packet)) {
    const key = carrier + name;
    if (test(carrier, name, raw, seen.has(key))) return true;
    seen.add(key);
  }
  return false;
}
function is_filter(topic) {
  const share = /^\$share\/([^+#/]+)\/(.*)$/s.exec(topic);
  if (topic.startsWith("$share/") && (!share || share[2].startsWith("$share/"))) return false;
  const levels = (share ? share[2] : topic).split("/");
  return levels.join("/") !== "" && levels.every((level, at) => !/[+#]/.test(level) || level === "+" || (level === "#" && at === levels.length - 1));
}
const is_zero = (raw) => raw.every((byte) => byte === 0);
const not_shown = () => true; // mqtt-packet does not look at lengths; where it ended up cannot show what was wrong

// What we refuse and mqtt-packet accepts: our words, the statement, why, and whether the offence is there in what it decoded.
const we_are_stricter = [
  ["remaining length is not in its shortest form", "MQTT-1.5.5-1", "shortest form", (p, b) => b[header_size(b) - 1] === 0],
  ["variable byte integer is not in its shortest form", "MQTT-1.5.5-1", "shortest form", (p, b) => b.indexOf(0, 2) > 0],
  ["string is not valid UTF-8", "MQTT-1.5.4-1 MQTT-1.5.4-2", "UTF-8 without NUL",
    (p) => [...texts(p)].some((t) => t.includes("\uFFFD") || t.includes("\0"))],
  ["packet identifier is 0", "MQTT-2.2.1-3", "identifiers are not 0", (p) => p.messageId === 0],
  ["reason code is not one of this packet", "MQTT-3.2.2-8 and its like", "each packet has its reason codes",
    (p, b, v) => !(reasons[p.cmd] ?? []).includes(p.reasonCode)],
  ["bytes are left over", "MQTT-3.1.4-1", "the Remaining Length ends where the packet does", not_shown],
  ["ends too early", "MQTT-3.1.4-1", "a field is missing", not_shown],
  ["property is not one of this packet", "MQTT 5 section 2.2.2.2", "each packet has its properties",
    (p, b) => some_property(p, b, (carrier, name) => !properties_of[carrier].includes(name))],
  ["property stands twice", "MQTT 5 section 2.2.2", "once, but for user properties",
    (p, b) => some_property(p, b, (carrier, name, raw, again) => again && name !== "userProperties")],
  ["property is neither 0 nor 1", "MQTT 5 section 3.1.2.11.7 and its like", "flags are 0 or 1",
    (p, b) => some_property(p, b, (carrier, name, raw) => raw.length === 1 && raw[0] > 1 && name !== "subscriptionIdentifier")],
  ["property is 0", "MQTT-3.3.2-8, sections 3.1.2.11.3 and 3.1.2.11.4", "these are never 0",
    (p, b) => some_property(p, b, (carrier, name, raw) => ["receiveMaximum", "maximumPacketSize", "topicAlias"].includes(name) && is_zero(raw))],
  ["subscription identifier is 0", "MQTT 5 section 3.8.2.1.2", "1 to 268 435 455",
    (p, b) => some_property(p, b, (carrier, name, raw) => name === "subscriptionIdentifier" && is_zero(raw))],
  ["response topic is not a topic name", "MQTT-3.3.2-14", "no wildcards, not empty",
    (p, b) => some_property(p, b, (carrier, name, raw) => name === "responseTopic" && (raw.length === 2 || /[+#]/.test(raw)))],
  ["authentication data without a method", "MQTT 5 section 3.1.2.11.10", "data belong to a method",
    (p) => p.properties?.authenticationData !== undefined && p.properties.authenticationMethod === undefined],
  ["protocol name or version is not spoken here", "MQTT-3.1.2-1 MQTT-3.1.2-2", "name and level belong together; MQTT 5 has no bridge bit",
    (p) => (p.protocolId === "MQIsdp") !== (p.protocolVersion === 3) || (p.bridgeMode && p.protocolVersion === 5)],
  ["QoS of the will is 3", "MQTT-3.1.2-12", "QoS 3 does not exist", (p) => p.will?.qos === 3],
  ["password without a user name", "MQTT 3.1.1 MQTT-3.1.2-22", "only MQTT 5 allows it",
    (p) => p.password !== undefined && p.username === undefined && p.protocolVersion !== 5],
  ["topic of the will is not a topic name", "MQTT-3.3.2-2 MQTT-4.7.3-1", "no wildcards, not empty",
    (p) => p.will !== undefined && (p.will.topic === "" || /[+#]/.test(p.will.topic))],
  ["client identifier is not valid", "MQTT 3.1.1 MQTT-3.1.3-8", "no name, no session to keep; MQTT 3.1 wants one always",
    (p) => p.clientId === "" && (p.protocolVersion === 3 || !p.clean)],
  ["return code is reserved", "MQTT 3.1.1 section 3.2.2.3", "0 to 5", (p) => p.returnCode > 5],
  ["a refusal with a session", "MQTT-3.2.2-6", "Session Present only with success", (p) => p.sessionPresent && (p.reasonCode ?? p.returnCode) !== 0],
  ["a message of QoS 0 is marked DUP", "MQTT-3.3.1-2", "QoS 0 is not repeated", (p) => p.dup && p.qos === 0],
  ["topic is empty", "MQTT-4.7.3-1", "at least one character, or an alias", (p) => p.topic === "" && p.properties?.topicAlias === undefined],
  ["topic has a wildcard", "MQTT-3.3.2-2", "wildcards are for filters", (p) => /[+#]/.test(p.topic)],
  ["nothing to subscribe to", "MQTT-3.8.3-2", "at least one filter", (p) => p.subscriptions.length === 0],
  ["nothing to unsubscribe from", "MQTT-3.10.3-2", "at least one filter", (p) => p.unsubscriptions.length === 0],
  ["not a topic filter", "MQTT-4.7.1-1 MQTT-4.7.1-2 MQTT-4.7.3-1 MQTT-4.8.2-1 MQTT-4.8.2-2", "wildcards fill a level, # is the last one",
    (p) => (p.unsubscriptions ?? p.subscriptions.map((s) => s.topic)).some((topic) => !is_filter(topic))],
  ["no local on a shared subscription", "MQTT-3.8.3-4", "a share has no own messages",
    (p) => p.subscriptions.some((s) => s.nl && s.topic.startsWith("$share/"))],
  ["SUBACK without a reason code", "MQTT-3.8.4-6", "one for each filter", (p) => p.granted.length === 0],
  ["UNSUBACK without a reason code", "MQTT-3.11.3-1", "one for each filter", (p) => p.granted.length === 0],
];

const at_the_first_bytes = ["packet type is 0", "packet type is reserved before MQTT 5", "remaining length is not in its shortest form"];

// What mqtt-packet refuses and we accept: its words, the statement, why, and when.
const they_are_stricter = [
  [/^Invalid auth reason code$/, "MQTT 5 section 3.15.2.1", "an AUTH without body means success", (ours, b) => b[1] === 0],
  [/^Cannot parse username$|^Cannot parse password$/, "MQTT 3.1 section 3.1", "the flag may be set and the string missing", (ours, b, v) => v === 3],
  [/^Connect flag bit 0 must be 0/, "MQTT 3.1 section 3.1", "the bit is not used", (ours) => ours.packet.protocolVersion === 3],
  [/^Invalid header flag bits/, "MQTT 3.1 sections 3.6, 3.8 and 3.10", "a repetition may carry DUP", (ours, b, v) => v === 3 && (b[0] & 15) === 10],
  [/^Invalid disconnect reason code$/, "MQTT 5 section 2.4", "the table of reason codes gives 0x8C to DISCONNECT", (ours) => ours.packet.reasonCode === 0x8c],
];

// -- the comparison -------------------------------------------------------------------------------------------------------------

const child = spawn(decoder, [], { stdio: ["pipe", "pipe", "inherit"] });
const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
const count = new Map();
const tell = (what) => count.set(what, (count.get(what) ?? 0) + 1);
const used = new Set();
let failures = 0;

function fail(why, v, packet, ours, theirs) {
  if (++failures > 20) return;
  console.log(`UNEXPLAINED ${why}: MQTT level ${v}, ${packet.toString("hex")}`);
  console.log("  ours   ", JSON.stringify(ours));
  console.log("  theirs ", JSON.stringify(theirs));
}

/// A CONNECT tells its own version; the rest of the connection has it.
function compare(v, packet, ours) {
  const theirs = theirs_of(v, packet);
  if (ours.incomplete || theirs.incomplete) {
    if (ours.incomplete && theirs.incomplete) return tell("both wait for more");
    // What cannot become a packet is refused at its first bytes, by one earlier than by the other.
    if (ours.incomplete && theirs.refused !== undefined) return tell("mqtt-packet refuses before the packet is whole");
    if (!at_the_first_bytes.includes(ours.refused)) return fail("incomplete", v, packet, ours, theirs);
    return tell(`we refuse before the packet is whole: ${ours.refused}`);
  }
  if (ours.refused !== undefined && theirs.refused !== undefined) return tell("both refuse");
  if (ours.refused !== undefined) {
    const rule = we_are_stricter.find(([what]) => what === ours.refused);
    if (!rule) return fail("we refuse", v, packet, ours, theirs);
    const [what, statement, , holds] = rule;
    if (!holds(theirs.packet, packet, v)) return fail("we refuse without the offence in sight", v, packet, ours, theirs);
    used.add(what);
    return tell(`we refuse: ${what} [${statement}]`);
  }
  if (theirs.refused !== undefined) {
    const rule = they_are_stricter.find(([what, , , holds]) => what.test(theirs.refused) && holds(ours, packet, v));
    if (!rule) return fail("mqtt-packet refuses", v, packet, ours, theirs);
    used.add(String(rule[0]));
    return tell(`mqtt-packet refuses: ${theirs.refused} [${rule[1]}]`);
  }
  const mine = ours_normal(ours.packet), other = normal(v, theirs.packet);
  if (ours.type.toLowerCase() !== theirs.packet.cmd || !isDeepStrictEqual(mine, other)) return fail("the fields differ", v, packet, mine, other);
  tell("both accept, fields equal");
}

// Offences that damage seldom hits upon.
const examples = [
  [5, "10110004", "4d515454", "05020000", "04160001640000"],
  [4, "100f0004", "4d515454", "04420000", "0000000170"],
  [4, "100c0004", "4d515454", "04000000", "0000"],
  [5, "30060001", "61020b00", "78"],
  [5, "e0028c00"],
  [5, "c08000"],
  [4, "82070001", "00026123", "00"],
  [5, "a2070001", "00", "0002612b"],
  [4, "10130004", "4d515454", "041e0000", "000161", "000177", "000178"],
  [3, "10100006", "4d5149736470", "03c20000", "000161", "75"],
];
for (const [v, ...parts] of examples) {
  const packet = Buffer.from(parts.join(""), "hex");
  child.stdin.write(`${v} ${packet.toString("hex")}\n`);
  compare(v, packet, JSON.parse((await answers.next()).value));
}

const total = Number(wanted);
for (let done = 0; done < total;) {
  const batch = [];
  for (let i = 0; i < 1000 && done + i < total; ++i) {
    const v = pick([5, 5, 5, 4, 4, 3]);
    batch.push([v, next(v)]);
  }
  child.stdin.write(batch.map(([v, packet]) => `${v} ${packet.toString("hex")}\n`).join(""));
  for (const [v, packet] of batch) compare(v, packet, JSON.parse((await answers.next()).value));
  done += batch.length;
}
child.stdin.end();

for (const [what, times] of [...count].sort((a, b) => b[1] - a[1])) console.log(String(times).padStart(7), what);
const idle = [...we_are_stricter.map(([what]) => what), ...they_are_stricter.map(([what]) => String(what))].filter((what) => !used.has(what));
for (const what of idle) console.log(`a rule without an example: ${what}`);
if (failures > 0) console.log(`${failures} differences without an explanation`);
process.exit(failures > 0 || idle.length > 0 ? 1 : 0);
