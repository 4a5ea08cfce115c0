// Requests to the authority and its orders: what decodes encodes to the same bytes, and no order is taken that it did not sign.
#include <algorithm>
#include <cstdlib>

#include "schemes/malina/revocation.h"
#include "support/fakes.h"

using namespace sealmq;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static testing::CountingRandom random;
  static auto authority = make_memory_keys("authority", Kind::authority, random);
  static auto key = crypto::ecdsa::VerifyingKey::from_sec1(authority->identity().keys.ecdsa).value();
  Bytes input(data, size);
  if (auto request = malina::decode_paper_request(input)) {
    Buffer again = malina::encode(*request);
    if (!std::equal(again.begin(), again.end(), input.begin(), input.end())) std::abort();
    (void)malina::signed_by(*request, request->id.value_or(malina::Id{}));
  }
  if (auto evidence = malina::decode_evidence(input)) {
    Buffer again = malina::encode(*evidence);
    if (!std::equal(again.begin(), again.end(), input.begin(), input.end())) std::abort();
    (void)malina::holds(*evidence);
  }
  if (auto evidence = malina::decode_paper_evidence(input)) {
    Buffer again = malina::encode_paper_evidence(*evidence);
    if (!std::equal(again.begin(), again.end(), input.begin(), input.end())) std::abort();
  }
  if (auto request = malina::read_revocation_request(input)) (void)malina::holds((*request)->evidence);
  (void)malina::decode_escrowed(input);
  if (malina::read_order(input, key)) std::abort();
  return 0;
}
