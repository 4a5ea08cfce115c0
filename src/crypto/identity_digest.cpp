#include "crypto/identity_digest.h"

#include "base/writer.h"

namespace sealmq::crypto {

Digest key_hash(Bytes key) {
  constexpr std::size_t compressed = 33;
  if (key.size() == compressed) key = key.subspan(1);
  Buffer named;
  Writer(named).text("SealMQ key 1").bytes(key);
  return sha256(named);
}

std::vector<Digest> key_hashes(const PublicKeys& keys) {
  std::vector<Digest> hashes;
  for (const Bytes key : {Bytes(keys.schnorr), Bytes(keys.ecdsa), Bytes(keys.agreement), Bytes(keys.rsa)})
    if (is_there(key)) hashes.push_back(key_hash(key));
  return hashes;
}

Digest identity_digest(const PublicKeys& keys) {
  const auto hashes = key_hashes(keys);
  Buffer named;
  Writer out(named);
  out.text("SealMQ identity 1").u8(static_cast<std::uint8_t>(hashes.size()));
  for (const Digest& hash : hashes) out.bytes(hash);
  return sha256(named);
}

}  // namespace sealmq::crypto
