#include "crypto/key_exchange.h"

#include <stdexcept>

#include "crypto/kdf.h"
#include "crypto/operations.h"

namespace sealmq::crypto {

KeyExchange KeyExchange::fork() const {
  KeyExchange other;
  other.hash_ = hash_;
  other.stepped_ = stepped_;
  if (stepped_) other.running_.update(hash_);
  other.share(shared_);
  return other;
}

KeyExchange& KeyExchange::see(Bytes part) {
  running_.update(part);
  return *this;
}

KeyExchange& KeyExchange::see_lp16(Bytes part) {
  if (part.size() > 0xFFFF) throw std::length_error("too long for a transcript");
  const std::uint8_t size[] = {static_cast<std::uint8_t>(part.size() >> 8), static_cast<std::uint8_t>(part.size())};
  running_.update(size).update(part);
  return *this;
}

const Digest& KeyExchange::step() {
  count(&Operations::h);
  hash_ = running_.finish();
  running_.update(hash_);
  stepped_ = true;
  return hash_;
}

KeyExchange& KeyExchange::share(const Secret& secret) {
  Buffer joined;
  joined.reserve(shared_.size() + secret.size());  // grown in one go, so that no unwiped copy is left behind
  append(joined, shared_.reveal());
  append(joined, secret.reveal());
  shared_ = Secret(std::move(joined));
  return *this;
}

Secret KeyExchange::derive(std::string_view label, std::size_t length) const {
  if (!stepped_ || shared_.empty()) throw std::logic_error("nothing to derive a key from");
  return hkdf(shared_.reveal(), hash_, as_bytes(label), length);
}

}  // namespace sealmq::crypto
