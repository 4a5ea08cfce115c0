// Complaints: what a receiver of a message shows a revocation authority, which then knows who wrote it.
#pragma once

#include <string_view>

#include "sealmq/bytes.h"
#include "sealmq/keystore.h"
#include "sealmq/ports.h"
#include "sealmq/result.h"

#pragma GCC visibility push(default)
namespace sealmq {

/// `evidence`: ReceivedMessage::evidence. A complaint signed by `key`, to be published to the topic that the authority reads, or
/// handed over. Where the message came by a published form nobody signs it, and it is handed over. An anonymous subscriber signs
/// with a key made for this and known to nobody. Errors: caller_misused, if it is no evidence or the reason is longer than 65,535
/// octets; the key store's.
Result<Buffer> sign_complaint(Bytes evidence, std::string_view reason, KeyStore& key, Now now);

}  // namespace sealmq
#pragma GCC visibility pop
