// CardKeys: the KeyStore whose private keys are on a smart card. A card signs (ECDSA, RSA-PSS) and takes part in SCACAuth as
// published; it agrees on nothing, and makes no Schnorr signatures.
//
// Each call opens the reader for itself, so a card may be pulled out and put back at any time, and several programs may use it.
#pragma once

#include <functional>
#include <optional>

#include "keystore/card_channel.h"
#include "keystore/key_uri.h"
#include "sealmq/keystore.h"

namespace sealmq {

using OpenSequence = std::function<std::unique_ptr<SequenceCounter>(const std::string& name)>;

/// `expected`: whose card it is; without, that of the UID on the card. The card need not be there if it is known.
Result<std::unique_ptr<KeyStore>> open_card_keys(const CardUri& uri, const std::optional<PublicIdentity>& expected,
                                                 const OpenSequence& open_sequence, Random& random, PinAsker asker);
/// The same over any channel: for a card in this process.
Result<std::unique_ptr<KeyStore>> open_card_keys(card::OpenChannel open, std::string what,
                                                 const std::optional<PublicIdentity>& expected, const OpenSequence& open_sequence,
                                                 PinAsker asker);

/// New keys on the card; those that are there are replaced. `name`: 8 of 0-9 A-Z a-z.
Result<PublicIdentity> create_card_keys(const CardUri& uri, std::string_view name, Kind kind, Random& random, PinAsker asker);
Result<PublicIdentity> create_card_keys(const card::OpenChannel& open, const std::string& what, std::string_view name, Kind kind,
                                        PinAsker asker);

}  // namespace sealmq
