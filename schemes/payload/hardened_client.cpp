// An author's and a reader's part: seals what it publishes, opens what it gets, and takes the keys that administrators deal.
#include <utility>

#include "base/text.h"
#include "base/try.h"
#include "mqtt/topic.h"
#include "schemes/payload/dealt.h"
#include "schemes/payload/payload.h"
#include "schemes/payload/sending.h"
#include "schemes/payload/who_may_deal.h"

namespace sealmq::payload {
namespace {

constexpr std::uint64_t will_lasts = 30 * 24 * 60 * 60;  // seconds

class ClientSide : public ClientScheme {
 public:
  ClientSide(const SchemeInfo& info, std::shared_ptr<TopicKeys> keys, KeyStore* key, std::vector<ReaderKey> readers,
             Receiving::Wanted wanted, std::string prefix, Random& random, std::shared_ptr<const AuthorityView> authority)
      : info_(info),
        keys_(std::move(keys)),
        key_(key),
        prefix_(std::move(prefix)),
        names_readers_(!readers.empty()),
        authority_(std::move(authority)),
        sending_(*keys_, key, std::move(readers), random, authority_),
        receiving_(*keys_, std::move(wanted)) {}

  const SchemeInfo& info() const override { return info_; }

  Result<Buffer> protect(std::string_view topic, Bytes payload, Now now) override {
    if (!names_readers_ && !sending_.has_key(topic, now) && !keys_->administrators().empty()) return no_key(topic);
    return sending_.seal(topic, payload, now);
  }
  Result<Buffer> protect_will(std::string_view topic, Bytes payload, Now now) override {
    return sending_.seal(topic, payload, now, now.wall / 1000 + will_lasts);
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    if (const PublicIdentity* administrator = dealer(message.topic)) return take_keys(*administrator, message, now);
    const Receiving::From from{message.topic, message.payload, message.retain || message.stored, message.retain};
    auto opened = TRY(receiving_.open(from, now));
    Received received;
    received.topic = message.topic;
    received.payload = std::move(opened.payload);
    received.author = std::move(opened.author);
    received.checked = opened.checked;
    return verified(std::move(received));
  }

  std::vector<Inbox> key_inboxes() const override {
    std::vector<Inbox> all;
    if (key_ == nullptr) return all;
    for (const auto& its : keys_->administrators())
      if (its.identity.keys != key_->identity().keys) all.push_back({dealing_filter(prefix_, its.identity), 1, true});
    return all;
  }
  Result<std::optional<std::pair<std::string, std::string>>> subscribe_property(std::string_view filter, const ThisConnection&,
                                                                                Now) override {
    // Keys come sealed for their members, by any broker.
    if (&info_ != &hop_info || filter.starts_with(prefix_ + "/")) return std::nullopt;
    return std::pair(std::string(sealed_property.first), std::string(sealed_property.second));
  }
  void connected(Now) override { has_heard_keys_ = false; }
  void keys_heard(const std::vector<std::string>& refused) override {
    has_heard_keys_ = true;
    refused_ = refused;
  }
  /// A key may have been replaced.
  bool may_publish(std::string_view, Now) override { return names_readers_ || has_heard_keys_ || key_inboxes().empty(); }

 private:
  const PublicIdentity* dealer(std::string_view topic) {
    if (!topic.starts_with(prefix_) || key_ == nullptr) return nullptr;
    administrators_ = keys_->administrators();
    for (const auto& its : administrators_)
      if (mqtt::matches(dealing_filter(prefix_, its.identity), topic)) return &its.identity;
    return nullptr;
  }

  /// A matter between the scheme and the broker; `news`: what its user is to know.
  static Checked<Received> own(std::string news = {}) {
    Received received{.what = Received::What::own};
    received.notice = std::move(news);
    return verified(std::move(received));
  }
  Failure no_key(std::string_view topic) const {
    std::string what = "there is no key for " + printable(topic, 200);
    if (!refused_.empty()) what += ", and the broker refuses " + refused_.front() + ", where keys come";
    const std::string name = key_ == nullptr ? "NAME" : key_->identity().name;
    return fail(Blame::caller_misused,
                what + "\nhint: ask the administrator: sealmq key share FILTER --to " + name + ".pub; or name readers with --to");
  }

  Result<Checked<Received>> take_keys(const PublicIdentity& administrator, const Arrived& message, Now now) {
    if (message.payload.empty()) return own();
    if (authority_ != nullptr) TRY(may_have_dealt(*authority_, administrator));
    auto news =
        message.topic.ends_with("/delegate") ? take_delegation(administrator, message) : take_deal(administrator, message, now);
    if (news) return own(*std::move(news));
    if (news.error().blame == Blame::not_authorised) return own();  // for others only
    receiving_.count_refused(news.error());
    const auto is = [&](Cause cause) { return news.error().what.starts_with(cause_names[static_cast<std::size_t>(cause)]); };
    if (!is(Cause::stamp) && !is(Cause::malformed)) return Failure(std::move(news).error());
    // Anybody may leave such things there, and as many as they like.
    if (std::exchange(has_told_of_foreign_, true)) return own();
    return own("ignored: topic keys that " + administrator.name + " has not signed, on " + printable(message.topic, 200));
  }
  Result<std::string> take_deal(const PublicIdentity& administrator, const Arrived& message, Now now) {
    auto dealt = TRY(open_dealt(message.payload, message.topic, administrator, *key_));
    return install(std::move(dealt), administrator, *keys_, now);
  }
  Result<std::string> take_delegation(const PublicIdentity& owner, const Arrived& message) {
    TRY(install(TRY(open_delegation(message.payload, message.topic, owner)), *keys_));
    return std::string();
  }

  const SchemeInfo& info_;
  std::shared_ptr<TopicKeys> keys_;
  KeyStore* key_;
  std::string prefix_;
  bool names_readers_;
  std::shared_ptr<const AuthorityView> authority_;
  Sending sending_;
  Receiving receiving_;
  std::vector<TopicKeys::Administrator> administrators_;
  bool has_heard_keys_ = false;
  bool has_told_of_foreign_ = false;
  std::vector<std::string> refused_;  // of the topics where keys come
};

Result<std::uint64_t> number_of(const SchemeOptions& options, std::string_view name, std::uint64_t otherwise) {
  const auto given = options.find(name);
  if (given == options.end()) return otherwise;
  std::uint64_t seconds = 0;
  for (char c : given->second) {
    if (c < '0' || c > '9' || seconds > 1'000'000) return fail(Blame::caller_misused, std::string(name) + " is a number");
    seconds = seconds * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return seconds;
}

Result<std::unique_ptr<ClientScheme>> make(const SchemeInfo& info, ClientPorts ports, std::optional<PublicIdentity> broker) {
  if (ports.topic_keys == nullptr) ports.topic_keys = make_memory_topic_keys(ports.random);
  Receiving::Wanted wanted;
  wanted.window.behind = TRY(number_of(ports.options, "payload.max-age", wanted.window.behind));
  wanted.window.ahead = TRY(number_of(ports.options, "payload.max-ahead", wanted.window.ahead));
  std::vector<ReaderKey> readers;
  for (const auto& peer : ports.peers) {
    TRY(wanted.pinned.add(peer));
    readers.push_back(ReaderKey::of(peer.keys.agreement));
  }
  if (ports.key != nullptr) {
    KeyStore& own = *ports.key;
    wanted.readers.push_back({reader_id(own.identity().keys.agreement), [&own](const auto& peer) { return own.agree(peer); }});
  }
  if (broker && !wanted.pinned.empty()) TRY(wanted.pinned.add(*broker));
  wanted.broker = std::move(broker);
  wanted.authority = ports.authority;
  ports.topic_keys->allow_windows(TRY(number_of(ports.options, "payload.windows", TopicKeys::usual_windows)));
  const auto prefix = ports.options.find("payload.key-topics");
  return std::make_unique<ClientSide>(info, std::move(ports.topic_keys), ports.key, std::move(readers), std::move(wanted),
                                      prefix == ports.options.end() ? std::string(default_key_prefix) : prefix->second,
                                      ports.random, std::move(ports.authority));
}

}  // namespace

Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts ports) {
  return make(hardened_info, std::move(ports), std::nullopt);
}

Result<std::unique_ptr<ClientScheme>> hop_client(ClientPorts ports) {
  std::optional<PublicIdentity> broker;
  if (ports.broker) {
    broker.emplace();
    broker->name = ports.broker->id;
    broker->kind = Kind::broker;
    broker->keys.ecdsa = ports.broker->ecdsa;
  }
  return make(hop_info, std::move(ports), std::move(broker));
}

}  // namespace sealmq::payload
