// DATA/rabin.key, its text and the body inside, also as if its checksum were right; and the public parameters that go with it.
#include "keystore/rabin_key.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "crypto/hash.h"
#include "sealmq/keystore.h"

namespace {

constexpr unsigned small_for_speed = 1024;

void try_text(std::string_view text) {
  const auto parsed = sealmq::parse_rabin_keys(text, small_for_speed);
  if (!parsed) return;
  const auto written = sealmq::encode_rabin_keys(*parsed);
  const auto again = sealmq::parse_rabin_keys(sealmq::as_text(written.reveal()), small_for_speed);
  if (!again || again->current.until != parsed->current.until || again->previous.has_value() != parsed->previous.has_value())
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const sealmq::Bytes input(data, size);
  try_text(sealmq::as_text(input));
  sealmq::Buffer body = sealmq::to_buffer(input);
  const auto digest = sealmq::crypto::sha256(body);
  sealmq::append(body, sealmq::Bytes(digest).first(4));
  try_text("SEALMQ-RABIN-KEY-1 " + sealmq::to_base64url(body));

  // The broker of the vectors, so that a seed is truly signed.
  static const sealmq::BrokerIdentity broker = [] {
    sealmq::BrokerIdentity made{"broker-1", {}, {}};
    const auto ecdsa = sealmq::from_hex("02afc772f4c3fab75e0a4f860b01bd5f5e0e869b99a6abe8da5d740adef18cd5a1").value();
    const auto agreement = sealmq::from_hex("03f33beb6b0e1aaed57a1d7240b6bee16fd2a64ef5791f2b0099b89ca2649034e7").value();
    std::copy(ecdsa.begin(), ecdsa.end(), made.ecdsa.begin());
    std::copy(agreement.begin(), agreement.end(), made.agreement.begin());
    return made;
  }();
  if (const auto parameters = sealmq::parse_parameters(input, broker)) {
    const auto again = sealmq::encode(*parameters, broker);
    if (!std::equal(again.begin(), again.end(), input.begin(), input.end())) std::abort();
  }
  return 0;
}
