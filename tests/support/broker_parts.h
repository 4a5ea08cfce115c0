// Neighbours for tests of one part of a shard: a scheme that writes its name before the payload, a connection that has logged in,
// and a guard of payloads.
#pragma once

#include "broker/policy/access.h"
#include "broker/shard.h"
#include "mqtt/connection.h"
#include "sealmq/payload_guard.h"
#include "sealmq/scheme.h"

namespace sealmq::testing {

/// Opens `NAME(payload)` and seals as the same; counts both.
class FakeScheme : public BrokerScheme {
 public:
  explicit FakeScheme(std::string_view name) { its.name = its.title = name; }

  const SchemeInfo& info() const override { return its; }
  bool recognises(const Incoming& message) const override { return as_text(message.payload).starts_with(start()); }
  Result<Checked<Opened>> open(const Incoming& message, const Scene&) override {
    ++opened;
    if (fails) return fail(Blame::peer_misbehaved, "is not signed");
    Opened found;
    found.topic = hidden.empty() ? message.topic : hidden;
    found.payload = message.payload.subspan(start().size(), message.payload.size() - start().size() - 1);
    found.author = author;
    found.names_author = author != nullptr;
    found.mark = mark;
    return verified(std::move(found));
  }
  Result<> seal(const Outgoing& message, const Scene&, Buffer& out) override {
    ++sealed;
    if (fails) return fail(Blame::environment, "cannot");
    append(out, as_bytes(start()));
    append(out, message.payload);
    append(out, as_bytes(std::string_view(")")));
    return {};
  }
  std::string start() const { return std::string(its.name) + "("; }

  // Topics under `$it/`: requests of those that end with "ask", else messages whose real topic is `hidden`.
  bool takes(std::string_view topic) const override { return topic.starts_with("$it/"); }
  bool is_request(const Incoming& incoming) const override { return incoming.topic.ends_with("ask"); }
  Result<Checked<Asked>> read_request(const Incoming&, const Scene&) override {
    if (fails) return fail(Blame::peer_misbehaved, "is not signed");
    return verified(std::exchange(asked, {}));
  }
  bool concerns_the_list(const Incoming&) const override { return is_of_the_list; }
  bool tries_a_secret(const Incoming&) const override { return is_guessable; }
  std::unique_ptr<Preparation> prepare(const Incoming&) override { return std::exchange(work, nullptr); }
  std::string_view reply_topic() const override { return "$it/inbox"; }
  bool tells_refusals() const override { return tells; }

  SchemeInfo its;
  bool fails = false, is_of_the_list = false, is_guessable = false, tells = true;
  std::string_view hidden;
  Asked asked;
  std::unique_ptr<Preparation> work;
  int opened = 0, sealed = 0;
  const Identity* author = nullptr;
  std::optional<ReplayMark> mark;
};

/// What anybody says, as it is.
class FakePlain : public FakeScheme {
 public:
  FakePlain() : FakeScheme("plain") {}
  bool takes(std::string_view) const override { return false; }
  bool recognises(const Incoming&) const override { return true; }
  Result<Checked<Opened>> open(const Incoming& message, const Scene&) override {
    Opened found;
    found.topic = message.topic;
    found.payload = message.payload;
    return verified(std::move(found));
  }
  Result<> seal(const Outgoing& message, const Scene&, Buffer& out) override {
    append(out, message.payload);
    return {};
  }
};

struct FakeWork : Preparation {
  explicit FakeWork(int& its_runs) : runs(its_runs) {}
  void run() override { ++runs; }
  int& runs;
};

/// Counts tries; refuses them while it is closed.
struct FakeGate : broker::LoginGate {
  bool may_try(Tested, std::string_view, std::string_view, Now) override { return !closed; }
  bool begin(Tested, std::string_view, std::string_view, Now) override { return !closed && (++begun, true); }
  void end(Tested, std::string_view, std::string_view, Outcome outcome, Now) override { outcomes.push_back(outcome); }
  bool closed = false;
  int begun = 0;
  std::vector<Outcome> outcomes;
};

/// A subscription with the key `key`; of a group, all with the same `group_of`.
class FakeKeyed : public Receiver {
 public:
  explicit FakeKeyed(std::string key, const void* group_of = nullptr) : key_(std::move(key)), group_(group_of) {}
  std::string_view topic() const override { return "$it/inbox"; }
  bool next_due(Now, Buffer& out) override {
    if (due.empty()) return false;
    append(out, as_bytes(std::exchange(due, {})));
    return true;
  }
  Result<> seal(const Outgoing& message, const Scene&, Buffer& out) override {
    ++sealed;
    append(out, as_bytes(key_ + ":" + std::string(message.topic) + ":" + std::string(as_text(message.payload))));
    return {};
  }
  const void* group() const override { return group_; }
  std::uint64_t pace() const override { return every; }
  bool has_ended(Now) const override { return ended; }
  void may_share(bool may) override { shares = may; }

  std::string due;
  std::uint64_t every = 0;
  bool ended = false, shares = false;
  int sealed = 0;

 private:
  std::string key_;
  const void* group_;
};

/// Reverses payloads and appends a '!'.
class FakeGuard : public PayloadGuard {
 public:
  std::size_t sealed_size(std::size_t plaintext) const override { return plaintext + 1; }
  Result<> seal(std::string_view topic, Bytes plaintext, Now, Buffer& out) override {
    if (is_used_up) return fail(Blame::caller_misused, "used up");
    topics.emplace_back(topic);
    out.insert(out.end(), plaintext.rbegin(), plaintext.rend());
    out.push_back('!');
    return {};
  }
  Result<Opened> open(std::string_view, Bytes payload) override {
    return Opened{Buffer(payload.rbegin(), payload.rend()), false};
  }
  bool is_used_up = false;
  std::vector<std::string> topics;
};

/// Lets everybody in, and passes over what comes.
struct QuietEvents : mqtt::Events {
  using mqtt::Events::on;
  Result<> on(const mqtt::Connect&, Bytes) override { return {}; }
  Result<> on(const mqtt::Publish&) override { return {}; }
};

/// What the broker has written since.
inline std::string take_written(mqtt::Connection& connection) {
  mqtt::Outbox& outbox = connection.outbox();
  std::array<iovec, 64> parts{};
  std::string text;
  const std::size_t count = outbox.gather(parts);
  for (std::size_t i = 0; i < count; ++i) text.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  outbox.consume(text.size());
  return text;
}

/// A packet of it.
struct WrittenPacket {
  mqtt::PacketType type;
  std::uint8_t flags;
  std::string body;
};
inline std::vector<WrittenPacket> take_packets(mqtt::Connection& connection) {
  std::vector<WrittenPacket> all;
  const std::string text = take_written(connection);
  for (Bytes left = as_bytes(text); !left.empty();) {
    const auto header = mqtt::decode_header(left, connection.version()).value().value();
    all.push_back({header.type, header.flags, std::string(as_text(left.subspan(header.size, header.remaining)))});
    left = left.subspan(header.size + header.remaining);
  }
  return all;
}

/// The same as PUBLISH.
struct WrittenPublish {
  std::string topic, payload;
  std::uint16_t packet_id, alias;
  bool dup;
  mqtt::QoS qos = mqtt::QoS::at_most_once;
  bool retain = false;
  std::vector<std::uint32_t> identifiers{};
};
/// All that has been written, which are PUBLISH packets.
inline std::vector<WrittenPublish> take_publishes_of(mqtt::Connection& connection) {
  std::vector<WrittenPublish> all;
  for (const WrittenPacket& written : take_packets(connection)) {
    const auto packet = mqtt::decode_publish(written.flags, as_bytes(written.body), connection.version()).value();
    all.push_back({std::string(packet.topic), std::string(as_text(packet.payload)), packet.packet_id,
                   packet.properties.topic_alias.value_or(0), packet.dup, packet.qos, packet.retain,
                   packet.properties.subscription_identifiers});
  }
  return all;
}

/// The broker's end of a connection whose client has had its CONNACK.
struct OpenConnection {
  explicit OpenConnection(std::uint32_t most_bytes = 0, mqtt::Version version = mqtt::Version::v5)
      : connection(mqtt::Role::server, {}, now) {
    mqtt::Connect connect{.version = version, .client_id = "client"};
    if (most_bytes != 0) connect.properties.maximum_packet_size = most_bytes;
    Buffer bytes;
    mqtt::encode(connect, version, bytes);
    if (!connection.receive(bytes, events, now)) std::abort();
    connection.send(mqtt::Connack{});
    take();
  }
  /// What it has written since.
  std::string take() { return take_written(connection); }
  /// The same as PUBLISH, which has to be whole.
  std::vector<WrittenPublish> take_publishes() { return take_publishes_of(connection); }

  Now now{1'000'000, 1'800'000'000'000};
  QuietEvents events;
  mqtt::Connection connection;
};

}  // namespace sealmq::testing
