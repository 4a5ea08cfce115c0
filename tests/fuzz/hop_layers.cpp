// HPP1 and HRL1: nothing opens that nobody sealed, and a connection takes records in any pieces as it takes them whole.
#include <cstdlib>

#include "crypto/hop.h"
#include "mqtt/connection.h"

using namespace sealmq;

namespace {

const Secret& session_key() {
  static const Secret key{Buffer(32, 7)};
  return key;
}

struct Everything : mqtt::Events {
  using mqtt::Events::on;
  Result<> on(const mqtt::Connect&, Bytes) override { return {}; }
  Result<> on(const mqtt::Publish&) override { return ++packets, Result<>{}; }
  Result<> on(const mqtt::Subscribe&) override { return ++packets, Result<>{}; }
  Result<> on(const mqtt::Disconnect&) override { return ++packets, Result<>{}; }
  int packets = 0;
};

/// A broker's connection behind CONNACK.
mqtt::Connection protected_connection(Everything& events) {
  mqtt::Connection connection(mqtt::Role::server, {}, {});
  Buffer connect;
  mqtt::Connect packet;
  packet.client_id = "c";
  mqtt::encode(packet, connect);
  if (!connection.receive(connect, events, {})) std::abort();
  connection.send(mqtt::Connack{});
  auto records = mqtt::records_by(crypto::HopRecords(session_key(), crypto::HopEnd::broker));
  if (!connection.protect_with(std::move(records))) std::abort();
  return connection;
}

/// How many packets came out, and whether it went well.
std::pair<int, bool> feed(Bytes bytes, std::size_t piece) {
  Everything events;
  auto connection = protected_connection(events);
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(piece, bytes.size())))
    if (!connection.receive(bytes.first(std::min(piece, bytes.size())), events, {})) return {events.packets, false};
  (void)connection.to_wire();
  return {events.packets, true};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  // As they come from anybody.
  if (crypto::HopPayloads(session_key(), "c", crypto::HopEnd::broker).open("t", input)) std::abort();
  if (crypto::HopRecords(session_key(), crypto::HopEnd::broker).open(input)) std::abort();
  if (feed(input, SIZE_MAX).first != 0) std::abort();
  if (feed(input, 1) != feed(input, SIZE_MAX)) std::abort();

  // As the packets of one who has the keys.
  if (input.empty()) return 0;
  Buffer record, payload;
  crypto::HopRecords client(session_key(), crypto::HopEnd::client);
  if (input.size() <= crypto::HopRecords::most_plaintext) {
    if (!client.seal(input, record)) std::abort();
    if (feed(record, SIZE_MAX) != feed(record, 3)) std::abort();
  }
  crypto::HopPayloads sealing(session_key(), "c", crypto::HopEnd::client), opening(session_key(), "c", crypto::HopEnd::broker);
  if (!sealing.seal("t", input, payload)) std::abort();
  const auto opened = opening.open("t", payload);
  if (!opened || opened->repeat || opened->plaintext != to_buffer(input)) std::abort();
  return 0;
}
