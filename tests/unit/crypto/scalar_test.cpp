#include "crypto/scalar.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "support.h"

using namespace sealmq;
using namespace sealmq::crypto;

namespace {

constexpr auto order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
constexpr auto order_minus_1 = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550";
constexpr auto one = "0000000000000000000000000000000000000000000000000000000000000001";

std::string text(const Scalar& scalar) {
  return to_hex(scalar.to_secret().reveal());
}

// The crypto library's big numbers as the second opinion.
struct Number {
  BIGNUM* value = BN_new();
  Number() = default;
  explicit Number(Bytes bytes) { BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), value); }
  Number(const Number&) = delete;
  Number& operator=(const Number&) = delete;
  ~Number() { BN_free(value); }
  std::string text() const {
    Buffer out(32);
    BN_bn2binpad(value, out.data(), 32);
    return to_hex(out);
  }
};

using Operation = int (*)(BIGNUM*, const BIGNUM*, const BIGNUM*, const BIGNUM*, BN_CTX*);

std::string library(Operation operation, Bytes a, Bytes b) {
  Number x(a), y(b), q(hex(order)), result;
  BN_CTX* context = BN_CTX_new();
  operation(result.value, x.value, y.value, q.value, context);
  BN_CTX_free(context);
  return result.text();
}

// Numbers near the places where a carry or a reduction can go wrong, as well as ordinary ones.
rc::Gen<Scalar32> any_32_bytes() {
  auto limb = rc::gen::oneOf(rc::gen::arbitrary<std::uint64_t>(),
                             rc::gen::element<std::uint64_t>(0, 1, ~0ULL, ~0ULL - 1, 0xFFFFFFFF00000000, 0xBCE6FAADA7179E84,
                                                             0xF3B9CAC2FC632551, 0xF3B9CAC2FC632550, 0xF3B9CAC2FC632552));
  return rc::gen::map(rc::gen::container<std::array<std::uint64_t, 4>>(limb), [](const std::array<std::uint64_t, 4>& limbs) {
    Scalar32 out;
    for (std::size_t i = 0; i < 32; ++i) out[i] = static_cast<std::uint8_t>(limbs[i / 8] >> (56 - 8 * (i % 8)));
    return out;
  });
}

}  // namespace

TEST(Scalar, DecodesNumbersBelowTheOrderOnly) {
  EXPECT_TRUE(Scalar::decode(Scalar32{})->is_zero());
  EXPECT_EQ(text(*Scalar::decode(hex(order_minus_1))), order_minus_1);
  EXPECT_FALSE(Scalar::decode(hex(order)));
  EXPECT_FALSE(Scalar::decode(Buffer(32, 0xFF)));
  EXPECT_FALSE(Scalar::decode(Buffer(31)));
  EXPECT_FALSE(Scalar::decode(Buffer(33)));
  EXPECT_FALSE(Scalar::decode({}));
}

TEST(Scalar, WrapsAroundTheOrder) {
  Scalar last = *Scalar::decode(hex(order_minus_1));
  Scalar first = *Scalar::decode(hex(one));
  EXPECT_TRUE((last + first).is_zero());
  EXPECT_EQ(text(Scalar() - first), order_minus_1);
  EXPECT_EQ(text(last * last), one);
  EXPECT_TRUE(Scalar::reduce(hex_array<32>(order)).is_zero());
}

RC_GTEST_PROP(Scalar, ComputesAsTheLibrarysBigNumbers, ()) {
  auto a = *any_32_bytes();
  auto b = *any_32_bytes();
  Scalar x = Scalar::reduce(a);
  Scalar y = Scalar::reduce(b);
  RC_ASSERT(text(x) == library(BN_mod_add, a, Scalar32{}));
  RC_ASSERT(text(x + y) == library(BN_mod_add, a, b));
  RC_ASSERT(text(x - y) == library(BN_mod_sub, a, b));
  RC_ASSERT(text(x * y) == library(BN_mod_mul, a, b));
}

RC_GTEST_PROP(Scalar, ReducesWideNumbersAsTheLibraryDoes, ()) {
  auto a = *any_32_bytes();
  auto b = *any_32_bytes();
  std::array<std::uint8_t, 48> wide;
  std::copy(a.begin(), a.begin() + 16, wide.begin());
  std::copy(b.begin(), b.end(), wide.begin() + 16);
  RC_ASSERT(text(Scalar::reduce_wide(wide)) == library(BN_mod_add, wide, Scalar32{}));
}

RC_GTEST_PROP(Scalar, TimesItsInverseIsOne, ()) {
  Scalar x = Scalar::reduce(*any_32_bytes());
  RC_PRE(!x.is_zero());
  RC_ASSERT(text(x * x.inverse()) == one);
}

TEST(Scalar, HasNoInverseIfItIsZero) {
  EXPECT_TRUE(Scalar().inverse().is_zero());
}
