#include "keystore/fingerprint.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "sealmq/keystore.h"

namespace sealmq {

std::string fingerprint_of(Bytes key) {
  auto text = "SHA256:" + to_base64(crypto::sha256(key));
  text.resize(text.find_last_not_of('=') + 1);
  return text;
}

std::string fingerprint(const PublicKeys& keys) {
  Buffer all;
  append(all, keys.schnorr);
  append(all, keys.ecdsa);
  append(all, keys.agreement);
  append(all, keys.rsa);
  return fingerprint_of(all);
}

}  // namespace sealmq
