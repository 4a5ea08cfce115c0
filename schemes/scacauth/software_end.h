// What a card does, for the methods that no card has: ECC, and the legacy ciphers. Over the keys of a key store.
#pragma once

#include "schemes/scacauth/paper_crypto.h"
#include "sealmq/smart_card.h"

namespace sealmq::scacauth {

/// The paper's form. `own` and `random` outlive it.
std::unique_ptr<SmartCard> make_software_end(const Method& method, KeyStore& own, const BrokerIdentity& broker, Random& random);

}  // namespace sealmq::scacauth
