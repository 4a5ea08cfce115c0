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
/// Under which somebody numbers what it sends. Drawn at random, each time anew.
using SenderName = std::array<std::uint8_t, 16>;

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
  bool is_undealt = false;  ///< made or changed here, and its members have not been sent that
  bool is_earlier = false;  ///< of the time when names had 6 bytes: messages in that form are taken under it

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

  /// Whose dealt keys are taken, and for what.
  struct Administrator {
    PublicIdentity identity;
    std::vector<std::string> filters;  ///< none: for what others have delegated to it
  };
  virtual std::vector<Administrator> administrators() = 0;
  /// Adds it, or gives it other filters, which are topic filters. `#` is for the only administrator alone, and no filter for two
  /// of them: caller_misused.
  virtual Result<> trust(const PublicIdentity& administrator, std::vector<std::string> filters = {"#"}) = 0;
  /// caller_misused, if it is not trusted.
  virtual Result<> untrust(const PublicIdentity& administrator) = 0;

  /// That the owner of a filter lets somebody else deal keys for it.
  struct Delegation {
    std::array<std::uint8_t, 32> owner{};  ///< of their identities, identity_digest()
    std::array<std::uint8_t, 32> delegate{};
    std::string filter;
    std::string name;              ///< the delegate's
    std::uint64_t not_before = 0;  ///< seconds since 1970
    std::uint64_t not_after = 0;
    std::uint64_t serial = 0;
  };
  virtual std::vector<Delegation> delegations() = 0;
  /// Adds it, or replaces the one of the same owner and filter.
  virtual Result<> put(const Delegation& delegation) = 0;

  /// A name that this process alone has drawn, since it opened the keys, and the number of its next message under `key`, or of
  /// one that has no topic key: together never used before, and never again. A copied folder, a fork(), a machine that was frozen
  /// and resumed and a second process have other names. `size`: of the message, in bytes.
  struct Numbered {
    SenderName sender{};
    std::uint64_t number = 0;  ///< at most 2^32
  };
  virtual Result<Numbered> next(const std::optional<TopicKeyId>& key, std::size_t size) = 0;
  /// From now on names are written down before they are used, for sends_as(): the last 65,536 of all processes with these keys.
  virtual Result<> keep_names() = 0;
  /// Whether such a name was drawn here.
  virtual bool sends_as(const SenderName& sender) = 0;
  /// The number of the administrator's next deal: increasing, below 2^40, and not below 256 for each second since 1970, so that a
  /// folder that was set back repeats none.
  virtual Result<std::uint64_t> next_deal() = 0;

  /// A message that was received and verified, and what its number counts among.
  struct Seen {
    std::array<std::uint8_t, 32> window{};  ///< names kind, author, sender's name, key and topic
    std::array<std::uint8_t, 32> author{};  ///< of its stamp; zeroes: it has none
    TopicKeyId key{};                       ///< zeroes: there is none
    std::array<std::uint8_t, 32> topic{};   ///< as `window`, without the sender's name
    std::uint64_t number = 0;
    std::uint64_t time = 0;  ///< the message's own, in seconds
  };
  /// Remembers it, and across restarts. `is_newest`: nothing later of this author and key was seen on this topic. Windows that
  /// are too many are let go, each author's own oldest first; what is not known to be newer than those is then stale.
  virtual Result<Replay> judge(const Seen& seen, bool& is_newest) = 0;
  /// How many windows each author has under each key.
  static constexpr std::size_t usual_windows = 4096;
  virtual void allow_windows(std::size_t most) = 0;
};

/// A folder, made if it is missing (0700): one file for each key (0600), and what has been seen. Several processes may send from
/// it at a time, one may read.
Result<std::shared_ptr<TopicKeys>> open_topic_keys(const std::string& folder, Random& random);
/// They end with the process; for tests, and for who keeps keys elsewhere.
std::shared_ptr<TopicKeys> make_memory_topic_keys(Random& random);

}  // namespace sealmq
#pragma GCC visibility pop
