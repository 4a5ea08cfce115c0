// What a connection sends, and how it ends itself.
#include "mqtt/connection.h"
#include "mqtt/wire.h"

namespace sealmq::mqtt {
namespace {

using State = Connection::State;

/// MQTT 5 table 3-10, column "sent by".
bool client_disconnects_with(Reason reason) {
  switch (reason) {
    case Reason::success:
    case Reason::disconnect_with_will:
    case Reason::unspecified_error:
    case Reason::malformed_packet:
    case Reason::protocol_error:
    case Reason::implementation_specific_error:
    case Reason::topic_name_invalid:
    case Reason::receive_maximum_exceeded:
    case Reason::topic_alias_invalid:
    case Reason::packet_too_large:
    case Reason::message_rate_too_high:
    case Reason::quota_exceeded:
    case Reason::administrative_action:
    case Reason::payload_format_invalid:
      return true;
    default:
      return false;
  }
}

/// MQTT 3.1.1 [MQTT-3.1.4-1] [MQTT-3.2.2-6]: a CONNECT that breaks the rules is not answered, and there are no numbers for these.
bool has_no_return_code(Reason reason) {
  return reason == Reason::malformed_packet || reason == Reason::protocol_error || reason == Reason::packet_too_large ||
         reason == Reason::topic_name_invalid;
}

Reason reason_of(const Error& error) {
  auto reason = static_cast<Reason>(error.code);
  return is_error(reason) ? reason : Reason::unspecified_error;
}

}  // namespace

bool Connection::may_disconnect_with(Role sender, Reason reason) {
  if (!may_carry(PacketType::disconnect, reason)) return false;
  return sender == Role::client ? client_disconnects_with(reason) : reason != Reason::disconnect_with_will;
}

/// Takes back what was appended if it is too large for the peer. [MQTT-3.1.2-24] [MQTT-3.2.2-15]
bool Connection::sent(std::size_t tail_before) {
  Buffer& tail = outbox_.tail();
  if (tail.size() - tail_before > peer_maximum_packet_size_) {
    tail.resize(tail_before);
    return false;
  }
  if (counts_ != nullptr) ++counts_->sent[tail[tail_before] >> 4];
  last_sent_ = now_;
  return true;
}

void Connection::send(const Connect& packet, Bytes encoded) {
  const Properties& properties = packet.properties;
  version_ = packet.version;
  keep_alive_ = packet.keep_alive;
  session_ends_here_ = properties.session_expiry_interval.value_or(0) == 0;
  if (properties.authentication_method) authentication_method_ = *properties.authentication_method;
  if (version_ == Version::v5) {  // what CONNECT does not say has the standard's value
    limits_.receive_maximum = properties.receive_maximum.value_or(65535);
    limits_.topic_alias_maximum = properties.topic_alias_maximum.value_or(0);
    limits_.maximum_packet_size = properties.maximum_packet_size.value_or(limits_.maximum_packet_size);
  }
  if (encoded.empty())
    encode(packet, outbox_.tail());
  else
    sealmq::append(outbox_.tail(), encoded);
  last_sent_ = now_;
  state_ = State::ExpectConnack;
}

void Connection::send(const Connack& packet) {
  bool arrives = send_answer(packet, true);
  if (packet.properties.server_keep_alive) keep_alive_ = *packet.properties.server_keep_alive;
  last_received_ = std::max(last_received_, now_);  // the client was right to wait in silence
  state_ = arrives && packet.reason == Reason::success ? State::Open : State::Closed;
}

void Connection::send(const Auth& packet) {
  reauthenticating_ = packet.reason == Reason::reauthenticate || (reauthenticating_ && packet.reason != Reason::success);
  send_answer(packet, peer_wants_explanations_);
}

bool Connection::send(const Publish& packet) {
  return append(packet);
}

void Connection::send(const Disconnect& packet) {
  bool sent_by_role = role_ == Role::client ? state_ != State::ExpectConnect : version_ == Version::v5 && state_ == State::Open;
  // In MQTT 3 any DISCONNECT means that all is well and the will is forgotten.
  bool means_the_same = version_ == Version::v5 || packet.reason == Reason::success;
  if (sent_by_role && means_the_same) send_answer(packet, true);
  state_ = State::Closed;
}

void Connection::disconnect(Reason reason, std::string_view reason_string) {
  Disconnect packet;
  packet.reason = reason;
  if (!reason_string.empty()) packet.properties.reason_string = reason_string;
  send(packet);
}

void Connection::abort(const Error& error) {
  Reason reason = reason_of(error);
  if (state_ == State::Open) {
    if (!may_disconnect_with(role_, reason)) reason = Reason::unspecified_error;
    disconnect(reason, reason == Reason::packet_too_large ? error.what : std::string_view());
  } else if (role_ == Role::server && state_ != State::Closed && version_known_) {
    if (!may_carry(PacketType::connack, reason)) reason = Reason::unspecified_error;
    Connack refusal;
    refusal.reason = reason;
    if (version_ == Version::v5 || !has_no_return_code(reason)) send(refusal);
  }
  state_ = State::Closed;
}

}  // namespace sealmq::mqtt
