// What all stores of topic keys share, and the one in memory.
#include "sealmq/topic_keys.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "base/try.h"
#include "crypto/agree.h"
#include "crypto/hash.h"
#include "keystore/seen_file.h"
#include "keystore/sender_names.h"
#include "keystore/trusted_administrators.h"

namespace sealmq {
namespace {

constexpr std::array<std::string_view, 2> kinds = {"symmetric", "pair"};
constexpr std::array<std::string_view, 5> forms = {"inside", "outside", "bare", "mac", "stamp"};
constexpr std::array<std::string_view, 3> ciphers = {"a128gcm", "a256gcm", "chacha20-poly1305"};
constexpr std::array<std::string_view, 3> states = {"active", "decrypt-only", "revoked"};

template <class Enum, std::size_t N>
std::optional<Enum> find(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto place = std::ranges::find(names, name);
  if (place == names.end()) return std::nullopt;
  return static_cast<Enum>(place - names.begin());
}

class MemoryTopicKeys : public TopicKeys {
 public:
  explicit MemoryTopicKeys(Random& random) : names_(random) {}

  std::shared_ptr<const Keys> all(bool) override { return keys_; }

  Result<> put(const TopicKey& key) override {
    change([&](Keys& keys) {
      std::erase_if(keys, [&](const TopicKey& its) { return its.id == key.id; });
      keys.push_back(key.copy());
    });
    return {};
  }
  Result<> erase(const TopicKeyId& id) override {
    change([&](Keys& keys) { std::erase_if(keys, [&](const TopicKey& its) { return its.id == id; }); });
    return {};
  }

  std::vector<Administrator> administrators() override { return administrators_; }
  Result<> trust(const PublicIdentity& administrator, std::vector<std::string> filters) override {
    administrators_ = TRY(trusting(administrators_, administrator, std::move(filters)));
    return {};
  }
  Result<> untrust(const PublicIdentity& administrator) override {
    administrators_ = TRY(not_trusting(administrators_, administrator));
    return {};
  }

  std::vector<Delegation> delegations() override { return delegations_; }
  Result<> put(const Delegation& delegation) override {
    replace(delegations_, delegation);
    return {};
  }

  Result<Numbered> next(const std::optional<TopicKeyId>& key, std::size_t size) override {
    bool is_new = false;
    const Numbered numbered = names_.next(key, size, is_new);
    if (is_new) own_.insert(numbered.sender);
    return numbered;
  }
  Result<> keep_names() override { return {}; }
  bool sends_as(const SenderName& sender) override { return own_.contains(sender); }
  Result<std::uint64_t> next_deal() override { return ++deals_; }

  Result<Replay> judge(const Seen& seen, bool& is_newest) override { return seen_->judge(seen, is_newest); }
  void allow_windows(std::size_t most) override {
    SeenFile::Bounds bounds = seen_->bounds();
    bounds.each = most;
    seen_->set_bounds(bounds);
  }

 private:
  template <class Change>
  void change(Change change) {
    auto keys = std::make_shared<Keys>();
    for (const TopicKey& key : *keys_) keys->push_back(key.copy());
    change(*keys);
    keys_ = std::move(keys);
  }

  std::shared_ptr<const Keys> keys_ = std::make_shared<const Keys>();
  std::vector<Administrator> administrators_;
  std::vector<Delegation> delegations_;
  SenderNames names_;
  std::set<SenderName> own_;
  std::uint64_t deals_ = 0;
  std::unique_ptr<SeenFile> seen_ = SeenFile::in_memory();
};

}  // namespace

std::string_view name(TopicKey::Kind kind) {
  return kinds[static_cast<std::size_t>(kind)];
}
std::string_view name(TopicKey::Form form) {
  return forms[static_cast<std::size_t>(form)];
}
std::string_view name(TopicKey::Cipher cipher) {
  return ciphers[static_cast<std::size_t>(cipher)];
}
std::string_view name(TopicKey::State state) {
  return states[static_cast<std::size_t>(state)];
}
std::optional<TopicKey::Kind> topic_key_kind_from(std::string_view name) {
  return find<TopicKey::Kind>(kinds, name);
}
std::optional<TopicKey::Form> topic_key_form_from(std::string_view name) {
  return find<TopicKey::Form>(forms, name);
}
std::optional<TopicKey::Cipher> topic_key_cipher_from(std::string_view name) {
  return find<TopicKey::Cipher>(ciphers, name);
}

TopicKey TopicKey::copy() const {
  TopicKey other;
  other.id = id;
  other.filter = filter;
  other.kind = kind;
  other.form = form;
  other.cipher = cipher;
  other.state = state;
  other.not_before = not_before;
  other.not_after = not_after;
  other.secret = Secret(secret.reveal());
  other.public_half = public_half;
  other.administrator = administrator;
  other.members = members;
  other.dealt = dealt;
  other.is_undealt = is_undealt;
  other.is_earlier = is_earlier;
  return other;
}

TopicKey make_topic_key(std::string_view filter, TopicKey::Kind kind, TopicKey::Form form, TopicKey::Cipher cipher, Now now,
                        std::uint64_t seconds, const PublicIdentity& administrator, Random& random) {
  TopicKey key;
  key.filter = filter;
  key.kind = kind;
  key.form = form;
  key.cipher = cipher;
  key.not_before = now.wall / 1000;
  key.not_after = key.not_before + seconds;
  key.administrator = administrator;
  if (kind == TopicKey::Kind::symmetric) {
    Buffer drawn(32);
    random.fill(drawn);
    key.secret = Secret(std::move(drawn));
    random.fill(key.id);
    return key;
  }
  const auto pair = crypto::AgreementKey::generate(random);
  key.secret = pair.export_secret();
  key.public_half = pair.public_key();
  const auto digest = crypto::sha256(key.public_half);
  std::copy_n(digest.begin(), key.id.size(), key.id.begin());
  return key;
}

std::shared_ptr<TopicKeys> make_memory_topic_keys(Random& random) {
  return std::make_shared<MemoryTopicKeys>(random);
}

}  // namespace sealmq
