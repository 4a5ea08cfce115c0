#include "client/under_authority.h"

#include <algorithm>

#include "base/try.h"
#include "crypto/identity_digest.h"
#include "mqtt/own_topics.h"
#include "mqtt/topic.h"

namespace sealmq {
namespace {

using mqtt::orders_filter;

constexpr std::uint64_t first_wait = 10'000;         // milliseconds, for a head on a new connection
constexpr std::uint64_t first_wait_to_send = 8'000;  // shorter, so that whoever publishes is told why before it gives up
constexpr std::uint64_t longest_hold = 60'000;       // of what its sender keeps until it is acknowledged

struct Pinned {
  std::string name;
  std::vector<KeyHash> keys;
};

class UnderAuthority final : public ClientScheme {
 public:
  UnderAuthority(std::unique_ptr<ClientScheme> scheme, const PublicIdentity& authority, std::shared_ptr<LogFollower> log,
                 std::vector<Pinned> pinned)
      : its_(std::move(scheme)), authority_(authority.keys.ecdsa), log_(std::move(log)), pinned_(std::move(pinned)) {}

  const SchemeInfo& info() const override { return its_->info(); }

  Result<Buffer> protect(std::string_view topic, Bytes payload, Now now) override {
    TRY(log_->need_fresh(now));
    TRY(need_readers());
    return its_->protect(topic, payload, now);
  }
  /// When it connects, nothing of the log can have come on this connection. Who reads a will looks at the log by itself.
  Result<Buffer> protect_will(std::string_view topic, Bytes payload, Now now) override {
    TRY(need_readers());
    return its_->protect_will(topic, payload, now);
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    if (is_order(message.topic)) return take_order(message.payload);
    if (log_->is_told_on(message.topic)) return take_log(message, now);
    auto received = its_->unprotect(message, now);
    if (!received || (*received)->what != Received::What::message) return received;
    TRY(log_->need_fresh(now));
    for (const Pinned& peer : pinned_)
      if (peer.name == (*received)->author) TRY(need_standing(peer));
    return received;
  }

  std::uint64_t holds(const Arrived& message, Now now) override {
    if (log_->need_fresh(now)) return its_->holds(message, now);
    if (!log_->may_become_fresh() || is_order(message.topic) || log_->is_told_on(message.topic) || is_key(message.topic))
      return 0;
    // What a broker answers to a scheme's own requests is no message yet.
    if (!its_->inboxes().empty() && !info().between_partners) return 0;
    return message.at_least_once ? longest_hold : left_of(first_wait, now);
  }

  // -- where the log and orders come

  std::vector<Inbox> inboxes() const override {
    auto all = its_->inboxes();
    if (!all.empty()) add_own(all);
    return all;
  }
  std::vector<Inbox> key_inboxes() const override {
    auto all = its_->key_inboxes();
    if (its_->inboxes().empty()) add_own(all);
    return all;
  }
  void keys_heard(const std::vector<std::string>& refused) override {
    auto of_scheme = refused;
    const auto own = log_->filters();
    std::erase_if(of_scheme, [&](const std::string& filter) {
      return filter == orders_filter || std::ranges::find(own, filter) != own.end();
    });
    is_informed_ = true;
    its_->keys_heard(of_scheme);
  }
  void connected(Now now) override {
    is_informed_ = !its_->inboxes().empty();
    connected_at_ = now.steady;
    its_->connected(now);
  }
  bool may_publish(std::string_view topic, Now now) override {
    if (!is_informed_) return false;
    const bool may_still_come = !log_->need_fresh(now) && log_->may_become_fresh() && left_of(first_wait_to_send, now) > 0;
    return !may_still_come && its_->may_publish(topic, now);
  }

  // -- the rest is the scheme's

  Result<std::optional<std::pair<std::string, std::string>>> subscribe_property(std::string_view filter,
                                                                                const ThisConnection& here, Now now) override {
    return its_->subscribe_property(filter, here, now);
  }
  Result<std::optional<Request>> subscribe_request(std::string_view filter, const ThisConnection& here, Now now) override {
    return its_->subscribe_request(filter, here, now);
  }
  std::string_view wire_topic() const override { return its_->wire_topic(); }
  Result<> subscribe(std::string_view filter, Now now) override { return its_->subscribe(filter, now); }
  void unsubscribe(std::string_view filter) override { its_->unsubscribe(filter); }
  bool confirms() const override { return its_->confirms(); }
  Result<std::optional<Request>> next_request(Now now) override { return its_->next_request(now); }
  void request_refused(const Request& request) override { its_->request_refused(request); }
  std::string_view client_id() const override { return its_->client_id(); }
  Result<std::unique_ptr<ClientLogin>> begin_login(const ClientLoginRequest& request) override {
    return its_->begin_login(request);
  }
  std::vector<std::string> addresses(std::string_view topic) const override { return its_->addresses(topic); }
  std::uint64_t delivery() const override { return its_->delivery(); }
  bool is_current(std::uint64_t delivery, Now now) const override { return its_->is_current(delivery, now); }
  std::vector<Delivered> deliveries() override { return its_->deliveries(); }
  void taken(std::uint64_t delivery) override { its_->taken(delivery); }
  std::string awaited(std::string_view address) const override { return its_->awaited(address); }

 private:
  static bool is_order(std::string_view topic) {
    return topic.starts_with(mqtt::orders_topic) && topic.substr(mqtt::orders_topic.size()).starts_with('/');
  }
  bool is_key(std::string_view topic) const {
    const auto keys = its_->key_inboxes();
    return std::ranges::any_of(keys, [&](const Inbox& inbox) { return mqtt::matches(inbox.filter, topic); });
  }
  /// Of QoS 0: whoever keeps messages until they are acknowledged shall not wait for what comes behind them.
  void add_own(std::vector<Inbox>& all) const {
    for (std::string& filter : log_->filters()) all.push_back({.filter = std::move(filter), .qos = 0, .is_optional = true});
    all.push_back({.filter = std::string(orders_filter), .qos = 1, .is_optional = true});
  }
  std::uint64_t left_of(std::uint64_t wait, Now now) const {
    const std::uint64_t end = connected_at_ + wait;
    return now.steady < end ? end - now.steady : 0;
  }

  /// The order that stands against one of its keys; nothing: none does.
  std::optional<std::uint64_t> standing(const Pinned& peer) const {
    for (const KeyHash& key : peer.keys)
      if (const auto serial = log_->revoked(key)) return serial;
    return std::nullopt;
  }
  static std::string in_words(const Pinned& peer, std::uint64_t serial) {
    return peer.name + " is revoked by order " + std::to_string(serial) + " of the authority";
  }

  Result<> need_standing(const Pinned& peer) const {
    if (const auto serial = standing(peer)) return fail(Blame::not_authorised, in_words(peer, *serial));
    return {};
  }
  Result<> need_readers() const {
    if (!info().uses.readers) return {};
    for (const Pinned& peer : pinned_) TRY(need_standing(peer));
    return {};
  }

  Result<Checked<Received>> take_order(Bytes frame) {
    const auto order = TRY(read_authority_order(frame, authority_));
    const auto were_standing = standing_peers();
    log_->take(order);
    return own(were_standing);
  }
  Result<Checked<Received>> take_log(const Arrived& message, Now now) {
    const auto were_standing = standing_peers();
    if (message.topic.ends_with("/submit") || message.topic.find("/witness/") != message.topic.npos) return own(were_standing);
    auto taken = log_->take(message.topic, message.payload, now);
    // Anybody may leave something there at other brokers, and an old head says nothing.
    const bool is_news = !taken && (!log_->may_become_fresh() || taken.error().blame == Blame::environment);
    if (is_news) return Failure(std::move(taken).error());
    return own(were_standing);
  }
  std::vector<const Pinned*> standing_peers() const {
    std::vector<const Pinned*> all;
    for (const Pinned& peer : pinned_)
      if (!standing(peer)) all.push_back(&peer);
    return all;
  }
  /// Tells once who is revoked from now on.
  Checked<Received> own(const std::vector<const Pinned*>& were_standing) const {
    Received own;
    own.what = Received::What::own;
    for (const Pinned* peer : were_standing)
      if (const auto serial = standing(*peer)) own.notice = in_words(*peer, *serial);
    return verified(std::move(own));
  }

  std::unique_ptr<ClientScheme> its_;
  const std::array<std::uint8_t, 33> authority_;
  std::shared_ptr<LogFollower> log_;
  const std::vector<Pinned> pinned_;
  std::uint64_t connected_at_ = 0;  // steady
  bool is_informed_ = false;        // what was retained has come on this connection
};

}  // namespace

Result<> check_authority(const std::string& scheme, const PublicIdentity& authority, const std::vector<PublicIdentity>& peers) {
  if (authority.kind != Kind::authority || !is_there(authority.keys.ecdsa))
    return fail(Blame::caller_misused, authority.name + " is no revocation authority");
  const Scheme* found = find_scheme(scheme);
  const bool knows_others = found != nullptr && (!peers.empty() || found->info->has_topic_keys);
  if (!knows_others)
    return fail(
        Blame::caller_misused,
        "nobody is pinned whom an order of the authority could mean\nhint: a --scheme, and --from NAME.pub or --to NAME.pub");
  return {};
}

std::unique_ptr<ClientScheme> under_authority(std::unique_ptr<ClientScheme> scheme, const PublicIdentity& authority,
                                              std::shared_ptr<LogFollower> log, const std::vector<PublicIdentity>& peers) {
  std::vector<Pinned> pinned;
  for (const PublicIdentity& peer : peers) pinned.push_back({peer.name, crypto::key_hashes(peer.keys)});
  return std::make_unique<UnderAuthority>(std::move(scheme), authority, std::move(log), std::move(pinned));
}

}  // namespace sealmq
