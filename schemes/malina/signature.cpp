#include "schemes/malina/signature.h"

#include <cstring>

#include "base/keyed_hash.h"
#include "base/try.h"

namespace sealmq::malina {
namespace {

std::array<std::uint8_t, 8> octets(std::uint64_t value) {
  std::array<std::uint8_t, 8> out;
  for (unsigned i = 0; i < 8; ++i) out[i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
  return out;
}

/// The list as the hash takes it, with the integers it points to.
template <class Use>
auto with_elements(const PaperStatement& s, Use use) {
  auto time = octets(s.time);
  std::array<Bytes, 5> elements{as_bytes(s.tag), as_bytes(s.topic), s.id, s.message, time};
  return use(std::span<const Bytes>(elements));
}

template <class Use>
auto with_elements(const Statement& s, Use use) {
  auto time = octets(s.time);
  auto sequence = octets(s.sequence);
  std::array<std::uint8_t, 2> kind{s.type, s.under};
  std::array<Bytes, 9> elements{as_bytes("MALINA-2"),
                                Bytes(kind).first(1),
                                Bytes(kind).last(1),
                                as_bytes(s.broker_id),
                                as_bytes(s.topic),
                                s.id,
                                s.message,
                                time,
                                sequence};
  return use(std::span<const Bytes>(elements));
}

template <class AnyStatement>
bool verify_any(const crypto::schnorr::VerifyingKey& key, const AnyStatement& statement, const Signature& signature) {
  crypto::schnorr::Signature pair;
  std::memcpy(pair.z.data(), signature.data(), 32);
  std::memcpy(pair.e.data(), signature.data() + 32, 32);
  return with_elements(statement, [&](auto elements) { return crypto::schnorr::verify(key, elements, pair); });
}

}  // namespace

Result<Signature> sign(KeyStore& key, const PaperStatement& statement) {
  return with_elements(statement, [&](auto elements) { return key.sign_schnorr(elements); });
}

Result<Signature> sign(KeyStore& key, const Statement& statement) {
  return with_elements(statement, [&](auto elements) { return key.sign_schnorr(elements); });
}

std::size_t KnownKeys::Hash::operator()(const Id& id) const {
  return TextHash{}(as_text(id));
}

Result<crypto::schnorr::VerifyingKey> KnownKeys::find(const Id& id, bool keep) {
  if (auto known = keys_.find(id); known != keys_.end()) return known->second;
  auto key = TRY(crypto::schnorr::VerifyingKey::from_id(id));
  if (keep) {
    if (keys_.size() >= limit_) keys_.clear();
    keys_.emplace(id, key);
  }
  return key;
}

bool verify(const crypto::schnorr::VerifyingKey& key, const PaperStatement& statement, const Signature& signature) {
  return verify_any(key, statement, signature);
}

bool verify(const crypto::schnorr::VerifyingKey& key, const Statement& statement, const Signature& signature) {
  return verify_any(key, statement, signature);
}

ReplayMark mark_of(std::string_view scheme, const Id& author, std::uint64_t time, const Signature& signature) {
  ReplayMark mark;
  mark.scheme = scheme;
  mark.author = author;
  std::memcpy(mark.digest.data(), signature.data() + 32, 32);
  mark.forget_after = time + accepted_behind + 5'000;
  return mark;
}

std::string memory_key(const Id& author, std::string_view topic) {
  std::string key(as_text(author));
  key += topic;
  return key;
}

}  // namespace sealmq::malina
