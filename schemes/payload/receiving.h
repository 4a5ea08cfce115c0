// Receiving: everything that is checked of a container before its content is anybody's, in the order of README.md.
#pragma once

#include <map>
#include <set>

#include "schemes/payload/causes.h"
#include "schemes/payload/sender_keys.h"
#include "schemes/payload/stamps.h"
#include "sealmq/keystore.h"
#include "sealmq/topic_keys.h"

namespace sealmq::payload {

/// How old a message may be, unless it is known to have waited.
struct Window {
  std::uint64_t behind = 30;  ///< seconds
  std::uint64_t ahead = 5;
};

/// Whose stamps are taken.
class Authors {
 public:
  /// Errors: caller_misused, if a key is none, or two of them answer to the same id.
  Result<> add(const PublicIdentity& identity);
  struct Author {
    std::string name;
    StampVerifier verifier;
    std::array<std::uint8_t, 32> digest;  ///< of the whole key
  };
  /// Null: nobody.
  const Author* find(Bytes id) const;
  bool empty() const { return by_id_.empty(); }

 private:
  std::map<StampId, Author> by_id_;
};

/// One thread.
class Receiving {
 public:
  struct Wanted {
    Authors pinned;                     ///< if any, nobody else's messages are taken
    std::vector<ReaderSecret> readers;  ///< for messages to named readers
    Window window;
    bool remembers = true;  ///< false: a message may be opened any number of times, as from a file
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
    std::string author;  ///< empty: somebody who has the key
    std::string checked;
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
  Result<> check_time(const Header& header, const From& from, const TopicKey* key, Now now) const;
  Result<> check_new(Bytes kind, Bytes sender, Bytes key, std::uint64_t number, const From& from);
  Result<const Authors*> authors_of(const TopicKey* key);

  TopicKeys& keys_;
  Wanted wanted_;
  std::shared_ptr<const TopicKeys::Keys> among_;
  std::map<TopicKeyId, Authors> members_;  ///< of the keys in among_
  SenderKeyCache senders_;
  std::set<std::array<std::uint8_t, 32>> shown_;  ///< windows of retained messages that were answered in this process
  std::array<std::uint64_t, 6> refused_{};
};

}  // namespace sealmq::payload
