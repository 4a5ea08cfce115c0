// Signed parameters:
//
//   "MALINA-2 parameters" || lp16(broker id) || agreement key (33) || u8 suite || lp16(n) || u64 not_after
//   || lp8(authority's ECDSA key) || lp8(authority's agreement key) || signature (64)
//
// The authority's keys are there or not, both; the signature is the broker's ECDSA over all that stands before it.
#include <algorithm>

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/ecdsa.h"
#include "crypto/rabin.h"
#include "sealmq/keystore.h"

namespace sealmq {
namespace {

constexpr std::string_view label = "MALINA-2 parameters";
constexpr std::uint8_t suite = 1;

using PublicKey = std::array<std::uint8_t, 33>;

/// What is signed.
Buffer statement(const BrokerParameters& parameters, const BrokerIdentity& broker) {
  const auto authority = parameters.authority.value_or(BrokerParameters::Authority{});
  const auto if_any = [&](const PublicKey& key) { return parameters.authority ? Bytes(key) : Bytes(); };
  Buffer out;
  Writer(out)
      .text(label)
      .lp16(broker.id)
      .bytes(broker.agreement)
      .u8(suite)
      .lp16(parameters.rabin_modulus)
      .u64(parameters.rabin_not_after)
      .lp8(if_any(authority.ecdsa))
      .lp8(if_any(authority.agreement));
  return out;
}

std::optional<PublicKey> point(Bytes bytes) {
  if (!crypto::Point::decode(bytes)) return std::nullopt;
  PublicKey key{};
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

}  // namespace

Result<BrokerParameters> sign_parameters(KeyStore& broker, BrokerParameters wanted) {
  wanted.signature = TRY(broker.sign_ecdsa(statement(wanted, broker_identity(broker.identity()))));
  return wanted;
}

Buffer encode(const BrokerParameters& parameters, const BrokerIdentity& broker) {
  Buffer out = statement(parameters, broker);
  append(out, parameters.signature);
  return out;
}

Result<BrokerParameters> parse_parameters(Bytes bytes, const BrokerIdentity& broker) {
  Reader in(bytes);
  in.expect(label);
  if (as_text(in.lp16()) != broker.id || in.array<33>() != broker.agreement) in.fail("meant for another broker");
  if (in.u8() != suite) in.fail("unknown suite");
  BrokerParameters parameters;
  parameters.rabin_modulus = to_buffer(in.lp16());
  parameters.rabin_not_after = in.u64();
  const Bytes authority_ecdsa = in.lp8();
  const Bytes authority_agreement = in.lp8();
  const Bytes covered = bytes.first(bytes.size() - in.remaining());
  parameters.signature = in.array<64>();
  if (!in.failed() && !crypto::rabin::PublicKey::from_modulus(parameters.rabin_modulus)) in.fail("not a Rabin modulus");
  if (!authority_ecdsa.empty() || !authority_agreement.empty()) {
    const auto ecdsa = point(authority_ecdsa);
    const auto agreement = point(authority_agreement);
    if (ecdsa && agreement) parameters.authority = {*ecdsa, *agreement};
    if (!parameters.authority) in.fail("malformed key of the authority");
  }
  if (!in.failed()) {
    const auto key = crypto::ecdsa::VerifyingKey::from_sec1(broker.ecdsa);
    if (!key || !crypto::ecdsa::verify(*key, covered, parameters.signature)) in.fail("not signed by this broker");
  }
  return in.finish(std::move(parameters));
}

}  // namespace sealmq
