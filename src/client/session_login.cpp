// How a client logs in by its scheme, and what protects the connection from then on.
#include <algorithm>

#include "client/session.h"

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

}  // namespace

/// Null: nobody logs in, or by a user name and password as MQTT has them.
Result<std::unique_ptr<ClientLogin>> ClientSession::begin_login(const Underneath& underneath) {
  const bool names_hop = options_.hop == HopWish::hpp1 || options_.hop == HopWish::hrl1;
  const bool may_log_in = scheme_ != nullptr && !options_.user_name.empty() && !options_.plain_login;
  hop_ = options_.hop == HopWish::hpp1 ? Hop::hpp1 : options_.hop == HopWish::hrl1 ? Hop::hrl1 : Hop::none;
  if (options_.hop == HopWish::automatic && !underneath.is_private) hop_ = Hop::hrl1;
  std::unique_ptr<ClientLogin> login;
  if (may_log_in)
    login = TRY(scheme_->begin_login({.client_id = client_id_,
                                      .user_name = options_.user_name,
                                      .password = &options_.password,
                                      .channel_binding = underneath.channel_binding,
                                      .hop_offer = std::string(name(hop_)),
                                      .is_v5 = options_.version == mqtt::Version::v5}));
  const bool makes_key = login != nullptr && !login->method().empty();
  if (!makes_key && names_hop)
    return fail(Blame::caller_misused,
                "nothing makes the keys for --hop\nhint: --scheme NAME -u NAME, with a scheme that logs in");
  if (!makes_key) hop_ = Hop::none;
  underneath_ = underneath;
  return login;
}

/// The broker is not who it should be, or not as it should be. The reason string is all it learns.
void ClientSession::leave_broker(Error error) {
  connection_.disconnect(Reason::unspecified_error, "auth");
  close(std::move(error));
}

Result<> ClientSession::on_auth(const mqtt::Auth& auth) {
  const Bytes data = auth.properties.authentication_data.value_or(Bytes{});
  if (login_ == nullptr)
    return fail(Blame::peer_misbehaved, "AUTH without a login", static_cast<std::uint8_t>(Reason::protocol_error));
  if (auth.reason == Reason::success) {  // of logging in again
    auto confirmed = login_->finish(data, {});
    login_.reset();
    if (!confirmed) leave_broker(std::move(confirmed).error());
    return {};
  }
  const auto answer = login_->answer(data);
  if (!answer) {
    leave_broker(answer.error());
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
    leave_broker(std::move(key).error());
    return false;
  }
  if (hop != name(hop_)) {
    leave_broker(not_protected().value());
    return false;
  }
  if (hop_ == Hop::hrl1) TRY(connection_.protect_with(mqtt::records_by(crypto::HopRecords(*key, crypto::HopEnd::client))));
  if (hop_ == Hop::hpp1) {
    const std::string_view id = connack.assigned_client_identifier.value_or(client_id_);
    payloads_ = std::make_unique<crypto::HopPayloads>(*key, id, crypto::HopEnd::client);
  }
  return true;
}

Result<> ClientSession::log_in_again(Now now) {
  now_ = now;
  if (!is_open() || login_ != nullptr) return fail(Blame::caller_misused, "cannot log in again now");
  std::unique_ptr<ClientLogin> login;
  if (scheme_ != nullptr && !options_.user_name.empty())
    login = TRY(scheme_->begin_login({.client_id = client_id_,
                                      .user_name = options_.user_name,
                                      .password = &options_.password,
                                      .channel_binding = underneath_.channel_binding,
                                      .hop_offer = {},
                                      .is_v5 = options_.version == mqtt::Version::v5}));
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
  if (payloads_ == nullptr) return on_message(publish);
  const auto opened = payloads_->open(publish.topic, publish.payload);
  if (opened && !opened->repeat) {
    mqtt::Publish plain = publish;
    plain.payload = opened->plaintext;
    return on_message(plain);
  }
  if (!opened)
    events_.push_back(RefusedMessage{std::string(publish.topic), "on its way from the broker: " + opened.error().what});
  expect_acknowledgement(publish, true);
  acknowledge_taken();
  return {};
}

}  // namespace sealmq
