// The paper profile's keys and stamps, as both ends have them: a key for all topics of the scheme, which comes as scheme options.
#pragma once

#include <optional>
#include <vector>

#include "crypto/other_keys.h"
#include "sealmq/ports.h"
#include "sealmq/scheme.h"

namespace sealmq::payload::paper {

/// What stands in front of the body, over topic and body. The first two need no key: whoever changes a message makes them anew.
enum class StampKind : std::uint8_t {
  none,
  checksum,   ///< CRC-32 (IEEE 802.3)
  hash,       ///< SHA-256
  mac,        ///< HMAC-SHA-256
  signature,  ///< RSASSA-PKCS1-v1_5-SHA256
};

class Keys {
 public:
  /// Of the options that begin with `prefix`: "payload." Errors: caller_misused.
  static Result<Keys> read(const SchemeOptions& options, std::string_view prefix);

  StampKind stamp() const { return stamp_; }
  /// Whether open() tells what was changed by who has no key.
  bool checks_stamps() const { return stamp_ == StampKind::mac || (stamp_ == StampKind::signature && !authors_.empty()); }
  bool decrypts() const { return topic_private_ || !symmetric_.empty(); }

  /// Encrypted if there is a key for that, stamped likewise.
  Buffer seal(std::string_view topic, Bytes plaintext, Random& random) const;
  /// Errors: peer_misbehaved, beginning with "stamp:" or "decrypt:" where it is one of these.
  Result<Buffer> open(std::string_view topic, Bytes payload) const;

 private:
  Result<> choose_stamp(std::string_view word);
  Buffer stamp_for(Bytes stamped) const;
  Result<> check(Bytes stamp, Bytes stamped) const;
  Result<Buffer> decrypt_body(Bytes body) const;

  std::vector<Secret> symmetric_;
  std::optional<crypto::OtherPublicKey> topic_public_;
  std::optional<crypto::OtherPrivateKey> topic_private_;
  StampKind stamp_ = StampKind::none;
  Secret mac_;
  std::optional<crypto::OtherPrivateKey> signing_;
  std::vector<crypto::OtherPublicKey> authors_;
};

}  // namespace sealmq::payload::paper
