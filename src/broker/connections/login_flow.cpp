#include "broker/connections/login_flow.h"

#include <algorithm>

#include "base/text.h"
#include "base/try.h"

namespace sealmq::broker {
namespace {

using mqtt::Reason;

constexpr std::uint64_t longest_step = 5000;  // milliseconds that a client takes for its part of a login

Failure refused(std::string cause, Reason reason = Reason::not_authorized) {
  return fail(Blame::not_authorised, std::move(cause), static_cast<std::uint8_t>(reason));
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

/// "Take my identity from TLS."
constexpr std::string_view tls_method = "TLS-EXT";

constexpr const char* too_many_failures = "too many logins have failed";

/// Whether what has come of a step is a failure of the peer's. Who has proved something, and not what the list asks for, has
/// failed like anybody else.
LoginGate::Outcome outcome_of(const Result<Login::Step>& step, const Directory& directory, const auto& kind) {
  if (!step) return step.error().blame == Blame::environment ? LoginGate::Outcome::untried : LoginGate::Outcome::failed;
  if (!step->done) return LoginGate::Outcome::untried;
  const LoggedIn& who = **step->done;
  return Access::check_login(directory.find(who.identity), kind.with(who.factors, who.identity)) ? LoginGate::Outcome::succeeded
                                                                                                 : LoginGate::Outcome::failed;
}

/// One step, counted from its beginning, whatever becomes of the connection meanwhile. Where a key is looked at before the
/// secret, only who has the key fails at the secret, or learns that no more tries are taken.
Result<Login::Step> advance(Login& login, Bytes data, const Scene& scene, const auto& kind,
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

/// Decided before anybody has said who they are, so that the answer tells nothing of users.
Result<Hop> choose_hop(const Peer& peer, std::string_view offer, bool by_scheme) {
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

}  // namespace

/// By what somebody logs in, as far as it is known at the beginning.
struct LoginFlow::Kind {
  std::string_view name;
  Profile profile;
  std::string transport_identity;
  bool by_card = false;

  Access::Login with(Factors factors, std::string_view who) const {
    return {name, profile, factors, !transport_identity.empty() && transport_identity == who, by_card};
  }
};

LoginFlow::Answer LoginFlow::begin(const Of& of, const mqtt::Connect& packet, Bytes raw, Now now) {
  const auto& method = packet.properties.authentication_method;
  if (method && *method == tls_method) return enter_by_tls(of, packet, now);
  const bool tls_knows = !of.peer.identity.empty();
  if (!method && tls_knows && packet.user_name && *packet.user_name != of.peer.identity)
    return refused("its user name is not the one that TLS proves");
  LoginRequest request;
  if (method) request.method = *method;
  request.client_id = packet.client_id;
  if (packet.user_name) request.user_name = *packet.user_name;
  if (packet.password) request.password = Secret(*packet.password);
  request.connect = Secret(raw);
  request.address = of.peer.address;
  request.channel_binding = of.peer.channel_binding;
  std::string name = name_in(request);
  std::unique_ptr<Login> login;
  bool is_quick = false;
  std::optional<std::size_t> scheme;
  if (method) {
    request.hop_offer = TRY(read_hop_offer(packet.properties));
    const auto hop = choose_hop(of.peer, request.hop_offer, true);
    request.hop = hop.value_or(Hop::none);
    login = begin_login(request, scheme);
    if (login == nullptr) return refused("no scheme has this authentication method", Reason::bad_authentication_method);
    if (!hop) return Failure(hop.error());
  } else {
    // A password beside what TLS proves is a second factor; without one there is nothing to look at.
    const bool tries = packet.user_name && (packet.password || !tls_knows);
    if (tries) login = begin_login_in_connect(request, scheme);
    TRY(choose_hop(of.peer, {}, scheme.has_value()));  // it makes no key
    if (tries && login == nullptr && its_.password_login) {
      auto begun = its_.password_login(request, now);
      login = std::move(begun.login);
      is_quick = begun.is_quick;
    }
  }
  if (login != nullptr)
    return take_part(of, std::move(login), is_quick, std::move(request), std::move(name), scheme,
                     packet.properties.authentication_data.value_or(Bytes{}), now);
  // No login, or a user name where nothing is known of names.
  if (of.peer.identity.empty() && !of.peer.may_be_anonymous)
    return refused("anonymous client refused: this listener wants a login");
  Decided decided{.identity = of.peer.identity};
  if (!of.peer.identity.empty()) TRY(prove(of, nullptr, {}, now, decided));
  return decided;
}

LoginFlow::Answer LoginFlow::enter_by_tls(const Of& of, const mqtt::Connect& packet, Now now) {
  if (!packet.properties.authentication_data.value_or(Bytes{}).empty()) return refused("TLS-EXT takes no data");
  if (of.peer.identity.empty()) return refused("TLS proves nobody");
  TRY(choose_hop(of.peer, {}, false));
  Decided decided{.identity = of.peer.identity};
  TRY(prove(of, nullptr, {}, now, decided));
  decided.method = tls_method;
  return decided;
}

/// Whether what TLS proved still holds.
LoginFlow::Answer LoginFlow::prove_by_tls_again(const Of& of, Bytes data, Now now) {
  const bool is_over = of.peer.proof_ends != 0 && of.peer.proof_ends <= now.wall;
  if (!data.empty() || of.peer.identity.empty() || of.peer.identity != of.identity || is_over)
    return refused("TLS proves nobody any more");
  Decided decided{.identity = of.identity, .again = true};
  TRY(prove(of, nullptr, {}, now, decided));
  mqtt::Properties properties;
  properties.authentication_method = tls_method;
  of.connection.send(mqtt::Auth{.reason = Reason::success, .properties = properties});
  return decided;
}

// [MQTT-4.12.1-1] The same method, and the session goes on meanwhile.
LoginFlow::Answer LoginFlow::on_auth(const Of& of, const mqtt::Auth& packet, Now now) {
  Bytes data = packet.properties.authentication_data.value_or(Bytes{});
  if (packet.reason != Reason::reauthenticate) {
    const auto at = pending_.find(of.id.slot);
    if (at == pending_.end() || at->second.running) return refused("AUTH out of turn", Reason::protocol_error);
    if (!at->second.connect.empty()) of.connection.hold();
    step(of, at->second, data, now);
    return std::nullopt;
  }
  if (*packet.properties.authentication_method == tls_method) return prove_by_tls_again(of, data, now);
  LoginRequest request;
  request.method = *packet.properties.authentication_method;
  request.client_id = *of.client_id;
  request.user_name = of.identity;
  request.address = of.peer.address;
  request.channel_binding = of.peer.channel_binding;
  std::optional<std::size_t> scheme;
  auto login = begin_login(request, scheme);
  if (login == nullptr) return refused("no scheme has this authentication method", Reason::bad_authentication_method);
  return take_part(of, std::move(login), false, std::move(request), of.identity, scheme, data, now);
}

/// Paper profiles let nobody in unless policy names them.
std::unique_ptr<Login> LoginFlow::begin_login(LoginRequest& request, std::optional<std::size_t>& by) {
  for (std::size_t i = 0; i < its_.schemes.size(); ++i) {
    if (its_.schemes[i]->info().profile == Profile::paper && !its_.access.is_offered(i)) continue;
    auto login = its_.schemes[i]->begin_login(request);
    if (login == nullptr) continue;
    by = i;
    return login;
  }
  return nullptr;
}

std::unique_ptr<Login> LoginFlow::begin_login_in_connect(LoginRequest& request, std::optional<std::size_t>& by) {
  for (std::size_t i = 0; i < its_.schemes.size(); ++i) {
    if (!its_.access.is_offered(i)) continue;
    auto login = its_.schemes[i]->begin_login_in_connect(request);
    if (login == nullptr) continue;
    by = i;
    return login;
  }
  return nullptr;
}

LoginFlow::Answer LoginFlow::take_part(const Of& of, std::unique_ptr<Login> login, bool is_quick, LoginRequest request,
                                       std::string name, std::optional<std::size_t> scheme, Bytes data, Now now) {
  const bool again = of.client_id != nullptr;
  if (!login->whose().empty()) name = login->whose();
  // Before there is any work; what has begun is counted where the work is done.
  if (its_.gate != nullptr && !its_.gate->may_try(login->tested(), name, of.peer.address, now))
    return refused(too_many_failures, Reason::quota_exceeded);
  Pending* const made = is_quick ? &pending_.insert_or_assign(of.id.slot, Pending{}).first->second : take_place(of, now);
  if (made == nullptr) return refused("too many logins at once", Reason::quota_exceeded);
  Pending& pending = *made;
  pending.login = std::move(login);
  pending.method = std::move(request.method);
  pending.name = std::move(name);
  // Before it looks at the password: whatever changes from now on is not what it has seen.
  pending.password_changes = password_changes(pending.name);
  pending.scheme = scheme;
  pending.hop = request.hop;
  if (!again) {
    pending.connect = std::move(request.connect);
    if (!is_quick) of.connection.hold();
  }
  if (is_quick) {  // a fleet that comes back waits behind nobody's slow hash, and makes nobody wait
    pending.answer = std::make_shared<std::optional<Result<Login::Step>>>();
    work_of_step(of, pending, {}, now)();
    return go_on(of, now);
  }
  if (its_.gate == nullptr || pending.login->tested() != Login::Tested::secret) {
    step(of, pending, data, now);
    return std::nullopt;
  }
  pending.running = pending.waits = true;
  pending.data = to_buffer(data);
  wait_turn(of, pending, now);
  return std::nullopt;
}

void LoginFlow::wait_turn(const Of& of, Pending& pending, Now now) {
  const auto turn = its_.gate->take_turn(pending.name, of.peer.address, now);
  if (!turn.is_now) return;
  pending.waits = false;
  pending.answer_at = turn.answer_at;
  if (turn.answer_at != 0) ++its_.counters.slowed_logins;
  step(of, pending, pending.data, now);
}

// A client that has left costs no more work.
void LoginFlow::step(const Of& of, Pending& pending, Bytes data, Now now) {
  pending.running = true;
  places_.set(pending.place, LoginPlaces::At::line);
  pending.answer = std::make_shared<std::optional<Result<Login::Step>>>();
  pending.connection = of.id;
  pending.address_place = of.place;
  pending.work = work_of_step(of, pending, data, now);
  pending.ticket = turns_.wait(of.place, of.id);
  begin_next();
}

std::function<void()> LoginFlow::work_of_step(const Of& of, const Pending& pending, Bytes data, Now now) {
  return [its_login = std::weak_ptr(pending.login), answer = pending.answer, data = to_buffer(data), now,
          directory = its_.access.shared_directory(), gate = its_.gate, name = pending.name, address = of.peer.address,
          kind = kind_of(of, pending.scheme)] {
    if (auto login = its_login.lock())
      answer->emplace(advance(*login, data, {now, *directory}, kind,
                              [&](Login::Tested by) { return LoginTry(gate, by, name, address, now); }));
  };
}

LoginFlow::Pending* LoginFlow::take_place(const Of& of, Now now) {
  if (places_.is_full()) {
    const auto leaving = places_.displaced_by(of.place);
    const auto other = leaving ? pending_.find(leaving->slot) : pending_.end();
    if (other == pending_.end()) return nullptr;
    other->second.displaced = true;
    its_.connections.make_room(*leaving, now);
  }
  Pending& pending = pending_.insert_or_assign(of.id.slot, Pending{}).first->second;
  pending.place = places_.enter(of.place, of.id);
  return &pending;
}

void LoginFlow::begin_next() {
  while (const auto next = turns_.next()) {
    Pending& pending = pending_.at(next->slot);  // who ends leaves the line
    places_.set(pending.place, LoginPlaces::At::work);
    its_.effects.jobs.push_back({{Job::Kind::login, pending.connection, pending.address_place}, std::move(pending.work)});
  }
}

void LoginFlow::over(const Job::Name& job) {
  turns_.over(job.address);
  begin_next();
}

void LoginFlow::forget(const Pending& pending) {
  places_.leave(pending.place);
  turns_.leave(pending.address_place, pending.ticket);
}

void LoginFlow::leave(const Of& of, bool by_us, Now now) {
  const auto at = pending_.find(of.id.slot);
  if (at == pending_.end()) return;
  const Pending& pending = at->second;
  // Who leaves instead of answering has failed. Who is kept waiting by the broker has not: a hundred devices behind one address
  // that come back at once would shut themselves out.
  if (!by_us && !pending.running && !pending.displaced) {
    const bool is_held_off = pending.login->tested() == LoginGate::Tested::held_off;
    const auto tested = is_held_off ? LoginGate::Tested::held_off : LoginGate::Tested::key;
    LoginTry(its_.gate, tested, pending.name, of.peer.address, now).is(LoginGate::Outcome::failed);
  }
  forget(pending);
  pending_.erase(at);
}

bool LoginFlow::holds_answer_back(ConnectionId connection, Now now) {
  Pending& pending = pending_.at(connection.slot);
  if (pending.answer_at <= now.steady) return false;
  pending.is_answered = true;
  return true;
}

bool LoginFlow::is_due(const Of& of, Now now) {
  const auto at = pending_.find(of.id.slot);
  if (at == pending_.end()) return false;
  if (!at->second.waits) return std::exchange(at->second.is_answered, false);
  wait_turn(of, at->second, now);
  return false;
}

bool LoginFlow::is_overdue(ConnectionId connection, Now now) const {
  const auto at = pending_.find(connection.slot);
  return at != pending_.end() && !at->second.running && at->second.since + longest_step < now.steady;
}

std::size_t LoginFlow::memory(ConnectionId connection) const {
  const auto at = pending_.find(connection.slot);
  return at == pending_.end() ? 0 : 3 * at->second.connect.size();  // its login and the job have copies
}

LoginFlow::Answer LoginFlow::go_on(const Of& of, Now now) {
  Pending& pending = pending_.at(of.id.slot);
  if (!*pending.answer) return refused("too many logins are being worked on");
  pending.running = false;
  Result<Login::Step> result = std::move(**pending.answer);
  bool again = pending.connect.empty();
  mqtt::Properties properties;
  if (!pending.method.empty()) properties.authentication_method = pending.method;  // [MQTT-4.12.0-5]
  if (result && !result->data.empty()) properties.authentication_data = result->data;
  if (result && !result->done) {
    if (pending.method.empty()) return refused("a password takes one step");
    places_.set(pending.place, LoginPlaces::At::peer);
    pending.since = now.steady;
    of.connection.send(mqtt::Auth{.reason = Reason::continue_authentication, .properties = properties});  // [MQTT-4.12.0-2]
    return std::nullopt;
  }
  forget(pending);
  Pending decided = std::move(pending_.extract(of.id.slot).mapped());
  if (!decided.method.empty()) properties.authentication_method = decided.method;  // where it stands now
  if (!result) {
    const auto code = static_cast<Reason>(result.error().code);
    const bool may_be_told = code == Reason::protocol_error || code == Reason::quota_exceeded;
    return refused(result.error().what, may_be_told ? code : Reason::not_authorized);
  }
  LoggedIn logged_in = std::move(*result->done).release();
  if (again && logged_in.identity != of.identity) return refused("another identity than before");
  Decided its{.identity = logged_in.identity, .scheme = decided.scheme, .again = again};
  TRY(prove(of, &decided, logged_in.factors, now, its));
  if (again) {
    of.connection.send(mqtt::Auth{.reason = Reason::success, .properties = properties});
    TRY(of.connection.protect_again(logged_in.session_key));
    return its;
  }
  its.method = std::move(decided.method);
  its.data = std::move(result->data);
  its.hop = decided.hop;
  its.who = std::move(logged_in);
  its.connect = std::move(decided.connect);
  return its;
}

LoginFlow::Kind LoginFlow::kind_of(const Of& of, std::optional<std::size_t> scheme) const {
  if (!scheme) return {password_login, Profile::hardened, of.peer.identity};
  const SchemeInfo& info = its_.schemes[*scheme]->info();
  return {info.name, info.profile, of.peer.identity, info.login_proves.holds({Factor::card})};
}

std::uint64_t LoginFlow::password_changes(std::string_view name) const {
  return its_.password_changes != nullptr && *its_.password_changes ? (*its_.password_changes)(name) : 0;
}

Result<Proved> LoginFlow::check(const Of& of, const std::string& who, const CameBy& by) const {
  const Kind kind = by.has_logged_in ? kind_of(of, by.scheme) : Kind{{}, Profile::hardened, of.peer.identity};
  const Identity* listed = its_.access.directory().find(who);
  auto checked = Access::check_login(listed, kind.with(by.factors, who));
  if (!checked) return refused(checked.error().what);
  Proved its;
  if (of.peer.identity == who && Access::may_log_in(*listed, transport_login, Profile::hardened))
    its_.access.add_login(its, login_by_transport);
  if (by.has_logged_in) its_.access.add_login(its, by.scheme.value_or(login_by_password));
  its.factors = *checked;
  return its;
}

Result<> LoginFlow::prove(const Of& of, const Pending* login, Factors factors, Now now, Decided& decided) const {
  CameBy by{login != nullptr, login != nullptr ? login->scheme : std::nullopt, factors, 0};
  decided.proved = TRY(check(of, decided.identity, by));
  decided.proved.since = now.steady;
  if (login != nullptr)
    by.password_changes = login->name == decided.identity ? login->password_changes : password_changes(decided.identity);
  decided.came_by = by;
  return {};
}

}  // namespace sealmq::broker
