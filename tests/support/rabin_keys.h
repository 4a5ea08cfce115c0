// Rabin keys of 3072 bits that every test may use: making one takes seconds. The first is that of vectors/malina.json.
#pragma once

#include "base/text.h"
#include "keystore/rabin_key.h"

namespace sealmq::testing {

inline constexpr std::string_view first_rabin_primes =
    "e42343883e8e302d6bf579804fa87b40862112a33bda64b826447e0a14db694070f81c66d61899945b8f806eeb0b94e1"
    "59d36a30c7b08d1b75a34e0258e17bb62ccd9616fad1e1b29e77e4aea631e72d54797b969f67f0ee4c6cacfe4f97bc1f"
    "fe7cd1565549570c30cf9acb47cf543ac535afd3d3de86436dac68bf09e27393d1acc7f36c1ee0790404452c69cb4133"
    "8d1ee6474e1bee36d6f7f2349d405e79774c48aea42a4c0d59137a05ae2b24ffa038254f01e90f025cb5243919fcfdc3"
    "f2f2fe65166b97e0c96fca5db0328ac190dafb0d1620989c22acfbbf23b8bc9bbdb9e6d97ff27ae3ea465a226d76ad8b"
    "981b4284349726f9708a9f8017395c0c85ad4f366c7bc779319369a3927bf956424d4563d43deba758a8c27287e0885d"
    "09d2b54eeb84bed2144886c2aec5ff3c6bf890cae8249f07c0a1274c58c6eaab425b08368fa0ba7509a18bb61725d834"
    "04f489785217585d8e3c8d23442ba71ed27e18841e064c8f530daa21ce76bc4577ceaf93ef0e464d944f4cf73580bc2f";
inline constexpr std::string_view second_rabin_primes =
    "e444426345554d5882fba6e90f5285187a77672041c24ca995962500e4a63c4f001390a288d327754aa9541bd8a28bde"
    "43ad02f2d3f844fe9138726fcaefb4d170732ec6f003bed2c34aee9a99411768b09bdfd89b3fe0fa2aac63fd377e4edf"
    "a0c293363acdd8a298ff83161f8507b73b63f99e613e030c4ba764543299245ea1a075fad2ef2d99d541c898136e62f9"
    "10e7a11c21283188f6578f3092e862c00a0773b19d2b6b0a0f0a19e1b301cf9713b41e37ebefce1f9978f7958a7216eb"
    "d08d051ca8c807e485c4b946a4f649598230c10990d778a91005b2e67dfd9141767cc9ae8bd9e8db823cac21763650d4"
    "d5f6876cdce8b1102944fe461f4952a44e7d38a1a58f1d459f4e359308fc73dc947866a9ff8ef19728ce66e53e920a3a"
    "cb4a4cc7da473cfa05251b114cec77d352d3434e1fe8cd4b6de8936b874c3d0d6686b1c6bdabe4a229ca867e66e52c32"
    "770a8e5121e53a3fb952145b85c5037f980c390143b63f900bf372e713b1ae9e9c460f6f8a1ff2932e5910f7ade3ae9f";

inline std::shared_ptr<const crypto::rabin::PrivateKey> rabin_key(std::string_view primes) {
  return std::make_shared<const crypto::rabin::PrivateKey>(
      crypto::rabin::PrivateKey::from_secret(Secret(from_hex(primes).value())).value());
}

/// Of a broker whose clock stands near that of BrokerBench. Decoded once.
inline const std::shared_ptr<const RabinKeys>& test_rabin_keys() {
  static const auto keys =
      std::make_shared<const RabinKeys>(RabinKeys{{rabin_key(first_rabin_primes), 2'000'000'000'000}, std::nullopt});
  return keys;
}

}  // namespace sealmq::testing
