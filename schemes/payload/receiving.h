// Receiving: everything that is checked of a container before its content is anybody's, in the order of README.md.
#pragma once

#include <map>
#include <set>

#include "base/keyed_hash.h"
#include "schemes/payload/causes.h"
#include "schemes/payload/sender_keys.h"
#include "schemes/payload/stamps.h"
#include "schemes/payload/topic_choice.h"
#include "sealmq/identity.h"
#include "sealmq/keystore.h"
#include "sealmq/scheme.h"
#include "sealmq/topic_keys.h"

namespace sealmq::payload {

/// How old a message may be, unless it is known to have waited.
struct Window {
  std::uint64_t behind = 30;  ///< seconds
  std::uint64_t ahead = 5;
  bool heeds_end = true;  ///< one that says until when it is good may be as old as it likes until then
};

/// Somebody whose stamps may be taken.
struct Author {
  std::string name;
  StampVerifier verifier;
  std::array<std::uint8_t, 32> digest;  ///< of the whole key
  const Identity* listed = nullptr;     ///< at a broker: what its list says
  KeyHash key{};                        ///< by which orders of an authority name it
};

/// Whose stamps are taken.
class KnownAuthors {
 public:
  virtual ~KnownAuthors() = default;
  /// Null: nobody. Good until the next call. `earlier`: ids of the earlier form are answered too.
  virtual const Author* find(Bytes id, bool earlier) = 0;
};

class Authors final : public KnownAuthors {
 public:
  /// Errors: caller_misused, if a key is none, or two of them answer to the same id.
  Result<> add(const PublicIdentity& identity);
  const Author* find(Bytes id, bool earlier) override;
  bool empty() const { return by_id_.empty(); }

 private:
  std::map<StampId, Author> by_id_;
  std::map<EarlierStampId, std::optional<StampId>> by_earlier_id_;  // nothing: two answer to it
};

/// One thread.
class Receiving {
 public:
  struct Wanted {
    Authors pinned;                     ///< if any, nobody else's messages are taken
    std::vector<ReaderSecret> readers;  ///< for messages to named readers
    Window window;
    bool remembers = true;  ///< false: a message may be opened any number of times, as from a file, or is judged elsewhere
    KnownAuthors* listed = nullptr;                            ///< instead of those who share a key; outlives this
    std::optional<PublicIdentity> broker;                      ///< its stamp is taken besides
    std::shared_ptr<const AuthorityView> authority = nullptr;  ///< says who is revoked, and which deals of keys count
    bool refuses_own = false;  ///< nothing that was sealed with these very keys by this store's processes
  };
  Receiving(TopicKeys& keys, Wanted wanted) : keys_(keys), wanted_(std::move(wanted)) {}

  struct From {
    std::string_view topic;
    Bytes payload;
    bool may_be_old = false;  ///< retained, or kept in a session
    bool is_retained = false;
  };
  struct Opened {
    Buffer payload;
    std::string author;                ///< empty: somebody who has the key
    const Identity* listed = nullptr;  ///< the author's, as of Author
    std::string_view checked;          ///< in words
    TopicKeys::Seen seen;              ///< it comes once: by its number among all of this author, sender's name, key and topic
    std::uint64_t fresh_until = 0;     ///< wall milliseconds; afterwards its time alone refuses it
  };
  /// Errors begin with one of cause_names.
  Result<Opened> open(const From& from, Now now);

  /// How many were refused, by cause.
  const std::array<std::uint64_t, 6>& refused_by_cause() const { return refused_; }
  void count_refused(const Error& error);

 private:
  Result<Opened> open_checked(const From& from, Now now);
  Result<Opened> open_encrypt0(const From& from, const Message& message, const TopicKey& key, Now now);
  Result<Opened> open_mac0(const From& from, const Message& message, const TopicKey& key, Now now);
  Result<Opened> open_encrypt(const From& from, const Message& message, const TopicKey* key, Now now);
  Result<Opened> open_outside(const From& from, const Message& message, Now now);
  Result<Opened> open_stamped(const From& from, const Message& message, Now now);
  Result<Secret> content_key(const Message& message, const TopicKey* key);
  Result<const TopicKey*> symmetric_key(const Header& header, std::string_view topic);
  Result<> check_usable(const TopicKey& key, const Header& header, Now now);
  Result<> check_standing(const Author& author) const;
  Result<> check_time(const Header& header, const From& from, const TopicKey* key, Now now) const;
  Result<> check_not_own(const Header& header);
  Result<> check_new(const Opened& opened, const From& from);
  Result<KnownAuthors*> authors_of(const TopicKey* key);
  /// What its number counts among. No author: it has no stamp; no key: it is under none.
  void count(Opened& opened, std::string_view kind, const Author* author, Bytes sender, const TopicKey* key, const Header& times,
             std::uint64_t number);
  void look(bool again);
  void turn_to(std::string_view topic);

  TopicKeys& keys_;
  Wanted wanted_;
  std::uint64_t looked_at_ = 0;  ///< seconds
  std::shared_ptr<const TopicKeys::Keys> among_;
  std::map<TopicKeyId, Authors> members_;  ///< of the keys in among_
  struct Usable {
    Result<> may;
    std::optional<std::uint64_t> until;  ///< seconds: what was said later is not under the last deal
  };
  std::map<TopicKeyId, Usable> usable_;  ///< which of them may be used, at the second of looked_at_
  std::uint64_t heard_ = 0;              ///< AuthorityView::version() of that
  SenderKeyCache senders_;
  std::set<std::array<std::uint8_t, 32>> shown_;  ///< Seen::topic of what was answered in this process
  std::array<std::uint64_t, 6> refused_{};

  // What was worked out for messages before, which this is most often like: names of windows,
  struct Named {
    TopicKeys::Seen seen;   ///< without number and time
    bool is_shown = false;  ///< stands in shown_
  };
  TextMap<Named> windows_;
  // the topic of the last one, and its sender.
  struct Topic {
    std::string name;
    Buffer external;          ///< empty: there was none
    std::string_view filter;  ///< in among_
    Named* named = nullptr;   ///< null: no message has been opened; of this
    std::string_view kind{};
    crypto::Digest author{};
    Buffer sender{}, key{};
  };
  Topic topic_;
  Buffer window_name_;
  Buffer authenticated_;  // of the present message
};

}  // namespace sealmq::payload
