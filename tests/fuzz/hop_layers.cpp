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

bool open_all(crypto::HopRecords& by, Bytes records) {
  while (!records.empty()) {
    const auto size = crypto::HopRecords::size_of(records);
    if (!size || !*size || !by.open(records.first(**size))) return false;
    records = records.subspan(**size);
  }
  return true;
}

/// Those that come open once, though others between them do not.
void check_payloads(Bytes input, const crypto::EpochLimits& limits) {
  crypto::HopPayloads client(session_key(), "c", crypto::HopEnd::client, crypto::hop_key_size, limits);
  crypto::HopPayloads broker(session_key(), "c", crypto::HopEnd::broker);
  std::size_t lost = 0;
  for (int i = 0; i < 16; ++i) {
    Buffer payload;
    if (!client.seal("t", input, {}, payload)) std::abort();
    if (payload.size() != client.sealed_size(input.size())) std::abort();
    if ((input[0] >> (i % 8) & 1) != 0 && lost < crypto::OpeningEpochs::ahead - 1) {
      ++lost;
      continue;
    }
    lost = 0;
    const auto opened = broker.open("t", payload);
    if (!opened || opened->repeat || opened->plaintext != to_buffer(input)) std::abort();
    const auto again = broker.open("t", payload);
    if (!again || !again->repeat) std::abort();
    for (const std::size_t at : {2U, 4U, 5U}) {  // of another epoch, or number
      payload[at] ^= static_cast<std::uint8_t>(1 + input[0] % 7);
      if (broker.open("t", payload)) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  // As they come from anybody.
  if (crypto::HopPayloads(session_key(), "c", crypto::HopEnd::broker).open("t", input)) std::abort();
  if (crypto::HopRecords(session_key(), crypto::HopEnd::broker).open(input)) std::abort();
  if (feed(input, SIZE_MAX).first != 0) std::abort();
  if (feed(input, 1) != feed(input, SIZE_MAX)) std::abort();

  // As the packets of one who has the keys, and goes on to others after so many records.
  if (input.empty()) return 0;
  const crypto::EpochLimits limits{.messages = 1 + input[0] % 3U, .bytes = 1 + input[0] % 64U};
  if (input.size() <= crypto::HopRecords::most_plaintext) {
    crypto::HopRecords client(session_key(), crypto::HopEnd::client, crypto::hop_key_size, limits);
    Buffer records;
    for (int i = 0; i < 4; ++i)
      if (!client.seal(input, 0, records)) std::abort();
    if (feed(records, SIZE_MAX) != feed(records, 3)) std::abort();
    crypto::HopRecords broker(session_key(), crypto::HopEnd::broker);
    Buffer update;
    if (!client.mix(session_key(), 0, update)) std::abort();
    if (!open_all(broker, records) || open_all(broker, update)) std::abort();  // no login has been
  }
  check_payloads(input, limits);
  return 0;
}
