// TopicKeys: the keys that belong to topics, who deals them out, and what a sender and a reader have to remember about them.
//
// They are for schemes that protect a message from its author to its readers through any broker. Whoever makes a key for a filter
// is its administrator: it alone says who shares the key, and when it is replaced.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealmq/identity.h"
#include "sealmq/ports.h"
#include "sealmq/secret.h"

#pragma GCC visibility push(default)
namespace sealmq {

using TopicKeyId = std::array<std::uint8_t, 8>;

struct TopicKey {
  enum class Kind : std::uint8_t {
    symmetric,  ///< who can write can read
    pair,       ///< everybody who has its public half can write, and who has both can read
  };
  /// How a message under it looks. A key is for one form only, so that no message of one can be taken for one of another.
  enum class Form : std::uint8_t {
    inside,   ///< encrypted, with its author's signature inside
    outside,  ///< encrypted, with the signature outside, for a gateway that refuses early
    bare,     ///< encrypted: from somebody who has the key
    mac,      ///< readable, with a checksum that only who has the key can make
    stamp,    ///< readable, with its author's signature; of the key, only who shares it counts
  };
  enum class Cipher : std::uint8_t { aes128_gcm, aes256_gcm, chacha20_poly1305 };
  enum class State : std::uint8_t { active, decrypt_only, revoked };

  /// Who shares it. Members at whom only a name and a key for signatures are known are known as authors.
  struct Member {
    PublicIdentity identity{};
    bool reads = true;  ///< of a pair: false for who has the public half only
  };

  TopicKeyId id{};
  std::string filter{};
  Kind kind = Kind::symmetric;
  Form form = Form::inside;
  Cipher cipher = Cipher::aes128_gcm;
  State state = State::active;
  std::uint64_t not_before = 0;  ///< seconds since 1970
  std::uint64_t not_after = 0;   ///< nothing is sent later
  Secret secret{};               ///< 32 bytes: the key, or the private scalar of the pair; empty: only its public half is here
  std::array<std::uint8_t, 33> public_half{};  ///< of a pair
  PublicIdentity administrator{};
  std::vector<Member> members{};
  std::uint64_t dealt = 0;  ///< the number of the message that brought it; 0: made here

  TopicKey copy() const;
};

std::string_view name(TopicKey::Kind kind);
std::string_view name(TopicKey::Form form);
std::string_view name(TopicKey::Cipher cipher);
std::string_view name(TopicKey::State state);
std::optional<TopicKey::Kind> topic_key_kind_from(std::string_view name);
std::optional<TopicKey::Form> topic_key_form_from(std::string_view name);
std::optional<TopicKey::Cipher> topic_key_cipher_from(std::string_view name);

/// New, active from now on for `seconds`.
TopicKey make_topic_key(std::string_view filter, TopicKey::Kind kind, TopicKey::Form form, TopicKey::Cipher cipher, Now now,
                        std::uint64_t seconds, const PublicIdentity& administrator, Random& random);

/// One thread at a time. Errors: environment; caller_misused, where files are not what they should be.
class TopicKeys {
 public:
  using Keys = std::vector<TopicKey>;

  virtual ~TopicKeys() = default;

  /// As they are at present. Another pointer after a change, also one by another process once `look_again` is true.
  virtual std::shared_ptr<const Keys> all(bool look_again = false) = 0;
  /// Adds it, or replaces the one with its id.
  virtual Result<> put(const TopicKey& key) = 0;
  virtual Result<> erase(const TopicKeyId& id) = 0;

  /// Whose dealt keys are taken.
  virtual std::vector<PublicIdentity> administrators() = 0;
  virtual Result<> trust(const PublicIdentity& administrator) = 0;

  /// The name under which this process sends with a symmetric key, and the number of its next message: together never used
  /// before, and never again.
  struct Numbered {
    std::array<std::uint8_t, 6> sender{};
    std::uint64_t number = 0;  ///< below 2^40
  };
  virtual Result<Numbered> next(const TopicKeyId& key) = 0;
  /// Whether this process, or another one with the same keys, sends with that key under that name.
  virtual bool sends_as(const TopicKeyId& key, const std::array<std::uint8_t, 6>& sender) = 0;
  /// The number of this identity's next signed message, for those that have no other: increasing, below 2^40.
  virtual Result<std::uint64_t> next_signed() = 0;

  /// Remembers `number` in a window, and across restarts. `is_newest`: nothing later was seen.
  virtual Result<Replay> judge(const std::array<std::uint8_t, 32>& window, std::uint64_t number, bool& is_newest) = 0;
};

/// A folder, made if it is missing (0700): one file for each key (0600), and what has been sent and seen. Several processes may
/// send from it at a time, one may read.
Result<std::shared_ptr<TopicKeys>> open_topic_keys(const std::string& folder, Random& random);
/// They end with the process; for tests, and for who keeps keys elsewhere.
std::shared_ptr<TopicKeys> make_memory_topic_keys(Random& random);

}  // namespace sealmq
#pragma GCC visibility pop
