#include "schemes/payload/sender_keys.h"

#include <algorithm>

#include "crypto/kdf.h"

namespace sealmq::payload {
namespace {

constexpr std::size_t most_known = 1024;  // a stranger can make up names of senders

Secret derive(const TopicKey& key, Bytes id, std::int64_t how, std::string_view type, std::size_t length) {
  return derive_sender(key.secret.reveal(), {}, id, Bytes(key.id), how, type, length);
}

crypto::Aead cipher_for(const TopicKey& key, Bytes sender) {
  const auto how = algorithm_of(key.cipher);
  const auto name = *cipher_of(how);
  return {name, derive(key, sender, how, "Key", crypto::key_size(name)).reveal()};
}

}  // namespace

std::int64_t algorithm_of(TopicKey::Cipher cipher) {
  switch (cipher) {
    case TopicKey::Cipher::aes128_gcm:
      return algorithm::a128gcm;
    case TopicKey::Cipher::aes256_gcm:
      return algorithm::a256gcm;
    case TopicKey::Cipher::chacha20_poly1305:
      break;
  }
  return algorithm::chacha20_poly1305;
}

SenderKeys::SenderKeys(const TopicKey& key, Bytes sender)
    : algorithm_(algorithm_of(key.cipher)), cipher_(cipher_for(key, sender)) {
  std::copy_n(sender.begin(), std::min(sender.size(), nonce_id_.size()), nonce_id_.begin());
  const auto iv = derive(key, {}, algorithm_, "IV", common_iv_.size());
  std::ranges::copy(iv.reveal(), common_iv_.begin());
  if (key.form == TopicKey::Form::mac) checksum_key_ = derive(key, sender, algorithm::hmac256, "Key", 32);
}

// As sender_nonce(), without memory of its own: this is on the path of every message.
crypto::Iv SenderKeys::nonce(std::uint64_t number) const {
  crypto::Iv nonce{static_cast<std::uint8_t>(nonce_id_.size())};
  std::ranges::copy(nonce_id_, nonce.begin() + 1);
  for (std::size_t i = 0; i < 5; ++i) nonce[11 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  for (std::size_t i = 0; i < nonce.size(); ++i) nonce[i] ^= common_iv_[i];
  return nonce;
}

void SenderKeys::seal(std::uint64_t number, Bytes authenticated, Bytes plaintext, Buffer& out) {
  cipher_.seal(nonce(number), authenticated, plaintext, out);
}

Result<Buffer> SenderKeys::open(std::uint64_t number, Bytes authenticated, Bytes ciphertext) {
  return cipher_.open(nonce(number), authenticated, ciphertext);
}

crypto::Digest SenderKeys::checksum(Bytes message) const {
  return crypto::hmac_sha256(checksum_key_.reveal(), message);
}

SenderKeys& SenderKeyCache::find(const TopicKey& key, Bytes sender) {
  name_.assign(as_text(key.id)).append(as_text(sender));
  if (last_ != nullptr && name_ == last_name_) return *last_;
  auto known = known_.find(name_);
  if (known == known_.end()) {
    if (known_.size() >= most_known) known_.clear();
    known = known_.try_emplace(name_, key, sender).first;
  }
  last_name_ = name_;
  last_ = &known->second;
  return *last_;
}

}  // namespace sealmq::payload
