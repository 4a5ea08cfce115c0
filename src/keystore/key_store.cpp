// What a key store answers that lacks a key.
#include "keystore/software_card.h"
#include "sealmq/keystore.h"

namespace sealmq {
namespace {

Failure no_rsa_key(const PublicIdentity& identity) {
  return fail(Blame::caller_misused, identity.name + " has no RSA key\nhint: sealmq identity new NAME --rsa 2048 makes one; " +
                                         "with the keys it has, choose the form of the scheme that signs with ECDSA");
}

}  // namespace

Result<std::array<std::uint8_t, 64>> KeyStore::sign_ecdsa_sha1(Bytes) {
  return fail(Blame::caller_misused, "this key store does not sign with SHA-1");
}

Result<Buffer> KeyStore::sign_rsa_pss(Bytes) {
  return no_rsa_key(identity());
}

Result<Buffer> KeyStore::seal_rsa(Bytes) {
  return no_rsa_key(identity());
}

Result<Secret> KeyStore::decrypt_rsa(Bytes, std::size_t) {
  return no_rsa_key(identity());
}

Result<std::unique_ptr<SmartCard>> KeyStore::open_card(CardForm form, std::size_t key_size, Random& random) {
  if (identity().keys.rsa.empty()) return no_rsa_key(identity());
  return make_software_card(*this, form, key_size, random);
}

}  // namespace sealmq
