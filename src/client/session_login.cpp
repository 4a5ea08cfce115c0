// How a client logs in by its scheme, and what protects the connection from then on.
#include <algorithm>

#include "base/try.h"
#include "client/session.h"
#include "crypto/ratchet.h"
#include "mqtt/properties.h"

namespace sealmq {

using mqtt::Reason;

namespace {

Failure not_protected() {
  return fail(Blame::peer_incompatible,
              "the broker does not protect the connection after the login as was asked for\n"
              "hint: --hop none goes on without, where nobody else can reach the connection");
}

std::string_view hop_of(const mqtt::Properties& properties) {
  const auto found = std::ranges::find(properties.user, hop_property, &mqtt::UserProperty::name);
  return found == properties.user.end() ? std::string_view() : found->value;
}

Hop hop_of(HopWish wish, bool is_private) {
  switch (wish) {
    case HopWish::automatic:
      return is_private ? Hop::none : Hop::hrl1;
    case HopWish::none:
      return Hop::none;
    case HopWish::hpp1:
      return Hop::hpp1;
    case HopWish::ratchet:
      return Hop::ratchet;
    case HopWish::hrl1:
      return Hop::hrl1;
  }
  return Hop::none;
}

}  // namespace

/// Null: nobody logs in, or by a user name and password as MQTT has them.
Result<std::unique_ptr<ClientLogin>> ClientSession::begin_login(const Underneath& underneath) {
  const bool names_hop = options_.hop != HopWish::automatic && options_.hop != HopWish::none;
  const bool may_log_in =
      scheme_ != nullptr && (!scheme_->client_id().empty() || (!options_.user_name.empty() && !options_.plain_login));
  hop_ = hop_of(options_.hop, underneath.is_private);
  std::unique_ptr<ClientLogin> login;
  if (may_log_in)
    login = TRY(scheme_->begin_login({.client_id = client_id_,
                                      .user_name = options_.user_name,
                                      .password = &options_.password,
                                      .channel_binding = underneath.channel_binding,
                                      .hop_offer = std::string(name(hop_)),
                                      .is_v5 = options_.version == mqtt::Version::v5}));
  const bool makes_key = login != nullptr && login->makes_key();
  if (!makes_key && names_hop)
    return fail(Blame::caller_misused,
                "nothing makes the keys for --hop\nhint: --scheme NAME -u NAME, with a scheme that logs in");
  if (!makes_key) hop_ = Hop::none;
  underneath_ = underneath;
  return login;
}

/// The broker is not who it should be, or not as it should be. The reason string is all it learns.
void ClientSession::leave_broker(Error error, std::string_view farewell) {
  connection_.disconnect(Reason::unspecified_error, farewell);
  close(std::move(error));
}

Result<> ClientSession::on_auth(const mqtt::Auth& auth) {
  const Bytes data = auth.properties.authentication_data.value_or(Bytes{});
  if (login_ == nullptr)
    return fail(Blame::peer_misbehaved, "AUTH without a login", static_cast<std::uint8_t>(Reason::protocol_error));
  if (auth.reason == Reason::success) {  // of logging in again
    const auto login = std::exchange(login_, nullptr);
    const auto key = login->finish(data, {});
    if (key) return connection_.protect_again(*key);
    leave_broker(key.error(), login->farewell());
    return {};
  }
  const auto answer = login_->answer(data);
  if (!answer) {
    leave_broker(answer.error(), login_->farewell());
    return {};
  }
  mqtt::Auth reply;
  reply.reason = Reason::continue_authentication;
  reply.properties.authentication_method = login_->method();
  reply.properties.authentication_data = *answer;
  connection_.send(reply);
  return {};
}

/// CONNACK says that all is well. False: it is not.
Result<bool> ClientSession::finish_login(const mqtt::Properties& connack) {
  if (login_ == nullptr) return true;
  const auto login = std::exchange(login_, nullptr);
  const std::string_view hop = hop_of(connack);
  auto key = login->finish(connack.authentication_data.value_or(Bytes{}), hop);
  if (!key) {
    leave_broker(std::move(key).error(), login->farewell());
    return false;
  }
  if (hop != name(hop_)) {
    leave_broker(not_protected().value(), login->farewell());
    return false;
  }
  const std::size_t key_size = login->key_bits() / 8;
  const std::string_view id = connack.assigned_client_identifier.value_or(client_id_);
  switch (hop_) {
    case Hop::hrl1:
      TRY(connection_.protect_with(mqtt::records_by(crypto::HopRecords(*key, crypto::HopEnd::client, key_size))));
      break;
    case Hop::hpp1:
      guard_ = std::make_unique<crypto::HopPayloads>(*key, id, crypto::HopEnd::client, key_size, crypto::EpochLimits(),
                                                     underneath_.most_forgeries);
      break;
    case Hop::ratchet:
      guard_ = std::make_unique<crypto::RatchetPayloads>(*key, crypto::HopEnd::client, key_size);
      break;
    case Hop::none:
      guard_ = login->guard();
  }
  return true;
}

Result<> ClientSession::log_in_again(Now now) {
  now_ = now;
  if (!is_open() || login_ != nullptr) return fail(Blame::caller_misused, "cannot log in again now");
  std::unique_ptr<ClientLogin> login;
  if (scheme_ != nullptr && (!options_.user_name.empty() || !scheme_->client_id().empty()))
    login = TRY(scheme_->begin_login({.client_id = client_id_,
                                      .user_name = options_.user_name,
                                      .password = &options_.password,
                                      .channel_binding = underneath_.channel_binding,
                                      .hop_offer = {},
                                      .is_v5 = options_.version == mqtt::Version::v5,
                                      .is_again = true}));
  if (login == nullptr || login->method().empty()) return fail(Blame::caller_misused, "this scheme has no such login");
  const Buffer first = TRY(login->first());
  login_ = std::move(login);
  mqtt::Auth auth;
  auth.reason = Reason::reauthenticate;
  auth.properties.authentication_method = login_->method();
  auth.properties.authentication_data = first;
  connection_.send(auth);
  return {};
}

// -- payloads that are sealed for this connection

Result<> ClientSession::on_publish(const mqtt::Publish& publish) {
  if (came_before(publish)) return {};
  if (guard_ == nullptr) return on_message(publish);
  if (relay() != nullptr && publish.qos != mqtt::QoS::exactly_once)
    return fail(Blame::peer_misbehaved, "all messages of this scheme have QoS 2",
                static_cast<std::uint8_t>(Reason::protocol_error));
  const auto opened = guard_->open(publish.topic, publish.payload);
  if (!opened && (relay() != nullptr || guard_->must_end())) {
    leave_broker(opened.error(), relay() != nullptr ? relay()->farewell() : "payloads");
    return {};
  }
  if (opened && !opened->repeat) {
    mqtt::Publish plain = publish;
    plain.payload = opened->plaintext;
    return on_message(plain);
  }
  if (!opened)
    events_.emplace_back(RefusedMessage{std::string(publish.topic), "on its way from the broker: " + opened.error().what});
  expect_acknowledgement(publish, true);
  acknowledge_taken();
  return {};
}

// -- keys that travel in acknowledgements

void ClientSession::send_pubrec(std::uint16_t packet_id) {
  mqtt::Pubrec packet{.packet_id = packet_id, .reason = Reason::success, .properties = {}};
  if (relay() == nullptr) return connection_.send(packet);
  const auto property = relay()->receipt(packet_id);
  if (!property) return leave_broker(property.error(), relay()->farewell());
  if (*property) packet.properties.user.push_back({(*property)->name, (*property)->value});
  connection_.send(packet);
}

void ClientSession::send_pubrel(std::uint16_t packet_id) {
  mqtt::Pubrel packet{.packet_id = packet_id, .reason = Reason::success, .properties = {}};
  if (relay() == nullptr) return connection_.send(packet);
  const auto property = relay()->release(packet_id);
  if (!property) return leave_broker(property.error(), relay()->farewell());
  if (*property) packet.properties.user.push_back({(*property)->name, (*property)->value});
  connection_.send(packet);
}

}  // namespace sealmq
