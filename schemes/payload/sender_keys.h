// What a sender under a symmetric topic key encrypts with. Each has keys of its own, so that no two can ever use a key and a
// nonce together.
#pragma once

#include <map>

#include "schemes/payload/readers.h"
#include "sealmq/topic_keys.h"

namespace sealmq::payload {

/// Of names as they were before.
inline constexpr std::size_t earlier_name_size = 6;

class SenderKeys {
 public:
  /// A name of 6 to 255 bytes, all of which the keys depend on.
  SenderKeys(const TopicKey& key, Bytes sender);

  std::int64_t algorithm() const { return algorithm_; }
  /// Of a number that this sender has not used before: the topic key's store answers each only once.
  void seal(std::uint64_t number, Bytes authenticated, Bytes plaintext, Buffer& out);
  Result<Buffer> open(std::uint64_t number, Bytes authenticated, Bytes ciphertext);
  /// HMAC 256/256.
  crypto::Digest checksum(Bytes message) const;

 private:
  crypto::Iv nonce(std::uint64_t number) const;

  std::int64_t algorithm_;
  std::array<std::uint8_t, 6> nonce_id_{};  // the name's first bytes
  crypto::Aead cipher_;
  crypto::Iv common_iv_{};
  Secret checksum_key_;
};

/// Keys that were derived before. One thread.
class SenderKeyCache {
 public:
  SenderKeys& find(const TopicKey& key, Bytes sender);

 private:
  std::map<std::string, SenderKeys, std::less<>> known_;
  std::string name_, last_name_;  // a key's id and a sender's name
  SenderKeys* last_ = nullptr;    // asked for
};

std::int64_t algorithm_of(TopicKey::Cipher cipher);

}  // namespace sealmq::payload
