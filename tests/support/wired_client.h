// A client of any scheme, as the library's session drives it, and somebody on the wire between it and a BrokerBench who may drop,
// double and change whole packets, and put in others.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "client/session.h"
#include "support/broker_bench.h"

namespace sealmq::testing {

inline bool is(mqtt::PacketType type, const Buffer& packet) {
  return packet[0] >> 4 == static_cast<int>(type);
}
/// Of a connection that is protected whole: packets are inside.
inline bool is_record(const Buffer& packet) {
  return packet[0] == 0x17;
}

/// A client, its connections one after the other, and what passes by.
class WiredClient {
 public:
  using Packets = std::vector<Buffer>;
  /// What becomes of one packet.
  using Meddle = std::function<Packets(Buffer packet)>;

  explicit WiredClient(BrokerBench& bench) : bench_(bench) {}

  /// `scheme` may be null.
  void connect(const Underneath& underneath = {}) {
    begin(underneath);
    move();
  }
  /// Moves bytes until nobody has any. True: there were some.
  bool move() {
    bool moved = false;
    for (bool again = true; again;) {
      again = pass_on();
      for (auto& event : session->take_events()) {
        if (auto* arrival = std::get_if<Arrival>(&event); arrival != nullptr && takes) session->take(arrival->receipt);
        events.push_back(std::move(event));
        again = true;
      }
      again = again || !session->outbox().empty();
      moved = moved || again;
    }
    if (at_broker != nullptr && at_broker->closed && session->is_open())
      session->connection_lost({Blame::environment, "the broker closed the connection", 0});
    return moved;
  }
  /// The transport breaks.
  void cut() {
    session->connection_lost({Blame::environment, "cut", 0});
    (void)written();
    bench_.cut(*at_broker);
    for (auto& event : session->take_events()) events.push_back(std::move(event));
  }
  /// As if it had come from the client, or from the broker.
  void put_to_broker(const Buffer& packet) {
    if (!at_broker->closed) bench_.send_bytes(*at_broker, packet);
    move();
  }
  void put_to_client(const Buffer& packet) {
    session->receive(packet, bench_.now);
    move();
  }

  template <class Event>
  std::optional<Event> take() {
    for (auto at = events.begin(); at != events.end(); ++at)
      if (auto* event = std::get_if<Event>(&*at)) {
        Event found = std::move(*event);
        events.erase(at);
        return found;
      }
    return std::nullopt;
  }
  /// The last of such packets that went there, as it stands on the wire.
  static Buffer last(const Packets& packets, mqtt::PacketType type) {
    for (auto at = packets.rbegin(); at != packets.rend(); ++at)
      if (is(type, *at)) return *at;
    return {};
  }
  template <class Packet, class Decode>
  static Packet decoded(const Buffer& packet, Decode decode) {
    const auto header = mqtt::decode_header(packet, mqtt::Version::v5).value().value();
    return decode(Bytes(packet).subspan(header.size), mqtt::Version::v5).value();
  }
  /// Why it did not work, for a test that wonders.
  std::string causes() const {
    std::string text;
    for (const auto& cause : bench_.journal.causes) text += "broker: " + cause + "; ";
    for (const auto& event : events) {
      if (const auto* closed = std::get_if<Closed>(&event)) text += "client: " + closed->error.what + "; ";
      if (const auto* refused = std::get_if<RefusedMessage>(&event)) text += "client: " + refused->why + "; ";
    }
    return text;
  }

  ConnectOptions options;
  std::unique_ptr<ClientScheme> scheme;
  std::optional<ClientSession> session;
  TestClient* at_broker = nullptr;
  Meddle to_broker, to_client;
  Packets from_client, from_broker;  // as they arrived
  std::vector<ClientEvent> events;
  bool takes = true;

 protected:
  void begin(const Underneath& underneath) {
    if (!session) session.emplace(options, scheme.get());
    const auto started = session->start(bench_.now, underneath);
    ASSERT_TRUE(started) << started.error().what;
    at_broker = &bench_.dial();
    at_broker->opaque = true;
    taken_ = 0;
    unread_[0].clear();
    unread_[1].clear();
  }

  BrokerBench& bench_;

 private:
  bool pass_on() {
    if (at_broker == nullptr) return false;
    bool moved = false;
    append(unread_[0], written());
    for (auto& packet : pass(unread_[0], to_broker)) {
      from_client.push_back(packet);
      if (!at_broker->closed) bench_.send_bytes(*at_broker, packet);
      moved = true;
    }
    if (at_broker->everything.size() > taken_) {
      append(unread_[1], Bytes(at_broker->everything).subspan(taken_));
      taken_ = at_broker->everything.size();
      moved = true;
    }
    for (auto& packet : pass(unread_[1], to_client)) {
      from_broker.push_back(packet);
      session->receive(packet, bench_.now);
      moved = true;
    }
    return moved;
  }
  Buffer written() {
    Buffer out;
    while (!session->outbox().empty()) {
      iovec parts[4];
      const std::size_t count = session->outbox().gather(parts);
      std::size_t size = 0;
      for (std::size_t i = 0; i < count; ++i) {
        append(out, {static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
        size += parts[i].iov_len;
      }
      session->outbox().consume(size);
    }
    return out;
  }
  /// Whole packets, or all records that have come.
  Packets pass(Buffer& unread, const Meddle& meddle) const {
    Packets out;
    while (!unread.empty()) {
      std::size_t size = unread.size();
      if (!is_record(unread)) {
        const auto header = mqtt::decode_header(unread, options.version);
        if (header && *header) size = (*header)->size + (*header)->remaining;
        if (header && (!*header || size > unread.size())) break;
      }
      Buffer packet(unread.begin(), unread.begin() + static_cast<std::ptrdiff_t>(size));
      unread.erase(unread.begin(), unread.begin() + static_cast<std::ptrdiff_t>(size));
      if (!meddle) {
        out.push_back(std::move(packet));
        continue;
      }
      for (auto& passed : meddle(std::move(packet))) out.push_back(std::move(passed));
    }
    return out;
  }

  std::size_t taken_ = 0;
  Buffer unread_[2];
};

}  // namespace sealmq::testing
