// Several clients send any bytes to a broker of two shards, time passes, connections break. Whatever comes: no crash, no leak,
// and the counts of what is present agree with what is.
#include <cstdlib>

#include "base/reader.h"
#include "support/broker_bench.h"

using namespace sealmq;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  broker::Settings settings;
  settings.maximum_retained = 20;
  settings.maximum_queued_messages = 20;
  testing::BrokerBench broker(2, settings);
  broker.allow({"sl1", "plain"}, {"sl1", "plain"});
  testing::TestClient* clients[4];
  for (std::size_t i = 0; i < 4; ++i) clients[i] = &broker.dial(i);
  std::size_t connected = 4;

  // Each step: one byte says who and what, two how many bytes follow.
  Reader in(Bytes(data, size));
  for (int step = 0; step < 200 && in.remaining() > 0; ++step) {
    std::uint8_t what = in.u8();
    testing::TestClient*& client = clients[what & 3];
    switch (what >> 2 & 7) {
      case 0:
        if (!client->closed) broker.cut(*client);
        client = &broker.dial(what >> 5);
        ++connected;
        break;
      case 1:
        broker.advance(std::uint64_t{250} * (what >> 5));
        break;
      case 2:
        client->acknowledges = !client->acknowledges;
        break;
      case 3:  // an ordinary login, so that more is reached
        if (!client->closed && !client->connack) {
          mqtt::Connect packet;
          packet.client_id = (what & 0x20) != 0 ? "a" : "b";
          packet.clean_start = (what & 0x40) != 0;
          packet.properties.session_expiry_interval = 5;
          Buffer bytes;
          mqtt::encode(packet, bytes);
          broker.send_bytes(*client, bytes);
        }
        break;
      default: {
        Bytes bytes = in.bytes(std::min<std::size_t>(in.u16(), in.remaining()));
        if (client->closed) break;
        if (!client->connack) client->opaque = true;
        broker.send_bytes(*client, bytes);
      }
    }
  }
  auto counters = broker.counters();
  if (counters.connections > connected || counters.sessions > 64 || counters.retained > 20) std::abort();
  for (auto* client : clients)
    if (!client->closed) broker.cut(*client);
  broker.advance(500);
  if (broker.counters().connections > connected - 4) std::abort();
  return 0;
}
