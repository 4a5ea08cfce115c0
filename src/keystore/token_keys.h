// TokenKeys: the KeyStore whose private keys are in a token behind PKCS#11. A token has no arithmetic for Schnorr signatures, so
// such an identity has no Schnorr key.
//
// Any thread. A store has several sessions with its token, as many as calls are made at the same time and the address allows; the
// one that has rested longest works next. A token that is gone makes each call an error of the environment; when it is back, the
// next call finds it, logs in again and goes on.
#pragma once

#include "keystore/key_reference.h"
#include "sealmq/keystore.h"

namespace sealmq {

/// `expected`: the public keys must be these; without, the identity is what the token has under the name uri.object.
Result<std::unique_ptr<KeyStore>> open_token_keys(const TokenUri& uri, const std::optional<PublicIdentity>& expected,
                                                  std::unique_ptr<SequenceCounter> sequence, Random& random, PinAsker asker);

/// Makes keys for `name` in the token; what was made is erased again if something fails.
Result<PublicIdentity> create_token_keys(const TokenUri& uri, std::string_view name, Kind kind, unsigned rsa_bits,
                                         PinAsker asker);
Result<> erase_token_keys(const TokenUri& uri, PinAsker asker);

}  // namespace sealmq
