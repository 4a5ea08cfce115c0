// What a connection receives, and time. connection_sending.cpp has the rest.
#include "mqtt/connection.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/try.h"
#include "mqtt/wire.h"
#include "sealmq/secret.h"

namespace sealmq::mqtt {
namespace {

using State = Connection::State;

Failure unexpected() {
  return protocol_error("packet was not expected");
}

/// What a CONNECT that cannot be decoded asked to be answered in; nothing if it is not a CONNECT at all.
std::optional<Version> version_to_refuse_in(Bytes connect) {
  Reader in(connect);
  std::string_view protocol = as_text(in.lp16());
  unsigned level = in.u8();
  if (in.failed()) return std::nullopt;
  bool is_later = protocol == "MQTT" && level >= 5 && level < 0x80;  // not MQTT 3 with the bit of a bridge
  return is_later ? Version::v5 : Version::v3_1_1;
}

}  // namespace

// -- events nobody overrode -----------------------------------------------------------------------------------------------------

Result<> Events::on(const Connect&, Bytes) {
  return unexpected();
}
Result<> Events::on(const Connack&) {
  return unexpected();
}
Result<> Events::on(const Publish&) {
  return unexpected();
}
Result<> Events::on(const Puback&) {
  return unexpected();
}
Result<> Events::on(const Pubrec&) {
  return unexpected();
}
Result<> Events::on(const Pubrel&) {
  return unexpected();
}
Result<> Events::on(const Pubcomp&) {
  return unexpected();
}
Result<> Events::on(const Subscribe&) {
  return unexpected();
}
Result<> Events::on(const Suback&) {
  return unexpected();
}
Result<> Events::on(const Unsubscribe&) {
  return unexpected();
}
Result<> Events::on(const Unsuback&) {
  return unexpected();
}
Result<> Events::on(const Pingresp&) {
  return unexpected();
}
Result<> Events::on(const Disconnect&) {
  return unexpected();
}
Result<> Events::on(const Auth&) {
  return unexpected();
}

Connection::Connection(Role role, Limits limits, Now now)
    : role_(role), limits_(limits), opened_(now.steady), last_received_(now.steady), last_sent_(now.steady), now_(now.steady) {}

// -- bytes become packets -------------------------------------------------------------------------------------------------------

Result<> Connection::receive(Bytes in, Events& events, Now now) {
  now_ = now.steady;
  if (over()) return {};
  auto result = protection_ != nullptr ? accept_records(in, events) : accept(in, events);
  failed_ = !result;
  return result;
}

Result<> Connection::release(Events& events, Now now) {
  now_ = now.steady;
  if (held_) opened_ += now_ - std::min(now_, held_since_);
  held_ = false;
  last_received_ = now_;  // silence while nobody listened is not the peer's
  if (over()) return {};
  Buffer waiting = std::exchange(unread_, {});
  auto result = accept(waiting, events);
  if (result && protection_ != nullptr && !held_ && !unread_.empty() && !over())
    result = broken({Blame::peer_misbehaved, "a record ends within a packet", 0});
  failed_ = !result;
  return result;
}

Buffer Connection::take_unread() {
  return std::exchange(unread_, {});
}

void Connection::forget_kept() {
  unread_ = Buffer();
  if (protection_ != nullptr) protection_->unread = Buffer();
  aliases_.clear();
  aliases_.shrink_to_fit();
  alias_bytes_ = 0;
}

namespace {

/// A password is in CONNECT: what grows leaves nothing behind.
void keep_secret(Buffer& kept, Bytes in) {
  if (kept.capacity() - kept.size() < in.size()) {
    Buffer larger;
    larger.reserve(std::max(2 * kept.capacity(), kept.size() + in.size()));
    sealmq::append(larger, kept);
    wipe(kept.data(), kept.size());
    kept = std::move(larger);
  }
  sealmq::append(kept, in);
}

}  // namespace

Result<> Connection::accept(Bytes in, Events& events) {
  if (held_) return keep(in);
  if (!unread_.empty()) in = TRY(complete_unread(in, events));
  in = TRY(take(in, events));
  if (std::exchange(protection_begins_, false)) return accept_records(in, events);
  if (!over()) set_aside(in);
  return {};
}

void Connection::set_aside(Bytes in) {
  is_logging_in() ? keep_secret(unread_, in) : sealmq::append(unread_, in);
}

Result<> Connection::keep(Bytes in) {
  if (unread_.size() + in.size() > limits_.maximum_packet_size)
    return fail(Blame::peer_misbehaved, "sends too much before it is answered", code(Reason::quota_exceeded));
  sealmq::append(unread_, in);
  return {};
}

/// Copies from `in` only what the incomplete packet in unread_ lacks, so that the others are read where they are.
Result<Bytes> Connection::complete_unread(Bytes in, Events& events) {
  while (!unread_.empty() && !in.empty()) {
    auto header = TRY(next_header(unread_));
    std::size_t lacking = header ? header->size + header->remaining - unread_.size() : 1;
    Bytes part = in.first(std::min(lacking, in.size()));
    set_aside(part);
    in = in.subspan(part.size());
    if (part.size() < lacking) break;
    const bool is_secret = is_logging_in();
    Buffer packet = std::exchange(unread_, {});  // a handler may fill unread_ anew
    const Result<Bytes> rest = take(packet, events);
    if (rest && !rest->empty())
      unread_ = std::move(packet);  // only its header is complete now
    else if (is_secret)
      wipe(packet.data(), packet.size());
    if (!rest) return rest;
  }
  return in;
}

/// Hands over the whole packets at the front; answers the rest.
Result<Bytes> Connection::take(Bytes in, Events& events) {
  while (!in.empty() && !held_ && !over() && !protection_begins_) {
    auto header = next_header(in);
    if (!header) return Failure(std::move(header).error());
    if (!*header) break;
    std::size_t size = (*header)->size + (*header)->remaining;
    if (in.size() < size) break;
    last_received_ = now_;
    if (auto result = dispatch(**header, in.first(size), events); !result) return Failure(std::move(result).error());
    in = in.subspan(size);
  }
  return in;
}

/// The header of a packet that may come now and is not too large. Refuses before the body is there and takes memory.
Result<std::optional<FixedHeader>> Connection::next_header(Bytes in) const {
  auto header = decode_header(in, version_);
  if (!header || !*header) return header;
  if (auto expected = check_expected((*header)->type); !expected) return Failure(std::move(expected).error());
  const std::uint64_t size = std::uint64_t{(*header)->size} + (*header)->remaining;
  if (size > limits_.maximum_packet_size)  // in the words of the setting, for whoever may change it
    return fail(Blame::peer_misbehaved,
                "a packet of " + std::to_string(size) + " bytes, where maximum_packet_size is " +
                    std::to_string(limits_.maximum_packet_size),
                code(Reason::packet_too_large));
  return header;
}

// -- the order and direction of packets -----------------------------------------------------------------------------------------

Result<> Connection::check_expected(PacketType type) const {
  bool expected = false;
  switch (type) {
    case PacketType::connect:
      expected = role_ == Role::server && state_ == State::ExpectConnect;
      break;  // [MQTT-3.1.0-2]
    case PacketType::connack:
      expected = role_ == Role::client && state_ == State::ExpectConnack;
      break;
    case PacketType::publish:
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubrel:
    case PacketType::pubcomp:
      expected = state_ == State::Open;
      break;
    case PacketType::subscribe:
    case PacketType::unsubscribe:
    case PacketType::pingreq:
      expected = role_ == Role::server && state_ == State::Open;
      break;
    case PacketType::suback:
    case PacketType::unsuback:
    case PacketType::pingresp:
      expected = role_ == Role::client && state_ == State::Open;
      break;
    case PacketType::disconnect:  // [MQTT-3.14.0-1] a server sends none before its CONNACK; MQTT 3 servers never
      expected = role_ == Role::server ? state_ == State::ExpectConnack || state_ == State::Open
                                       : version_ == Version::v5 && state_ == State::Open;
      break;
    case PacketType::auth:
      expected = state_ == State::ExpectConnack || state_ == State::Open;
      break;
  }
  if (!expected) return unexpected();
  return {};
}

Result<> Connection::dispatch(const FixedHeader& header, Bytes packet, Events& events) {
  if (counts_ != nullptr) ++counts_->received[static_cast<std::size_t>(header.type)];
  Bytes body = packet.subspan(header.size);
  switch (header.type) {
    case PacketType::connect:
      return on_connect(packet, body, events);
    case PacketType::connack:
      return on_connack(body, events);
    case PacketType::publish:
      return on_publish(header.flags, body, events);
    case PacketType::puback:
      return on_acknowledgement<Puback>(body, events);
    case PacketType::pubrec:
      return on_acknowledgement<Pubrec>(body, events);
    case PacketType::pubrel:
      return on_acknowledgement<Pubrel>(body, events);
    case PacketType::pubcomp:
      return on_acknowledgement<Pubcomp>(body, events);
    case PacketType::subscribe:
      return events.on(TRY(decode_subscribe(body, version_)));
    case PacketType::suback:
      return events.on(TRY(decode_suback(body, version_)));
    case PacketType::unsubscribe:
      return events.on(TRY(decode_unsubscribe(body, version_)));
    case PacketType::unsuback:
      return events.on(TRY(decode_unsuback(body, version_)));
    case PacketType::pingreq:
      if (!body.empty()) return malformed("PINGREQ with a body");
      on_pingreq();
      return {};
    case PacketType::pingresp:
      if (!body.empty()) return malformed("PINGRESP with a body");
      return on_pingresp(events);
    case PacketType::disconnect:
      return on_disconnect(body, events);
    case PacketType::auth:
      return on_auth(body, events);
  }
  return unexpected();
}

// -- the rules of each packet ---------------------------------------------------------------------------------------------------

Result<> Connection::on_connect(Bytes packet, Bytes body, Events& events) {
  if (auto version = version_to_refuse_in(body)) {
    version_ = *version;
    version_known_ = true;
  }
  Connect connect = TRY(decode_connect(body));
  // [MQTT-1.5.5-1]: when its header was read nobody knew the version
  if (connect.version == Version::v5 && packet.size() - body.size() != 1 + variable_size(body.size()))
    return malformed("remaining length is not in its shortest form");
  const Properties& properties = connect.properties;
  version_ = connect.version;
  keep_alive_ = connect.keep_alive;
  peer_receive_maximum_ = properties.receive_maximum.value_or(peer_receive_maximum_);
  peer_maximum_packet_size_ = properties.maximum_packet_size.value_or(peer_maximum_packet_size_);
  peer_wants_explanations_ = properties.request_problem_information.value_or(true);
  session_ends_here_ = properties.session_expiry_interval.value_or(0) == 0;
  if (properties.authentication_method) authentication_method_ = *properties.authentication_method;
  state_ = State::ExpectConnack;
  return events.on(connect, packet);
}

Result<> Connection::on_connack(Bytes body, Events& events) {
  Connack connack = TRY(decode_connack(body, version_));
  if (is_error(connack.reason)) {  // [MQTT-3.2.2-7] the server closes after it
    state_ = State::Closed;
    return events.on(connack);
  }
  const Properties& properties = connack.properties;
  if (properties.authentication_method != authentication_method_)  // [MQTT-4.12.0-5] [MQTT-4.12.0-6]
    return protocol_error("CONNACK names another authentication method");
  keep_alive_ = properties.server_keep_alive.value_or(keep_alive_);  // [MQTT-3.2.2-21]
  peer_receive_maximum_ = properties.receive_maximum.value_or(peer_receive_maximum_);
  peer_maximum_packet_size_ = properties.maximum_packet_size.value_or(peer_maximum_packet_size_);
  state_ = State::Open;
  return events.on(connack);
}

Result<> Connection::on_publish(std::uint8_t flags, Bytes body, Events& events) {
  auto publish = decode_publish(flags, body, version_);
  if (!publish) return Failure(std::move(publish).error());
  if (version_ == Version::v5) {
    if (role_ == Role::server && !publish->properties.subscription_identifiers.empty())  // [MQTT-3.3.4-6]
      return protocol_error("a client names a subscription identifier");
    if (publish->qos != QoS::at_most_once && unanswered_++ >= limits_.receive_maximum)  // [MQTT-3.3.4-7] [MQTT-3.3.4-9]
      return fail(Blame::peer_misbehaved, "more messages unanswered than allowed", code(Reason::receive_maximum_exceeded));
    if (auto resolved = resolve_alias(*publish); !resolved) return resolved;
  }
  return events.on(*publish);
}

template <class Ack>
Result<> Connection::on_acknowledgement(Bytes body, Events& events) {
  auto acknowledgement = decode_ack<Ack>(body, version_);  // handed on where it is: Properties is large
  if (!acknowledgement) return Failure(std::move(acknowledgement).error());
  return events.on(*acknowledgement);
}

Result<> Connection::resolve_alias(Publish& publish) {
  auto& alias = publish.properties.topic_alias;
  if (!alias) return {};
  if (*alias > limits_.topic_alias_maximum)  // [MQTT-3.3.2-9] [MQTT-3.3.2-11]; 0 was refused by decode
    return fail(Blame::peer_misbehaved, "topic alias is larger than allowed", code(Reason::topic_alias_invalid));
  std::size_t at = *alias - 1u;
  if (!publish.topic.empty()) {
    if (aliases_.size() <= at) aliases_.resize(at + 1);
    alias_bytes_ -= aliases_[at].capacity();
    aliases_[at] = std::string(publish.topic);  // not assigned, which keeps the room of a longer one
    alias_bytes_ += aliases_[at].capacity();
  } else {
    if (aliases_.size() <= at || aliases_[at].empty()) return protocol_error("topic alias is unknown");
    publish.topic = aliases_[at];
  }
  alias.reset();  // it has no meaning beyond this connection
  return {};
}

Result<> Connection::on_disconnect(Bytes body, Events& events) {
  Disconnect disconnect = TRY(decode_disconnect(body, version_));
  Role sender = role_ == Role::server ? Role::client : Role::server;
  if (!may_disconnect_with(sender, disconnect.reason)) return protocol_error("reason of DISCONNECT is not one of this side");
  const auto& expiry = disconnect.properties.session_expiry_interval;
  if (expiry && (sender == Role::server || (session_ends_here_ && *expiry != 0)))  // [MQTT-3.14.2-2], section 3.14.2.2.2
    return protocol_error("session expiry interval of DISCONNECT is not allowed");
  if (sender == Role::client && disconnect.properties.server_reference)  // section 3.14.2.2.5: servers send it
    return protocol_error("a client names another server");
  state_ = State::Closed;
  return events.on(disconnect);
}

Result<> Connection::on_auth(Bytes body, Events& events) {
  Auth auth = TRY(decode_auth(body));
  if (!authentication_method_ || auth.properties.authentication_method != authentication_method_)  // [MQTT-4.12.0-5]
    return protocol_error("AUTH does not repeat the method of CONNECT");
  bool expected = auth.reason == Reason::continue_authentication && (state_ == State::ExpectConnack || reauthenticating_);
  if (state_ == State::Open && role_ == Role::server && auth.reason == Reason::reauthenticate && !reauthenticating_)
    expected = reauthenticating_ = true;  // [MQTT-4.12.1-1]
  if (role_ == Role::client && auth.reason == Reason::success && reauthenticating_) {
    expected = true;
    reauthenticating_ = false;
  }
  if (!expected) return protocol_error("AUTH with this reason was not expected");
  return events.on(auth);
}

void Connection::on_pingreq() {
  outbox_.give_back();  // who sends PINGREQ sends nothing else at present
  send(Pingresp{});
}

Result<> Connection::on_pingresp(Events& events) {
  ping_outstanding_ = false;
  if (unanswered_pings_ > 0) --unanswered_pings_;
  outbox_.give_back();
  return events.on(Pingresp{});
}

// -- time
// -------------------------------------------------------------------------------------------------------------------------

/// The client's next PINGREQ: a tenth early, so that the interval is kept even if the turn comes late [MQTT-3.1.2-20]; and also
/// when only the server was silent, so that a dead one is noticed.
std::uint64_t Connection::ping_due() const {
  return std::min(last_sent_, last_received_) + keep_alive_ * 900ull;
}

std::uint64_t Connection::deadline() const {
  constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
  constexpr std::uint64_t longest_decision = 60'000;  // milliseconds, of whether a client may come in
  if (over()) return never;
  if (state_ != State::Open && role_ == Role::client) return never;
  if (state_ != State::Open) return held_ ? held_since_ + longest_decision : opened_ + limits_.connect_timeout;
  if (keep_alive_ == 0 || held_) return never;
  if (role_ == Role::server) return last_received_ + keep_alive_ * 1500ull;  // [MQTT-3.1.2-22]
  return ping_outstanding_ ? pinged_ + keep_alive_ * 1000ull : ping_due();
}

Result<> Connection::tick(Now now) {
  now_ = now.steady;
  outbox_.rest();
  if (protection_ != nullptr) protection_->sealed.rest();
  if (now_ < deadline()) return {};
  if (state_ != State::Open) {
    failed_ = true;
    return fail(Blame::peer_misbehaved, "login took too long", code(Reason::unspecified_error));
  }
  if (role_ == Role::server || ping_outstanding_) {
    failed_ = true;
    return fail(Blame::peer_misbehaved, "peer is silent", code(Reason::keep_alive_timeout));
  }
  ping_outstanding_ = true;
  pinged_ = now_;
  send(Pingreq{});
  return {};
}

void Connection::set_keep_alive(std::uint16_t seconds, Now now) {
  now_ = now.steady;
  keep_alive_ = seconds;
  last_received_ = now_;
}

}  // namespace sealmq::mqtt
