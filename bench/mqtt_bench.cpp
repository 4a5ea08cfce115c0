// What the codec costs for each packet: encode and decode of the packets a broker sees most.
// Run with --benchmark_filter=Publish for some of them.
#include <benchmark/benchmark.h>

#include <stdexcept>

#include "mqtt/packet.h"

namespace {

using namespace sealmq;
using mqtt::Version;

const Buffer payload(64, 'x');

mqtt::Publish publish() {
  mqtt::Publish packet;
  packet.topic = "plant/1/temperature";
  packet.payload = payload;
  return packet;
}

mqtt::Subscribe subscribe() {
  mqtt::SubscribeEntry entry;
  entry.filter = "plant/+/temperature";
  entry.options.qos = mqtt::QoS::at_least_once;
  mqtt::Subscribe packet;
  packet.packet_id = 1;
  packet.entries = {entry, entry};
  return packet;
}

mqtt::Connect connect(Version version) {
  mqtt::Connect packet;
  packet.version = version;
  packet.keep_alive = 60;
  packet.client_id = "boiler-7";
  if (version == Version::v5) packet.properties.session_expiry_interval = 3600;
  return packet;
}

void put(const mqtt::Publish& packet, Version version, Buffer& out) {
  mqtt::encode(packet, version, out);
}
void put(const mqtt::Subscribe& packet, Version version, Buffer& out) {
  mqtt::encode(packet, version, out);
}
void put(const mqtt::Connect& packet, Version, Buffer& out) {
  mqtt::encode(packet, out);
}  // it tells its own version

auto decode_body(const mqtt::Publish&, const mqtt::FixedHeader& header, Bytes body, Version version) {
  return mqtt::decode_publish(header.flags, body, version);
}
auto decode_body(const mqtt::Subscribe&, const mqtt::FixedHeader&, Bytes body, Version version) {
  return mqtt::decode_subscribe(body, version);
}
auto decode_body(const mqtt::Connect&, const mqtt::FixedHeader&, Bytes body, Version) {
  return mqtt::decode_connect(body);
}

void count(benchmark::State& state, const Buffer& packet) {
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(packet.size()));
}

template <class Packet>
void measure_encode(benchmark::State& state, Packet packet, Version version) {
  Buffer out;
  for (auto _ : state) {
    out.clear();
    put(packet, version, out);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  count(state, out);
}

template <class Packet>
void measure_decode(benchmark::State& state, Packet packet, Version version) {
  Buffer bytes;
  put(packet, version, bytes);
  for (auto _ : state) {
    benchmark::DoNotOptimize(bytes.data());
    const auto header = mqtt::decode_header(bytes, version);
    if (!header || !*header) throw std::logic_error("the header does not decode");
    auto decoded = decode_body(packet, **header, Bytes(bytes).subspan((*header)->size), version);
    if (!decoded) throw std::logic_error("the packet does not decode");
    benchmark::DoNotOptimize(decoded);
  }
  count(state, bytes);
}

BENCHMARK_CAPTURE(measure_encode, Publish_64_bytes_v3_1_1, publish(), Version::v3_1_1);
BENCHMARK_CAPTURE(measure_decode, Publish_64_bytes_v3_1_1, publish(), Version::v3_1_1);
BENCHMARK_CAPTURE(measure_encode, Publish_64_bytes_v5, publish(), Version::v5);
BENCHMARK_CAPTURE(measure_decode, Publish_64_bytes_v5, publish(), Version::v5);
BENCHMARK_CAPTURE(measure_encode, Subscribe_v3_1_1, subscribe(), Version::v3_1_1);
BENCHMARK_CAPTURE(measure_decode, Subscribe_v3_1_1, subscribe(), Version::v3_1_1);
BENCHMARK_CAPTURE(measure_encode, Subscribe_v5, subscribe(), Version::v5);
BENCHMARK_CAPTURE(measure_decode, Subscribe_v5, subscribe(), Version::v5);
BENCHMARK_CAPTURE(measure_encode, Connect_v3_1_1, connect(Version::v3_1_1), Version::v3_1_1);
BENCHMARK_CAPTURE(measure_decode, Connect_v3_1_1, connect(Version::v3_1_1), Version::v3_1_1);
BENCHMARK_CAPTURE(measure_encode, Connect_v5, connect(Version::v5), Version::v5);
BENCHMARK_CAPTURE(measure_decode, Connect_v5, connect(Version::v5), Version::v5);

}  // namespace
