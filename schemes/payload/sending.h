// Sending: makes a container of what an author says, by the key that its topic has or for readers who are named.
#pragma once

#include "base/keyed_hash.h"
#include "schemes/payload/sender_keys.h"
#include "schemes/payload/stamps.h"
#include "schemes/payload/topic_choice.h"
#include "sealmq/keystore.h"
#include "sealmq/scheme.h"
#include "sealmq/topic_keys.h"

namespace sealmq::payload {

/// The author's own, by a key store that outlives it.
Stamper stamper(KeyStore& key);

/// Encrypted once, for all readers. `header` gets a fresh nonce, for a content key that is used for this alone.
/// `plaintext_of` is given the protected header and the readers' ids, to which what is inside may be bound.
struct Encrypted {
  Buffer header;
  std::vector<Bytes> reader_ids;
};
Result<Buffer> encode_encrypt_for(const std::vector<ReaderKey>& readers, Header header, Bytes external,
                                  const std::function<Result<Buffer>(const Encrypted&)>& plaintext_of, Random& random);

/// One thread. Errors: caller_misused with a hint (no key for this topic, no private key), and those of the stores.
class Sending {
 public:
  /// All outlive it; no key store: nothing can be signed. `readers`: who is named; if any, no topic key is used.
  Sending(TopicKeys& keys, KeyStore* key, std::vector<ReaderKey> readers, Random& random,
          std::shared_ptr<const AuthorityView> authority = nullptr);

  /// `expires`, in seconds: readers take it until then however old it is; nothing: they want it fresh.
  Result<Buffer> seal(std::string_view topic, Bytes payload, Now now, std::optional<std::uint64_t> expires = {});
  /// There is something to seal a message to this topic with, or that seal() will say why it is not used.
  bool has_key(std::string_view topic, Now now);

 private:
  struct Topic {
    std::shared_ptr<const TopicKeys::Keys> among;
    std::uint64_t chosen_at = 0;  ///< seconds
    std::uint64_t heard = 0;      ///< AuthorityView::version()
    const TopicKey* key = nullptr;
    std::optional<Error> refused;  ///< there is one, and this is why it is not used
    Buffer external;
  };
  Result<> may_send_with(const TopicKey& key, std::uint64_t seconds);
  Topic& topic_state(std::string_view topic, std::uint64_t seconds);
  Result<Buffer> seal_symmetric(const Topic& its, std::string_view topic, Bytes payload, Header header);
  Result<Buffer> seal_for(const std::vector<ReaderKey>& readers, TopicKey::Form form, std::int64_t algorithm,
                          std::string_view topic, Bytes payload, Header header);
  Result<TopicKeys::Numbered> next_signed(Bytes payload) { return keys_.next(std::nullopt, payload.size()); }
  Header outer_stamp(const Header& times, std::optional<Structure> content, const TopicKeys::Numbered& numbered) const;
  Result<> need_key() const;

  TopicKeys& keys_;
  KeyStore* key_;
  std::optional<Stamper> stamper_;
  std::vector<ReaderKey> readers_;
  Random& random_;
  std::shared_ptr<const AuthorityView> authority_;
  SenderKeyCache senders_;
  Buffer header_, authenticated_;  // of the present message
  TextMap<Topic> topics_;
};

}  // namespace sealmq::payload
