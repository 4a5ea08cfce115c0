// Stamps: signatures of authors, by the three algorithms of the scheme; and what a stamp or a ciphertext is bound to besides.
#pragma once

#include <functional>
#include <variant>

#include "crypto/ecdsa.h"
#include "crypto/other_keys.h"
#include "schemes/payload/cose.h"

namespace sealmq::payload {

/// Of an author's key: 16 bytes of its thumbprint (RFC 9679). Whoever looks a key up by it sees to it that no two keys answer to
/// one.
using StampId = std::array<std::uint8_t, 16>;
/// Of a key for ES256; zeroes, if it is none.
StampId stamp_id(const crypto::Sec1Compressed& public_key);
/// As stamps named their author before: 6 bytes of the SHA-256 of the key.
using EarlierStampId = std::array<std::uint8_t, 6>;
EarlierStampId earlier_stamp_id(Bytes public_key);

struct Stamper {
  std::int64_t algorithm = algorithm::es256;
  StampId id{};
  std::function<Result<Buffer>(Bytes message)> sign;
};

/// Copies are cheap. Any thread.
class StampVerifier {
 public:
  /// ES256: a SEC1 compressed point; EdDSA: 32 bytes; PS256: a SubjectPublicKeyInfo. peer_incompatible for other algorithms.
  static Result<StampVerifier> make(std::int64_t algorithm, Bytes public_key);

  std::int64_t algorithm() const { return algorithm_; }
  const StampId& id() const { return id_; }
  bool verify(Bytes message, Bytes signature) const;

 private:
  using Key = std::variant<crypto::ecdsa::VerifyingKey, crypto::OtherPublicKey>;
  StampVerifier(std::int64_t algorithm, const StampId& id, Key key) : algorithm_(algorithm), id_(id), key_(std::move(key)) {}
  std::int64_t algorithm_;
  StampId id_;
  Key key_;
};
Stamper stamper(const crypto::OtherPrivateKey& key);

/// external_aad: the topic, whether the structure stands inside another one, and if so in which.
enum class Place : std::uint8_t { outermost = 0, inside = 1 };
Buffer external_aad(std::string_view topic, Place place = Place::outermost, Bytes outer = {});
/// Names the outer structure to the one inside: its protected header, and who its readers are.
crypto::Digest outer_of(Bytes header, const std::vector<Bytes>& readers = {});

Result<Buffer> encode_sign1(const Stamper& stamper, Header header, Bytes external, Bytes body);

}  // namespace sealmq::payload
