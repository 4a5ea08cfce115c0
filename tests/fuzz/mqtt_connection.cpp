// A peer that sends anything, in any pieces, to a server or a client; with holds, clock and errors in between.
// Input: one byte of choices (bit 0 client, 1 hold at CONNECT, 2 hold at each PUBLISH, 3 small limits, 4 AUTH, 5 client speaks
// MQTT 3.1.1), then chunks: a length byte and as many bytes; a length of 0 moves the clock and releases a hold.
#include <cstdlib>

#include "mqtt/connection.h"

using namespace sealmq;
using namespace sealmq::mqtt;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

struct Peer : Events {
  Peer(Connection& to, unsigned chosen) : connection(to), choices(chosen) {}

  Result<> on(const Connect& p, Bytes raw) override {
    check(!raw.empty() && connection.state() == Connection::State::ExpectConnack);
    if ((choices & 2) != 0) {
      connection.hold();
    } else if (!p.properties.authentication_method) {
      connection.send(Connack{});
    }
    return {};
  }
  Result<> on(const Connack& p) override {
    check(connection.state() == (is_error(p.reason) ? Connection::State::Closed : Connection::State::Open));
    return {};
  }
  Result<> on(const Publish& p) override {
    check(!p.topic.empty() && !p.properties.topic_alias);
    check((p.packet_id == 0) == (p.qos == QoS::at_most_once));
    if ((choices & 4) != 0) connection.hold();
    Puback answer;
    answer.packet_id = p.packet_id;
    if (p.qos == QoS::at_least_once) {
      connection.send(answer);
      connection.answered();
    }
    connection.send(p);
    return {};
  }
  Result<> on(const Puback&) override { return open(); }
  Result<> on(const Pubrec&) override { return open(); }
  Result<> on(const Pubrel&) override { return open(); }
  Result<> on(const Pubcomp&) override { return open(); }
  Result<> on(const Subscribe& p) override {
    Suback answer;
    answer.packet_id = p.packet_id;
    answer.reasons.resize(p.entries.size(), Reason::topic_filter_invalid);
    connection.send(answer);
    return open();
  }
  Result<> on(const Suback&) override { return open(); }
  Result<> on(const Unsubscribe&) override { return open(); }
  Result<> on(const Unsuback&) override { return open(); }
  Result<> on(const Pingresp&) override { return open(); }
  Result<> on(const Disconnect&) override {
    check(connection.state() == Connection::State::Closed);
    return {};
  }
  Result<> on(const Auth& p) override {
    if (connection.state() == Connection::State::ExpectConnack && (choices & 1) == 0) {
      Connack answer;
      answer.properties.authentication_method = p.properties.authentication_method;
      connection.send(answer);
    }
    return {};
  }

  Result<> open() const {
    check(connection.state() == Connection::State::Open);
    return {};
  }

  Connection& connection;
  unsigned choices;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  unsigned choices = data[0];
  Bytes in(data + 1, size - 1);
  Role role = (choices & 1) != 0 ? Role::client : Role::server;
  Limits limits;
  if ((choices & 8) != 0) limits = {64, 2, 2, 100};
  Now now;
  Connection connection(role, limits, now);
  Peer peer(connection, choices);
  if (role == Role::client) {
    Connect connect;
    connect.version = (choices & 32) != 0 ? Version::v3_1_1 : Version::v5;
    connect.client_id = "c";
    connect.keep_alive = 1;
    connect.properties.topic_alias_maximum = 2;
    if ((choices & 16) != 0) connect.properties.authentication_method = "m";
    connection.send(connect);
  }

  Result<> result;
  while (!in.empty() && result) {
    std::size_t length = std::min<std::size_t>(in[0], in.size() - 1);
    Buffer chunk = to_buffer(in.subspan(1, length));  // memory of its own: views that outlive the call are found
    in = in.subspan(1 + length);
    if (length > 0) {
      result = connection.receive(chunk, peer, now);
    } else {
      now.steady += 300;
      result = connection.held() ? connection.release(peer, now) : connection.tick(now);
    }
  }
  if (!result) {
    connection.abort(result.error());
    check(connection.state() == Connection::State::Closed && connection.deadline() == UINT64_MAX);
    check(connection.receive(Buffer{0xC0, 0x00}, peer, now).has_value());
  }

  // What was sent is whole packets, none beyond the peer's limit except a client's CONNECT, which came before it knew the limit.
  std::vector<iovec> parts(8);
  Buffer sent;
  std::size_t count = connection.outbox().gather(parts);
  for (std::size_t i = 0; i < count; ++i) append(sent, {static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
  for (Bytes rest = sent; !rest.empty();) {
    auto header = decode_header(rest, connection.version());
    check(header && *header);
    std::size_t packet = (*header)->size + (*header)->remaining;
    check(packet <= rest.size());
    check((*header)->type == PacketType::connect || packet <= connection.peer_maximum_packet_size());
    rest = rest.subspan(packet);
  }
  connection.outbox().consume(sent.size());
  check(connection.outbox().empty());
  return 0;
}
