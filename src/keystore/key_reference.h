// The text of NAME.key for an identity whose private keys live in a token or card:
//
//   # sealmq: the private keys of boiler-7 (device) are elsewhere
//   sealmq-identity boiler-7 device …      as in NAME.pub
//   keystore pkcs11:token=plant;object=boiler-7?module-path=…
//
// The public keys are there so that another token with the same label is noticed. Nothing in it is secret.
#pragma once

#include "keystore/key_uri.h"
#include "sealmq/identity.h"

namespace sealmq {

struct KeyReference {
  PublicIdentity identity;
  KeyUri uri;  ///< of a token or a card
};

/// True: what it holds is a KeyReference, or would be.
bool is_key_reference(std::string_view text);
std::string encode_key_reference(const KeyReference& reference);
/// Strict; caller_misused.
Result<KeyReference> parse_key_reference(std::string_view text);

}  // namespace sealmq
