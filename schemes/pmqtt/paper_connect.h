// The CONNECT packet of the paper profile: with the password as it is signed, with the signature in its place as it is sent.
// MQTT 3.1.1 and 5.
#pragma once

#include <string>

#include "crypto/ecdsa.h"

namespace sealmq::pmqtt {

inline constexpr char signature_mark = '~';

/// A CONNECT with user name and password, as it is sent: USER~SIGNATURE for a name, and no password. Errors: caller_misused, if
/// it has not both of them or gets too long.
Result<Buffer> with_signature(Bytes connect, const crypto::ecdsa::Signature& signature);

/// Whether a user name holds the mark at all; no identity's does.
bool is_paper_name(std::string_view user_name);

struct PaperName {
  std::string user;
  crypto::ecdsa::Signature signature{};
};
/// Split at the last mark. Errors: peer_misbehaved.
Result<PaperName> split_paper_name(std::string_view user_name);

/// The packet that was signed, from the one that was sent, byte for byte. Errors: peer_misbehaved.
Result<Buffer> with_password(Bytes connect, std::string_view user, Bytes password);

}  // namespace sealmq::pmqtt
