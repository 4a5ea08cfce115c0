// How a client comes in, once it is known who it is: it gets its session, and its connection the protection that was agreed on.
#include "base/text.h"
#include "base/try.h"
#include "broker/connections/client_connection.h"
#include "crypto/ratchet.h"

namespace sealmq::broker {
namespace {

using mqtt::Reason;

Failure refused(std::string cause, Reason reason = Reason::not_authorized) {
  return fail(Blame::not_authorised, std::move(cause), static_cast<std::uint8_t>(reason));
}

std::string make_client_id(const ClientConnection::Neighbours& its, std::string_view begins_with) {
  for (;;) {  // until it falls to this shard: as many tries on average as there are shards
    std::array<std::uint8_t, 12> octets{};
    its.random.fill(octets);
    std::string id = std::string(begins_with).append("auto-").append(to_hex(octets));
    if (Shard::shard_of(id, its.shards, its.settings.shard_key) == its.shard) return id;
  }
}

/// baseline-tls, section 5: so that nobody takes over another identity's session.
bool is_bound_to(std::string_view client_id, std::string_view identity) {
  return client_id.starts_with(identity) && (client_id.size() == identity.size() || client_id[identity.size()] == ':');
}

}  // namespace

Result<> ClientConnection::begin(const mqtt::Connect& packet, Bytes raw) {
  auto decided = TRY(its_.login_flow.begin(login(), packet, raw, now));
  if (!decided) return {};
  return come_in(packet, *std::move(decided));
}

Result<> ClientConnection::on(const mqtt::Auth& packet) {
  return go_on(TRY(its_.login_flow.on_auth(login(), packet, now)));
}

Result<> ClientConnection::go_on_with_login() {
  return go_on(TRY(its_.login_flow.go_on(login(), now)));
}

Result<> ClientConnection::go_on(std::optional<LoginFlow::Decided> decided) {
  if (!decided) return {};
  if (decided->again) {
    proved = decided->proved;
    came_by = decided->came_by;
    return {};
  }
  const Secret connect = std::move(decided->connect);
  auto header = TRY(mqtt::decode_header(connect.reveal(), connection.version()));
  auto packet = TRY(mqtt::decode_connect(connect.reveal().subspan(header->size)));
  return come_in(packet, *std::move(decided));
}

Result<> ClientConnection::come_in(const mqtt::Connect& packet, LoginFlow::Decided decided) {
  identity = decided.identity;
  proved_by = decided.scheme;
  proved = decided.proved;
  came_by = decided.came_by;
  mqtt::Properties properties;
  if (!decided.method.empty()) properties.authentication_method = decided.method;  // [MQTT-4.12.0-5]
  if (!decided.data.empty()) properties.authentication_data = decided.data;
  return enter(packet, {std::move(properties), decided.hop, std::move(decided.who)});
}

bool ClientConnection::still_proves() {
  auto checked = its_.login_flow.check(login(), identity, came_by);
  if (!checked) return false;
  const std::uint64_t since = proved.since;
  proved = *std::move(checked);
  proved.since = since;
  return true;
}

bool ClientConnection::has_former_password() const {
  return came_by.factors.holds({Factor::password}) && its_.login_flow.password_changes(identity) != came_by.password_changes;
}

// The client is who it says it is; it gets its session.
Result<> ClientConnection::enter(const mqtt::Connect& packet, Proof proof) {
  is_bridge = packet.bridge;
  const bool one_at_a_time = proof.who.guard != nullptr && proof.who.guard->relay() != nullptr;
  if (!identity.empty() && proved.by.empty()) return refused("nothing has proved its identity");
  mqtt::Connack answer;
  answer.properties = proof.properties;
  if (proof.hop != Hop::none) answer.properties.user.push_back({hop_property, name(proof.hop)});
  std::string assigned;
  std::string_view client_id = packet.client_id;
  const bool by_tls = peer.binds_client_id && !identity.empty() && identity == peer.identity;
  if (by_tls && !client_id.empty() && !is_bound_to(client_id, identity))
    return refused("its client identifier is not of the identity that TLS proves");
  if (client_id.empty()) {
    assigned = make_client_id(its_, by_tls ? identity + ":" : std::string());
    client_id = answer.properties.assigned_client_identifier.emplace(assigned);  // [MQTT-3.2.2-16]
    knows_its_id = packet.version == mqtt::Version::v5;
  }
  if (proof.who.binds_client_id || by_tls) bound_client_id = client_id;
  std::optional<PendingWill> will;
  if (packet.will) {
    auto admitted = its_.publishing.admit_will(*this, client_id, *packet.will, now);
    if (!admitted)
      return fail(Blame::not_authorised, "Will: " + admitted.error().cause, static_cast<std::uint8_t>(admitted.error().reason));
    will = std::move(*admitted);
  }
  // Of such a login nothing goes on beyond its connection.
  auto [taken, present] = its_.sessions.take(client_id, identity, packet.clean_start || one_at_a_time, party(), now);
  if (taken == nullptr) return refused("too many sessions", Reason::quota_exceeded);

  session = taken;
  session->link = this;
  session->exactly_once = one_at_a_time;
  session->will = std::move(will);
  std::uint32_t longest = one_at_a_time ? 0 : its_.settings.maximum_session_expiry;
  if (packet.version == mqtt::Version::v5) {
    std::uint32_t wanted = packet.properties.session_expiry_interval.value_or(0);
    session->expiry_interval = std::min(wanted, longest);
    if (wanted > longest) answer.properties.session_expiry_interval = longest;
    answer.properties.receive_maximum = its_.settings.limits.receive_maximum;
    if (one_at_a_time) {
      answer.properties.receive_maximum = 1;
      connection.set_receive_maximum(1);
    }
    answer.properties.maximum_packet_size = its_.settings.limits.maximum_packet_size;
    if (its_.settings.limits.topic_alias_maximum != 0)
      answer.properties.topic_alias_maximum = its_.settings.limits.topic_alias_maximum;
    writer.use_aliases(std::min(packet.properties.topic_alias_maximum.value_or(0), its_.settings.topic_alias_maximum_out));
    std::uint16_t bound = its_.settings.maximum_keep_alive;
    if (bound != 0 && (packet.keep_alive == 0 || packet.keep_alive > bound))
      answer.properties.server_keep_alive = bound;  // [MQTT-3.1.2-21]; before MQTT 5 there is no word for it
  } else {
    session->expiry_interval = packet.clean_start ? 0 : longest;
  }
  ++its_.counters.logins;
  answer.session_present = present;
  for (auto& entry : session->outgoing) entry.sent = false;
  session->in_flight = 0;
  its_.steps.add(session->outgoing.size() + session->subscriptions.size());
  its_.durability.save(*session);
  its_.durability.recount(*session);
  its_.grants.tell_groups(*session, MemberEvent::What::present);
  connection.send(answer);
  if (connection.state() != mqtt::Connection::State::Open)
    return refused("its maximum packet size is smaller than our CONNACK", Reason::packet_too_large);
  if (proof.hop != Hop::none || proof.who.guard != nullptr) TRY(protect(std::move(proof)));
  its_.deliveries.pump(*session, now);
  return {};
}

/// From here on, which is right behind CONNACK.
Result<> ClientConnection::protect(Proof proof) {
  const Secret& key = proof.who.session_key;
  const std::size_t key_size = proof.who.key_bits / 8;
  if (proof.hop != Hop::none && key.empty()) return refused("its login made no key to protect the connection with");
  is_hidden = true;
  switch (proof.hop) {
    case Hop::hrl1:
      return connection.protect_with(mqtt::records_by(crypto::HopRecords(key, crypto::HopEnd::broker, key_size)));
    case Hop::hpp1:
      writer.protect_with(std::make_unique<crypto::HopPayloads>(key, session->client_id, crypto::HopEnd::broker, key_size));
      break;
    case Hop::ratchet:
      writer.protect_with(std::make_unique<crypto::RatchetPayloads>(key, crypto::HopEnd::broker, key_size));
      break;
    case Hop::none:
      writer.protect_with(std::move(proof.who.guard));
  }
  return {};
}

}  // namespace sealmq::broker
