// Who may come in: what the transport proved, a login by user name and password or by a scheme's method, or nobody in particular
// where that is allowed. Whatever is wrong, the peer gets one answer.
#include <algorithm>

#include "base/text.h"
#include "base/try.h"
#include "broker/core.h"
#include "crypto/ratchet.h"

namespace sealmq::broker {
namespace {

using mqtt::Reason;

Failure refused(std::string cause, Reason reason = Reason::not_authorized) {
  return fail(Blame::not_authorised, std::move(cause), static_cast<std::uint8_t>(reason));
}

std::string make_client_id(const Core& core, std::string_view begins_with) {
  for (;;) {  // until it falls to this shard: as many tries on average as there are shards
    std::array<std::uint8_t, 12> octets{};
    core.ports.random.fill(octets);
    std::string id = std::string(begins_with).append("auto-").append(to_hex(octets));
    if (core.owner_of(id) == core.index) return id;
  }
}

/// What the client offers to protect its connection with.
Result<std::string> read_hop_offer(const mqtt::Properties& properties) {
  constexpr std::size_t longest = 255;
  std::string offer;
  for (const auto& user : properties.user)
    if (user.name == hop_property) offer.append(offer.empty() ? "" : ",").append(user.value);
  if (offer.size() > longest) return refused("offers too much to protect the connection with", Reason::protocol_error);
  return offer;
}

bool has_offered(std::string_view offer, Hop hop) {
  while (!offer.empty()) {
    const auto end = std::min(offer.find(','), offer.size());
    if (offer.substr(0, end) == name(hop)) return true;
    offer.remove_prefix(std::min(end + 1, offer.size()));
  }
  return false;
}

/// baseline-tls, section 5: so that nobody takes over another identity's session.
bool is_bound_to(std::string_view client_id, std::string_view identity) {
  return client_id.starts_with(identity) && (client_id.size() == identity.size() || client_id[identity.size()] == ':');
}

/// "Take my identity from TLS."
constexpr std::string_view tls_method = "TLS-EXT";

constexpr const char* too_many_failures = "too many logins have failed";

/// Whether what has come of a step is a failure of the peer's. Who has proved something, and not what the list asks for, has
/// failed like anybody else.
LoginGate::Outcome outcome_of(const Result<Login::Step>& step, const Directory& directory, const LoginKind& kind) {
  if (!step) return step.error().blame == Blame::environment ? LoginGate::Outcome::untried : LoginGate::Outcome::failed;
  if (!step->done) return LoginGate::Outcome::untried;
  const LoggedIn& who = **step->done;
  return Access::check_login(directory.find(who.identity), kind.with(who.factors, who.identity)) ? LoginGate::Outcome::succeeded
                                                                                                 : LoginGate::Outcome::failed;
}

/// One step, counted from its beginning, whatever becomes of the connection meanwhile. Where a key is looked at before the
/// secret, only who has the key fails at the secret, or learns that no more tries are taken.
Result<Login::Step> advance(Login& login, Bytes data, const Scene& scene, const LoginKind& kind,
                            const std::function<LoginTry(Login::Tested)>& begin) {
  const auto tested = login.tested();
  LoginTry attempt = begin(tested);
  if (!attempt.is_open()) return refused(too_many_failures, Reason::quota_exceeded);
  auto step = login.advance(data, scene);
  if (login.tested() != tested) {
    attempt.is(LoginGate::Outcome::untried);
    attempt = begin(login.tested());
    if (!attempt.is_open()) return refused(too_many_failures, Reason::quota_exceeded);
  }
  attempt.is(outcome_of(step, scene.directory, kind));
  return step;
}

/// Whose secret it is that is tested, unless the login knows better. To be taken before the login takes the request apart.
std::string name_in(const LoginRequest& request) {
  return request.user_name.empty() ? request.client_id : request.user_name;
}

}  // namespace

/// Decided before anybody has said who they are, so that the answer tells nothing of users.
Result<Hop> Link::choose_hop(std::string_view offer, bool by_scheme) const {
  const HopRule rule = peer.hop;
  Hop chosen = Hop::none;
  for (const auto& [hop, wanted] :
       {std::pair(Hop::hpp1, HopRule::hpp1), std::pair(Hop::ratchet, HopRule::ratchet), std::pair(Hop::hrl1, HopRule::hrl1)})
    if (by_scheme && has_offered(offer, hop) && (rule == HopRule::as_offered || rule == wanted)) chosen = hop;
  const bool is_required = rule != HopRule::as_offered && rule != HopRule::none;
  if (is_required && chosen == Hop::none && !peer.is_own)
    return refused("its connection would not be protected as this listener asks for");
  if (by_scheme && peer.must_be_protected && chosen == Hop::none)
    return refused("nothing would protect its connection after the login");
  return chosen;
}

Result<> Link::begin(const mqtt::Connect& packet, Bytes raw) {
  const auto& method = packet.properties.authentication_method;
  if (method && *method == tls_method) return enter_by_tls(packet);
  const bool tls_knows = !peer.identity.empty();
  if (!method && tls_knows && packet.user_name && *packet.user_name != peer.identity)
    return refused("its user name is not the one that TLS proves");
  LoginRequest request;
  if (method) request.method = *method;
  request.client_id = packet.client_id;
  if (packet.user_name) request.user_name = *packet.user_name;
  if (packet.password) request.password = Secret(*packet.password);
  request.connect = Secret(raw);
  request.address = peer.address;
  request.channel_binding = peer.channel_binding;
  std::string name = name_in(request);
  std::unique_ptr<Login> login;
  bool is_quick = false;
  std::optional<std::size_t> scheme;
  if (method) {
    request.hop_offer = TRY(read_hop_offer(packet.properties));
    const auto hop = choose_hop(request.hop_offer, true);
    request.hop = hop.value_or(Hop::none);
    login = core_.begin_login(request, scheme);
    if (login == nullptr) return refused("no scheme has this authentication method", Reason::bad_authentication_method);
    if (!hop) return Failure(hop.error());
  } else {
    // A password beside what TLS proves is a second factor; without one there is nothing to look at.
    const bool tries = packet.user_name && (packet.password || !tls_knows);
    if (tries) login = core_.begin_login_in_connect(request, scheme);
    TRY(choose_hop({}, scheme.has_value()));  // it makes no key
    if (tries && login == nullptr && core_.ports.password_login) {
      auto begun = core_.ports.password_login(request, now);
      login = std::move(begun.login);
      is_quick = begun.is_quick;
    }
  }
  if (login != nullptr)
    return take_part(std::move(login), is_quick, std::move(request), std::move(name), scheme,
                     packet.properties.authentication_data.value_or(Bytes{}));
  // No login, or a user name where nothing is known of names.
  if (peer.identity.empty() && !peer.may_be_anonymous) return refused("anonymous client refused: this listener wants a login");
  if (!peer.identity.empty()) TRY(prove(peer.identity, nullptr, {}));
  identity = peer.identity;
  return enter(packet, {});
}

Result<> Link::enter_by_tls(const mqtt::Connect& packet) {
  if (!packet.properties.authentication_data.value_or(Bytes{}).empty()) return refused("TLS-EXT takes no data");
  if (peer.identity.empty()) return refused("TLS proves nobody");
  TRY(choose_hop({}, false));
  TRY(prove(peer.identity, nullptr, {}));
  identity = peer.identity;
  Proof proof;
  proof.properties.authentication_method = tls_method;
  return enter(packet, std::move(proof));
}

/// Whether what TLS proved still holds.
Result<> Link::prove_by_tls_again(Bytes data) {
  const bool is_over = peer.proof_ends != 0 && peer.proof_ends <= now.wall;
  if (!data.empty() || peer.identity.empty() || peer.identity != identity || is_over)
    return refused("TLS proves nobody any more");
  TRY(prove(identity, nullptr, {}));
  mqtt::Properties properties;
  properties.authentication_method = tls_method;
  connection.send(mqtt::Auth{.reason = Reason::success, .properties = properties});
  return {};
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
  if (*packet.properties.authentication_method == tls_method) return prove_by_tls_again(data);
  LoginRequest request;
  request.method = *packet.properties.authentication_method;
  request.client_id = session->client_id;
  request.user_name = identity;
  request.address = peer.address;
  request.channel_binding = peer.channel_binding;
  std::optional<std::size_t> scheme;
  auto login = core_.begin_login(request, scheme);
  if (login == nullptr) return refused("no scheme has this authentication method", Reason::bad_authentication_method);
  return take_part(std::move(login), false, std::move(request), identity, scheme, data);
}

/// Paper profiles let nobody in unless policy names them.
std::unique_ptr<Login> Core::begin_login(LoginRequest& request, std::optional<std::size_t>& by) {
  for (std::size_t i = 0; i < ports.schemes.size(); ++i) {
    if (ports.schemes[i]->info().profile == Profile::paper && !access.is_offered(i)) continue;
    auto login = ports.schemes[i]->begin_login(request);
    if (login == nullptr) continue;
    by = i;
    return login;
  }
  return nullptr;
}

std::unique_ptr<Login> Core::begin_login_in_connect(LoginRequest& request, std::optional<std::size_t>& by) {
  for (std::size_t i = 0; i < ports.schemes.size(); ++i) {
    if (!access.is_offered(i)) continue;
    auto login = ports.schemes[i]->begin_login_in_connect(request);
    if (login == nullptr) continue;
    by = i;
    return login;
  }
  return nullptr;
}

Result<> Link::take_part(std::unique_ptr<Login> login, bool is_quick, LoginRequest request, std::string name,
                         std::optional<std::size_t> scheme, Bytes data) {
  const bool again = session != nullptr;
  if (!login->whose().empty()) name = login->whose();
  // Before there is any work; what has begun is counted where the work is done.
  if (core_.ports.gate != nullptr && !core_.ports.gate->may_try(login->tested(), name, peer.address, now))
    return refused(too_many_failures, Reason::quota_exceeded);
  if (is_quick)
    logging_in = std::make_unique<PendingLogin>();
  else if (!core_.take_login_place(*this))
    return refused("too many logins at once", Reason::quota_exceeded);
  logging_in->login = std::move(login);
  logging_in->method = std::move(request.method);
  logging_in->name = std::move(name);
  // Before it looks at the password: whatever changes from now on is not what it has seen.
  if (core_.ports.password_changes) logging_in->password_changes = core_.ports.password_changes(logging_in->name);
  logging_in->scheme = scheme;
  logging_in->hop = request.hop;
  if (!again) {
    logging_in->connect = std::move(request.connect);
    if (!is_quick) connection.hold();
  }
  if (is_quick) return decide_at_once();
  if (core_.ports.gate == nullptr || logging_in->login->tested() != Login::Tested::secret) {
    step(data);
    return {};
  }
  logging_in->running = logging_in->waits = true;
  logging_in->data = to_buffer(data);
  wait_turn();
  return {};
}

void Link::wait_turn() {
  const auto turn = core_.ports.gate->take_turn(logging_in->name, peer.address, now);
  if (!turn.is_now) return;
  logging_in->waits = false;
  logging_in->answer_at = turn.answer_at;
  if (turn.answer_at != 0) ++core_.counters.slowed_logins;
  step(logging_in->data);
}

// A client that has left costs no more work.
void Link::step(Bytes data) {
  logging_in->running = true;
  core_.login_places.set(logging_in->place, LoginPlaces::At::line);
  logging_in->answer = std::make_shared<std::optional<Result<Login::Step>>>();
  core_.line_up_login(*this, work_of_step(data));
}

std::function<void()> Link::work_of_step(Bytes data) {
  return [pending = std::weak_ptr(logging_in->login), answer = logging_in->answer, data = to_buffer(data), now = now,
          directory = core_.access.shared_directory(), gate = core_.ports.gate, name = logging_in->name, address = peer.address,
          kind = kind_of(logging_in->scheme)] {
    if (auto login = pending.lock())
      answer->emplace(advance(*login, data, {now, *directory}, kind,
                              [&](Login::Tested by) { return LoginTry(gate, by, name, address, now); }));
  };
}

// A fleet that comes back waits behind nobody's slow hash, and makes nobody wait.
Result<> Link::decide_at_once() {
  logging_in->answer = std::make_shared<std::optional<Result<Login::Step>>>();
  work_of_step({})();
  return go_on_with_login();
}

bool Core::take_login_place(Link& link) {
  if (login_places.is_full()) {
    const auto leaving = login_places.displaced_by(link.place());
    Link* other = leaving ? find(*leaving) : nullptr;
    if (other == nullptr) return false;
    other->now = link.now;
    other->logging_in->displaced = true;
    abort(*other, {Blame::environment, "its login makes room for others", static_cast<std::uint8_t>(Reason::quota_exceeded)});
  }
  link.logging_in = std::make_unique<PendingLogin>();
  link.logging_in->place = login_places.enter(link.place(), link.id);
  return true;
}

void Core::line_up_login(Link& link, std::function<void()> work) {
  link.logging_in->work = std::move(work);
  link.logging_in->ticket = login_turns_.wait(link.place(), link.id);
  begin_logins();
}

void Core::begin_logins() {
  while (const auto next = login_turns_.next()) {
    Link& link = *find(*next);  // who ends leaves the line
    login_places.set(link.logging_in->place, LoginPlaces::At::work);
    effects.jobs.push_back({{Job::Kind::login, link.id, link.place()}, std::move(link.logging_in->work)});
  }
}

void Core::forget_login(Link& link) {
  login_places.leave(link.logging_in->place);
  login_turns_.leave(link.place(), link.logging_in->ticket);
}

Result<> Link::go_on_with_login() {
  PendingLogin& pending = *logging_in;
  if (!*pending.answer) return refused("too many logins are being worked on");
  pending.running = false;
  Result<Login::Step> result = std::move(**pending.answer);
  bool again = pending.connect.empty();
  mqtt::Properties properties;
  if (!pending.method.empty()) properties.authentication_method = pending.method;  // [MQTT-4.12.0-5]
  if (result && !result->data.empty()) properties.authentication_data = result->data;
  if (result && !result->done) {
    if (pending.method.empty()) return refused("a password takes one step");
    core_.login_places.set(pending.place, LoginPlaces::At::peer);
    pending.since = now.steady;
    connection.send(mqtt::Auth{.reason = Reason::continue_authentication, .properties = properties});  // [MQTT-4.12.0-2]
    return {};
  }
  core_.forget_login(*this);
  auto decided = std::move(logging_in);
  if (!result) {
    const auto code = static_cast<Reason>(result.error().code);
    const bool may_be_told = code == Reason::protocol_error || code == Reason::quota_exceeded;
    return refused(result.error().what, may_be_told ? code : Reason::not_authorized);
  }
  LoggedIn logged_in = std::move(*result->done).release();
  if (again && logged_in.identity != identity) return refused("another identity than before");
  TRY(prove(logged_in.identity, decided.get(), logged_in.factors));
  if (again) {
    connection.send(mqtt::Auth{.reason = Reason::success, .properties = properties});
    return connection.protect_again(logged_in.session_key);
  }
  identity = logged_in.identity;
  proved_by = decided->scheme;
  auto header = TRY(mqtt::decode_header(decided->connect.reveal(), connection.version()));
  auto packet = TRY(mqtt::decode_connect(decided->connect.reveal().subspan(header->size)));
  Proof proof;
  proof.properties = properties;
  proof.hop = decided->hop;
  proof.who = std::move(logged_in);
  return enter(packet, std::move(proof));
}

LoginKind Link::kind_of(std::optional<std::size_t> scheme) const {
  if (!scheme) return {password_login, Profile::hardened, peer.identity};
  const SchemeInfo& info = core_.ports.schemes[*scheme]->info();
  return {info.name, info.profile, peer.identity, info.login_proves.holds({Factor::card})};
}

Result<Proved> Link::check(const std::string& who, const CameBy& by) const {
  const LoginKind kind = by.has_logged_in ? kind_of(by.scheme) : LoginKind{{}, Profile::hardened, peer.identity};
  const Identity* listed = core_.access.directory().find(who);
  auto checked = Access::check_login(listed, kind.with(by.factors, who));
  if (!checked) return refused(checked.error().what);
  Proved its;
  if (peer.identity == who && Access::may_log_in(*listed, transport_login, Profile::hardened))
    core_.access.add_login(its, login_by_transport);
  if (by.has_logged_in) core_.access.add_login(its, by.scheme.value_or(login_by_password));
  its.factors = *checked;
  return its;
}

Result<> Link::prove(const std::string& who, const PendingLogin* login, Factors factors) {
  CameBy by{login != nullptr, login != nullptr ? login->scheme : std::nullopt, factors, 0};
  proved = TRY(check(who, by));
  proved.since = now.steady;
  if (login != nullptr && core_.ports.password_changes)
    by.password_changes = login->name == who ? login->password_changes : core_.ports.password_changes(who);
  came_by = by;
  return {};
}

bool Link::still_proves() {
  auto checked = check(identity, came_by);
  if (!checked) return false;
  const std::uint64_t since = proved.since;
  proved = *std::move(checked);
  proved.since = since;
  return true;
}

bool Link::has_former_password() const {
  return came_by.factors.holds({Factor::password}) && core_.ports.password_changes != nullptr &&
         core_.ports.password_changes(identity) != came_by.password_changes;
}

// The client is who it says it is; it gets its session.
Result<> Link::enter(const mqtt::Connect& packet, Proof proof) {
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
    assigned = make_client_id(core_, by_tls ? identity + ":" : std::string());
    client_id = answer.properties.assigned_client_identifier.emplace(assigned);  // [MQTT-3.2.2-16]
    knows_its_id = packet.version == mqtt::Version::v5;
  }
  if (proof.who.binds_client_id || by_tls) bound_client_id = client_id;
  std::optional<PendingWill> will;
  if (packet.will) {
    auto admitted = core_.admit_will(*this, client_id, *packet.will, now);
    if (!admitted)
      return fail(Blame::not_authorised, "Will: " + admitted.error().cause, static_cast<std::uint8_t>(admitted.error().reason));
    will = std::move(*admitted);
  }
  // Of such a login nothing goes on beyond its connection.
  auto [taken, present] = core_.take_session(client_id, identity, packet.clean_start || one_at_a_time, party(), now);
  if (taken == nullptr) return refused("too many sessions", Reason::quota_exceeded);

  session = taken;
  session->link = this;
  session->exactly_once = one_at_a_time;
  session->will = std::move(will);
  std::uint32_t longest = one_at_a_time ? 0 : core_.settings.maximum_session_expiry;
  if (packet.version == mqtt::Version::v5) {
    std::uint32_t wanted = packet.properties.session_expiry_interval.value_or(0);
    session->expiry_interval = std::min(wanted, longest);
    if (wanted > longest) answer.properties.session_expiry_interval = longest;
    answer.properties.receive_maximum = core_.settings.limits.receive_maximum;
    if (one_at_a_time) {
      answer.properties.receive_maximum = 1;
      connection.set_receive_maximum(1);
    }
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
  core_.step(session->outgoing.size() + session->subscriptions.size());
  core_.save(*session);
  core_.recount(*session);
  core_.tell_groups(*session, MemberEvent::What::present);
  connection.send(answer);
  if (connection.state() != mqtt::Connection::State::Open)
    return refused("its maximum packet size is smaller than our CONNACK", Reason::packet_too_large);
  if (proof.hop != Hop::none || proof.who.guard != nullptr) TRY(protect(std::move(proof)));
  core_.pump(*session, now);
  return {};
}

/// From here on, which is right behind CONNACK.
Result<> Link::protect(Proof proof) {
  const Secret& key = proof.who.session_key;
  const std::size_t key_size = proof.who.key_bits / 8;
  if (proof.hop != Hop::none && key.empty()) return refused("its login made no key to protect the connection with");
  is_hidden = true;
  switch (proof.hop) {
    case Hop::hrl1:
      return connection.protect_with(mqtt::records_by(crypto::HopRecords(key, crypto::HopEnd::broker, key_size)));
    case Hop::hpp1:
      guard = std::make_unique<crypto::HopPayloads>(key, session->client_id, crypto::HopEnd::broker, key_size);
      break;
    case Hop::ratchet:
      guard = std::make_unique<crypto::RatchetPayloads>(key, crypto::HopEnd::broker, key_size);
      break;
    case Hop::none:
      guard = std::move(proof.who.guard);
  }
  alias_maximum = 0;  // an alias would be of use for the bytes that others get too
  return {};
}

}  // namespace sealmq::broker
