// What all stores of topic keys share, and the one in memory.
#include "sealmq/topic_keys.h"

#include <algorithm>
#include <map>

#include "crypto/agree.h"
#include "crypto/hash.h"
#include "crypto/replay_window.h"

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
  explicit MemoryTopicKeys(Random& random) : random_(random) {}

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

  std::vector<PublicIdentity> administrators() override { return administrators_; }
  Result<> trust(const PublicIdentity& administrator) override {
    administrators_.push_back(administrator);
    return {};
  }

  Result<Numbered> next(const TopicKeyId& key) override {
    const auto [place, is_new] = sending_.try_emplace(key);
    if (is_new) random_.fill(place->second.sender);
    Numbered numbered = place->second;
    ++place->second.number;
    return numbered;
  }
  bool sends_as(const TopicKeyId& key, const std::array<std::uint8_t, 6>& sender) override {
    const auto place = sending_.find(key);
    return place != sending_.end() && place->second.sender == sender;
  }
  Result<std::uint64_t> next_signed() override { return ++signed_; }

  Result<Replay> judge(const std::array<std::uint8_t, 32>& window, std::uint64_t number, bool& is_newest) override {
    auto& its = windows_[window];
    const auto replay = its.judge(number);
    is_newest = number == its.highest();
    return replay;
  }

 private:
  template <class Change>
  void change(Change change) {
    auto keys = std::make_shared<Keys>();
    for (const TopicKey& key : *keys_) keys->push_back(key.copy());
    change(*keys);
    keys_ = std::move(keys);
  }

  Random& random_;
  std::shared_ptr<const Keys> keys_ = std::make_shared<const Keys>();
  std::vector<PublicIdentity> administrators_;
  std::map<TopicKeyId, Numbered> sending_;
  std::uint64_t signed_ = 0;
  std::map<std::array<std::uint8_t, 32>, crypto::ReplayWindow> windows_;
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
