#include "client/under_authority.h"

#include <algorithm>

#include "base/try.h"
#include "crypto/identity_digest.h"
#include "mqtt/own_topics.h"

namespace sealmq {
namespace {

using mqtt::orders_filter;

/// What the authority has ordered last about a key.
struct LastOrder {
  std::uint64_t serial = 0;
  bool restores = false;
};

struct Pinned {
  std::string name;
  std::vector<KeyHash> keys;
};

class UnderAuthority final : public ClientScheme {
 public:
  UnderAuthority(std::unique_ptr<ClientScheme> scheme, const std::array<std::uint8_t, 33>& authority, std::vector<Pinned> pinned)
      : its_(std::move(scheme)), authority_(authority), pinned_(std::move(pinned)) {}

  const SchemeInfo& info() const override { return its_->info(); }

  Result<Buffer> protect(std::string_view topic, Bytes payload, Now now) override {
    TRY(need_readers());
    return its_->protect(topic, payload, now);
  }
  Result<Buffer> protect_will(std::string_view topic, Bytes payload, Now now) override {
    TRY(need_readers());
    return its_->protect_will(topic, payload, now);
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    if (is_order(message.topic)) return take_order(message.payload);
    auto received = its_->unprotect(message, now);
    if (!received || (*received)->what != Received::What::message) return received;
    for (const Pinned& peer : pinned_)
      if (peer.name == (*received)->author) TRY(need_standing(peer));
    return received;
  }

  // -- where orders come

  std::vector<Inbox> inboxes() const override {
    auto all = its_->inboxes();
    if (!all.empty()) all.push_back(orders());
    return all;
  }
  std::vector<Inbox> key_inboxes() const override {
    auto all = its_->key_inboxes();
    if (its_->inboxes().empty()) all.push_back(orders());
    return all;
  }
  void keys_heard(const std::vector<std::string>& refused) override {
    auto of_scheme = refused;
    is_deaf_ = std::erase(of_scheme, orders_filter) > 0;
    is_informed_ = true;
    its_->keys_heard(of_scheme);
  }
  void connected(Now now) override {
    is_informed_ = !its_->inboxes().empty();
    its_->connected(now);
  }
  bool may_publish(std::string_view topic, Now now) override { return is_informed_ && its_->may_publish(topic, now); }

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
  static Inbox orders() { return {.filter = std::string(orders_filter), .qos = 1, .is_optional = false}; }
  static bool is_order(std::string_view topic) {
    return topic.starts_with(mqtt::orders_topic) && topic.substr(mqtt::orders_topic.size()).starts_with('/');
  }

  /// The order that stands against one of its keys; nothing: none does.
  std::optional<std::uint64_t> standing(const Pinned& peer) const {
    for (const KeyHash& key : peer.keys)
      if (const auto last = last_.find(key); last != last_.end() && !last->second.restores) return last->second.serial;
    return std::nullopt;
  }
  static std::string in_words(const Pinned& peer, std::uint64_t serial) {
    return peer.name + " is revoked by order " + std::to_string(serial) + " of the authority";
  }

  Result<> need_standing(const Pinned& peer) const {
    if (is_deaf_) return fail(Blame::not_authorised, "the broker does not tell the authority's orders");
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
    std::vector<const Pinned*> were_standing;
    for (const Pinned& peer : pinned_)
      if (!standing(peer)) were_standing.push_back(&peer);
    for (const KeyHash& key : order.keys)
      if (LastOrder& last = last_[key]; order.serial > last.serial) last = {order.serial, order.restores};
    Received own;
    own.what = Received::What::own;
    for (const Pinned* peer : were_standing)
      if (const auto serial = standing(*peer)) own.notice = in_words(*peer, *serial);
    return verified(std::move(own));
  }

  std::unique_ptr<ClientScheme> its_;
  const std::array<std::uint8_t, 33> authority_;
  const std::vector<Pinned> pinned_;
  std::map<KeyHash, LastOrder> last_;  // as many as the authority has signed
  bool is_informed_ = false;           // what was retained has come on this connection
  bool is_deaf_ = false;               // and what comes is not told
};

}  // namespace

Result<std::unique_ptr<ClientScheme>> under_authority(std::unique_ptr<ClientScheme> scheme, const PublicIdentity& authority,
                                                      const std::vector<PublicIdentity>& peers) {
  if (authority.kind != Kind::authority || !is_there(authority.keys.ecdsa))
    return fail(Blame::caller_misused, authority.name + " is no revocation authority");
  std::vector<Pinned> pinned;
  for (const PublicIdentity& peer : peers) pinned.push_back({peer.name, crypto::key_hashes(peer.keys)});
  if (scheme == nullptr || pinned.empty())
    return fail(
        Blame::caller_misused,
        "nobody is pinned whom an order of the authority could mean\nhint: a --scheme, and --from NAME.pub or --to NAME.pub");
  return std::make_unique<UnderAuthority>(std::move(scheme), authority.keys.ecdsa, std::move(pinned));
}

}  // namespace sealmq
