// What a scheme does that has not one of the optional abilities.
#include "sealmq/scheme.h"

namespace sealmq {

Buffer BrokerScheme::evidence(const Opened&, Bytes) {
  return {};
}

bool BrokerScheme::takes(std::string_view) const {
  return false;
}

bool BrokerScheme::tries_a_secret(const Incoming&) const {
  return false;
}
bool BrokerScheme::is_request(const Incoming&) const {
  return true;
}
bool BrokerScheme::concerns_the_list(const Incoming&) const {
  return false;
}

Result<BrokerScheme::Checked<Asked>> BrokerScheme::read_request(const Incoming&, const Scene&) {
  return fail(Blame::caller_misused, "this scheme takes no requests");
}

std::unique_ptr<Preparation> BrokerScheme::prepare(const Incoming&) {
  return nullptr;
}

std::string_view BrokerScheme::reply_topic() const {
  return {};
}

bool BrokerScheme::tells_refusals() const {
  return true;
}

std::string_view BrokerScheme::subscribe_property() const {
  return {};
}

std::optional<Result<BrokerScheme::Checked<Asked>>> BrokerScheme::read_subscribe(std::string_view, std::string_view,
                                                                                 const Scene&) {
  return std::nullopt;
}

std::unique_ptr<Login> BrokerScheme::begin_login(LoginRequest&) {
  return nullptr;
}

std::unique_ptr<Login> BrokerScheme::begin_login_in_connect(LoginRequest&) {
  return nullptr;
}

std::uint64_t ClientScheme::holds(const Arrived&, Now) {
  return 0;
}

void BrokerScheme::change_options(const SchemeOptions&) {}

bool BrokerScheme::may_send(std::string_view, std::string_view) const {
  return true;
}

bool BrokerScheme::may_get(std::string_view, std::string_view) const {
  return true;
}

Result<std::optional<std::pair<std::string, std::string>>> ClientScheme::subscribe_property(std::string_view,
                                                                                            const ThisConnection&, Now) {
  return std::nullopt;
}

Result<std::optional<Request>> ClientScheme::subscribe_request(std::string_view, const ThisConnection&, Now) {
  return std::nullopt;
}

Result<Buffer> ClientScheme::protect_will(std::string_view topic, Bytes payload, Now now) {
  return protect(topic, payload, now);
}

std::vector<ClientScheme::Inbox> ClientScheme::inboxes() const {
  return {};
}

std::vector<ClientScheme::Inbox> ClientScheme::key_inboxes() const {
  return {};
}

void ClientScheme::keys_heard(const std::vector<std::string>&) {}

std::string_view ClientScheme::wire_topic() const {
  return {};
}

void ClientScheme::connected(Now) {}

bool ClientScheme::may_publish(std::string_view, Now) {
  return true;
}

Result<> ClientScheme::subscribe(std::string_view, Now) {
  return fail(Blame::caller_misused, "this scheme subscribes with SUBSCRIBE");
}

void ClientScheme::unsubscribe(std::string_view) {}

bool ClientScheme::confirms() const {
  return false;
}

Result<std::optional<Request>> ClientScheme::next_request(Now) {
  return std::nullopt;
}

void ClientScheme::request_refused(const Request&) {}

std::vector<std::string> ClientScheme::addresses(std::string_view) const {
  return {};
}

std::uint64_t ClientScheme::delivery() const {
  return 0;
}

bool ClientScheme::is_current(std::uint64_t, Now) const {
  return false;
}

std::vector<Delivered> ClientScheme::deliveries() {
  return {};
}

void ClientScheme::taken(std::uint64_t) {}

std::string ClientScheme::awaited(std::string_view) const {
  return {};
}

std::string_view ClientScheme::client_id() const {
  return {};
}

Result<std::unique_ptr<ClientLogin>> ClientScheme::begin_login(const ClientLoginRequest&) {
  return nullptr;
}

// -- logins

Result<Buffer> ClientLogin::answer(Bytes) {
  return fail(Blame::peer_misbehaved, "the broker asks for more than this login has");
}

Result<Secret> ClientLogin::finish(Bytes, std::string_view) {
  return Secret();
}

}  // namespace sealmq
