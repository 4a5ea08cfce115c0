// Who may come in: what the transport proved, a login by user name and password or by a scheme's method, or nobody in particular
// where that is allowed. Whatever is wrong, the peer gets one answer.
#include <algorithm>

#include "base/text.h"
#include "broker/core.h"

namespace sealmq::broker {
namespace {

using mqtt::Reason;

Failure refused(std::string cause, Reason reason = Reason::not_authorized) {
  return fail(Blame::not_authorised, std::move(cause), static_cast<std::uint8_t>(reason));
}

std::string make_client_id(Random& random, std::size_t shard, std::size_t count) {
  for (;;) {  // until it falls to this shard: `count` tries on average
    std::array<std::uint8_t, 12> octets{};
    random.fill(octets);
    std::string id = "auto-" + to_hex(octets);
    if (Shard::shard_of(id, count) == shard) return id;
  }
}

}  // namespace

Result<> Link::begin(const mqtt::Connect& packet, Bytes raw) {
  const auto& method = packet.properties.authentication_method;
  LoginRequest request;
  if (method) request.method = *method;
  request.client_id = packet.client_id;
  if (packet.user_name) request.user_name = *packet.user_name;
  if (packet.password) request.password = Secret(*packet.password);
  request.connect = to_buffer(raw);
  std::unique_ptr<Login> login;
  if (method) {
    login = core_.begin_login(request);
    if (login == nullptr) return refused("no scheme has this authentication method", Reason::bad_authentication_method);
  } else if (packet.user_name && core_.ports.password_login) {
    login = core_.ports.password_login(request);
  }
  if (login != nullptr)
    return take_part(std::move(login), std::move(request), false, packet.properties.authentication_data.value_or(Bytes{}));
  // No login, or a user name where nothing is known of names.
  if (peer.identity.empty() && !peer.may_be_anonymous) return refused("no login where one is needed");
  identity = peer.identity;
  return enter(packet, {});
}

// [MQTT-4.12.1-1] The same method, and the session goes on meanwhile.
Result<> Link::on(const mqtt::Auth& packet) {
  Bytes data = packet.properties.authentication_data.value_or(Bytes{});
  if (packet.reason != Reason::reauthenticate) {
    if (logging_in == nullptr || logging_in->running) return refused("AUTH out of turn", Reason::protocol_error);
    if (!logging_in->connect.empty()) connection.hold();
    step(data);
    return {};
  }
  LoginRequest request;
  request.method = *packet.properties.authentication_method;
  request.client_id = session->client_id;
  auto login = core_.begin_login(request);
  if (login == nullptr) return refused("no scheme has this authentication method", Reason::bad_authentication_method);
  return take_part(std::move(login), std::move(request), true, data);
}

std::unique_ptr<Login> Core::begin_login(LoginRequest& request) {
  for (const auto& scheme : ports.schemes)
    if (auto login = scheme->begin_login(request)) return login;
  return nullptr;
}

Result<> Link::take_part(std::unique_ptr<Login> login, LoginRequest request, bool again, Bytes data) {
  std::string name = !identity.empty() ? identity : request.user_name.empty() ? request.client_id : request.user_name;
  if (core_.ports.gate != nullptr && !core_.ports.gate->may_try(name, peer.address, now))
    return refused("too many logins have failed", Reason::quota_exceeded);
  if (core_.logins >= core_.settings.maximum_logins) return refused("too many logins at once", Reason::quota_exceeded);
  logging_in = std::make_unique<PendingLogin>();
  ++core_.logins;
  logging_in->login = std::move(login);
  logging_in->method = std::move(request.method);
  logging_in->name = std::move(name);
  if (!again) {
    logging_in->connect = std::move(request.connect);
    connection.hold();
  }
  step(data);
  return {};
}

// A client that has left costs no more work.
void Link::step(Bytes data) {
  logging_in->running = true;
  logging_in->answer = std::make_shared<std::optional<Result<Login::Step>>>();
  core_.effects.jobs.push_back({{Job::Kind::login, id, {}},
                                [pending = std::weak_ptr(logging_in->login), answer = logging_in->answer, data = to_buffer(data),
                                 now = now, directory = core_.access.shared_directory()] {
                                  if (auto login = pending.lock()) answer->emplace(login->advance(data, {now, *directory}));
                                }});
}

Result<> Link::go_on_with_login() {
  PendingLogin& pending = *logging_in;
  pending.running = false;
  if (!*pending.answer) return refused("too many logins are being worked on");
  Result<Login::Step> result = **std::move(pending.answer);
  bool again = pending.connect.empty();
  mqtt::Properties properties;
  if (!pending.method.empty()) properties.authentication_method = pending.method;  // [MQTT-4.12.0-5]
  if (result && !result->data.empty()) properties.authentication_data = result->data;
  if (result && !result->done) {
    if (pending.method.empty()) return refused("a password takes one step");
    connection.send(mqtt::Auth{.reason = Reason::continue_authentication, .properties = properties});  // [MQTT-4.12.0-2]
    return {};
  }
  auto decided = std::move(logging_in);
  --core_.logins;
  LoginGate* gate = core_.ports.gate;
  std::string who = result ? (*result->done)->identity : std::string();
  const Identity* listed = result ? core_.access.directory().find(who) : nullptr;
  bool may_enter = listed != nullptr && listed->status == Status::active && (!again || who == identity);
  if (!may_enter) {
    if (gate != nullptr) gate->failed(decided->name, peer.address, now);
    return refused(!result ? result.error().what : again ? "another identity than before" : "its identity is not active");
  }
  if (gate != nullptr) gate->succeeded(decided->name);
  if (again) {
    connection.send(mqtt::Auth{.reason = Reason::success, .properties = properties});
    return {};
  }
  identity = std::move(who);
  auto header = TRY(mqtt::decode_header(decided->connect, connection.version()));
  auto packet = TRY(mqtt::decode_connect(Bytes(decided->connect).subspan(header->size)));
  return enter(packet, properties);
}

// The client is who it says it is; it gets its session.
Result<> Link::enter(const mqtt::Connect& packet, const mqtt::Properties& login) {
  if (!identity.empty()) {
    const Identity* listed = core_.access.directory().find(identity);
    if (listed == nullptr || listed->status != Status::active) return refused("its identity is not active");
  }
  mqtt::Connack answer;
  answer.properties.authentication_method = login.authentication_method;
  answer.properties.authentication_data = login.authentication_data;
  std::string assigned;
  std::string_view client_id = packet.client_id;
  if (client_id.empty()) {
    assigned = make_client_id(core_.ports.random, core_.index, core_.count);
    client_id = answer.properties.assigned_client_identifier.emplace(assigned);  // [MQTT-3.2.2-16]
  }
  std::optional<PendingWill> will;
  if (packet.will) {
    auto admitted = core_.admit_will(*this, *packet.will, now);
    if (!admitted)
      return fail(Blame::not_authorised, "Will: " + admitted.error().cause, static_cast<std::uint8_t>(admitted.error().reason));
    will = std::move(*admitted);
  }
  if (!core_.may_take(client_id, identity)) return refused("the session is another identity's");
  auto [taken, present] = core_.take_session(client_id, identity, packet.clean_start, now);
  if (taken == nullptr) return refused("too many sessions", Reason::quota_exceeded);

  session = taken;
  session->link = this;
  session->will = std::move(will);
  std::uint32_t longest = core_.settings.maximum_session_expiry;
  if (packet.version == mqtt::Version::v5) {
    std::uint32_t wanted = packet.properties.session_expiry_interval.value_or(0);
    session->expiry_interval = std::min(wanted, longest);
    if (wanted > longest) answer.properties.session_expiry_interval = longest;
    answer.properties.receive_maximum = core_.settings.limits.receive_maximum;
    answer.properties.maximum_packet_size = core_.settings.limits.maximum_packet_size;
    if (core_.settings.limits.topic_alias_maximum != 0)
      answer.properties.topic_alias_maximum = core_.settings.limits.topic_alias_maximum;
    alias_maximum = std::min(packet.properties.topic_alias_maximum.value_or(0), core_.settings.topic_alias_maximum_out);
    std::uint16_t bound = core_.settings.maximum_keep_alive;
    if (bound != 0 && (packet.keep_alive == 0 || packet.keep_alive > bound))
      answer.properties.server_keep_alive = bound;  // [MQTT-3.1.2-21]; before MQTT 5 there is no word for it
  } else {
    session->expiry_interval = packet.clean_start ? 0 : longest;
  }
  ++core_.counters.logins;
  answer.session_present = present;
  for (auto& entry : session->outgoing) entry.sent = false;
  core_.save(*session);
  core_.recount(*session);
  core_.tell_groups(*session, MemberEvent::What::present);
  connection.send(answer);
  if (connection.state() != mqtt::Connection::State::Open)
    return refused("its maximum packet size is smaller than our CONNACK", Reason::packet_too_large);
  core_.pump(*session, now);
  return {};
}

}  // namespace sealmq::broker
