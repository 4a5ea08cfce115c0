// An author's and a reader's part: seals what it publishes, opens what it gets, and takes the keys that administrators deal.
#include "base/try.h"
#include "mqtt/topic.h"
#include "schemes/payload/dealt.h"
#include "schemes/payload/payload.h"
#include "schemes/payload/sending.h"

namespace sealmq::payload {
namespace {

constexpr std::uint64_t keys_awaited = 5'000;            // milliseconds after a connection begins
constexpr std::uint64_t will_lasts = 30 * 24 * 60 * 60;  // seconds

class ClientSide : public ClientScheme {
 public:
  ClientSide(const SchemeInfo& info, std::shared_ptr<TopicKeys> keys, KeyStore* key, std::vector<ReaderKey> readers,
             Receiving::Wanted wanted, std::string prefix, Random& random)
      : info_(info),
        keys_(std::move(keys)),
        key_(key),
        prefix_(std::move(prefix)),
        sending_(*keys_, key, std::move(readers), random),
        receiving_(*keys_, std::move(wanted)) {}

  const SchemeInfo& info() const override { return info_; }

  Result<Buffer> protect(std::string_view topic, Bytes payload, Now now) override { return sending_.seal(topic, payload, now); }
  Result<Buffer> protect_will(std::string_view topic, Bytes payload, Now now) override {
    return sending_.seal(topic, payload, now, now.wall / 1000 + will_lasts);
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    if (const PublicIdentity* administrator = dealer(message.topic)) return take_keys(*administrator, message);
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
    for (const auto& administrator : keys_->administrators())
      if (administrator.name != key_->identity().name) all.push_back({dealing_filter(prefix_, administrator.name), 1, true});
    return all;
  }
  Result<std::optional<std::pair<std::string, std::string>>> subscribe_property(std::string_view filter, Now) override {
    // Keys come sealed for their members, by any broker.
    if (&info_ != &hop_info || filter.starts_with(prefix_ + "/")) return std::nullopt;
    return std::pair(std::string(sealed_property.first), std::string(sealed_property.second));
  }
  void connected(Now now) override { connected_ = now.steady; }
  /// A key may be on its way.
  bool may_publish(std::string_view topic, Now now) override {
    if (sending_.has_key(topic, now) || key_inboxes().empty()) return true;  // or protect() tells
    return connected_ != 0 && now.steady > connected_ + keys_awaited;
  }

 private:
  const PublicIdentity* dealer(std::string_view topic) {
    if (!topic.starts_with(prefix_) || key_ == nullptr) return nullptr;
    administrators_ = keys_->administrators();
    for (const auto& administrator : administrators_)
      if (mqtt::matches(dealing_filter(prefix_, administrator.name), topic)) return &administrator;
    return nullptr;
  }

  Result<Checked<Received>> take_keys(const PublicIdentity& administrator, const Arrived& message) {
    if (message.payload.empty()) return verified(Received{.what = Received::What::own});
    auto dealt = open_dealt(message.payload, message.topic, administrator, *key_);
    if (!dealt && dealt.error().blame == Blame::not_authorised) return verified(Received{.what = Received::What::own});
    if (!dealt) {
      receiving_.count_refused(dealt.error());
      return Failure(std::move(dealt).error());
    }
    auto installed = install(*std::move(dealt), administrator, *keys_);
    if (!installed) {
      receiving_.count_refused(installed.error());
      return Failure(std::move(installed).error());
    }
    return verified(Received{.what = Received::What::own});
  }

  const SchemeInfo& info_;
  std::shared_ptr<TopicKeys> keys_;
  KeyStore* key_;
  std::string prefix_;
  Sending sending_;
  Receiving receiving_;
  std::vector<PublicIdentity> administrators_;
  std::uint64_t connected_ = 0;
};

Result<std::uint64_t> seconds_of(const SchemeOptions& options, std::string_view name, std::uint64_t otherwise) {
  const auto given = options.find(name);
  if (given == options.end()) return otherwise;
  std::uint64_t seconds = 0;
  for (char c : given->second) {
    if (c < '0' || c > '9' || seconds > 1'000'000)
      return fail(Blame::caller_misused, std::string(name) + " is a number of seconds");
    seconds = seconds * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return seconds;
}

Result<std::unique_ptr<ClientScheme>> make(const SchemeInfo& info, ClientPorts ports, std::optional<PublicIdentity> broker) {
  if (ports.topic_keys == nullptr) ports.topic_keys = make_memory_topic_keys(ports.random);
  Receiving::Wanted wanted;
  wanted.window.behind = TRY(seconds_of(ports.options, "payload.max-age", wanted.window.behind));
  wanted.window.ahead = TRY(seconds_of(ports.options, "payload.max-ahead", wanted.window.ahead));
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
  const auto prefix = ports.options.find("payload.key-topics");
  return std::make_unique<ClientSide>(info, std::move(ports.topic_keys), ports.key, std::move(readers), std::move(wanted),
                                      prefix == ports.options.end() ? std::string(default_key_prefix) : prefix->second,
                                      ports.random);
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
