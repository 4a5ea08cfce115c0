#include "crypto/p256.h"

#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include "crypto/must.h"
#include "crypto/operations.h"
#include "crypto/p256_openssl.h"

namespace sealmq::crypto {
namespace {

/// What a multiplication needs besides its operands, kept per thread: making it anew costs a tenth of a verification.
struct Workspace {
  BigNumberContext context{BN_CTX_secure_new()};
  GroupElement point{EC_POINT_new(p256())};
  BigNumber first{BN_new()};
  BigNumber second{BN_new()};

  Workspace() { must(context && point && first && second, "BN_new"); }

  static Workspace& of_this_thread() {
    static thread_local Workspace workspace;
    return workspace;
  }
};

void load_public(const Scalar& scalar, BIGNUM* out) {
  Scalar32 bytes;
  scalar.encode(bytes);
  must(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), out) != nullptr, "BN_bin2bn");
}

/// The point in the workspace, which is not the neutral element.
Sec1Compressed encode(Workspace& work) {
  Sec1Compressed out;
  must(EC_POINT_point2oct(p256(), work.point.get(), POINT_CONVERSION_COMPRESSED, out.data(), out.size(), work.context.get()) ==
           out.size(),
       "EC_POINT_point2oct");
  return out;
}

/// scalar * G, or scalar * point, into the workspace; wipes the scalar.
void multiply_secret(Workspace& work, const Scalar& scalar, const EC_POINT* point) {
  load_secret(scalar, work.first.get());
  const BIGNUM* for_g = point == nullptr ? work.first.get() : nullptr;
  const BIGNUM* for_point = point == nullptr ? nullptr : work.first.get();
  must(EC_POINT_mul(p256(), work.point.get(), for_g, point, for_point, work.context.get()) == 1, "EC_POINT_mul");
  BN_clear(work.first.get());
}

}  // namespace

struct Point::Decoded {
  GroupElement element;
};

const EC_GROUP* p256() {
  static const EC_GROUP* const group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  must(group != nullptr, "EC_GROUP_new_by_curve_name");
  return group;
}

// BN_bin2bn skips leading zero bytes and so takes a moment less for a number that has some. With a one in front there are none;
// what remains when it is cleared is whether the upper 64 bits are all zero.
void load_secret(const Scalar& scalar, BIGNUM* out) {
  std::array<std::uint8_t, 33> bytes{1};
  scalar.encode(std::span(bytes).last<32>());
  must(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), out) != nullptr, "BN_bin2bn");
  must(BN_clear_bit(out, 256) == 1, "BN_clear_bit");
  BN_set_flags(out, BN_FLG_CONSTTIME);
  wipe(bytes.data(), bytes.size());
}

Secret generate_scalar(Random& random) {
  std::array<std::uint8_t, 48> chance;
  Scalar scalar;
  do {
    random.fill(chance);
    scalar = Scalar::reduce_wide(chance);
  } while (scalar.is_zero());
  wipe(chance.data(), chance.size());
  return scalar.to_secret();
}

Result<Scalar> decode_secret_scalar(const Secret& secret) {
  auto scalar = Scalar::decode(secret.reveal());
  if (!scalar || scalar->is_zero()) return fail(Blame::caller_misused, "not a private key of P-256");
  return *scalar;
}

Result<Point> Point::decode(Bytes sec1_compressed) {
  bool well_formed =
      sec1_compressed.size() == std::tuple_size_v<Sec1Compressed> && (sec1_compressed[0] == 2 || sec1_compressed[0] == 3);
  if (!well_formed) return fail(Blame::peer_misbehaved, "not a compressed point");
  auto decoded = std::make_shared<Decoded>(Decoded{GroupElement(EC_POINT_new(p256()))});
  must(decoded->element != nullptr, "EC_POINT_new");
  auto* context = Workspace::of_this_thread().context.get();
  // Refuses x >= p and an x that no point has; 02 and 03 never name the neutral element, and the cofactor is 1.
  if (EC_POINT_oct2point(p256(), decoded->element.get(), sec1_compressed.data(), sec1_compressed.size(), context) != 1) {
    ERR_clear_error();
    return fail(Blame::peer_misbehaved, "no point of the curve");
  }
  return Point(std::move(decoded));
}

Sec1Uncompressed uncompressed(const Point& point) {
  Sec1Uncompressed out;
  must(EC_POINT_point2oct(p256(), point.decoded().element.get(), POINT_CONVERSION_UNCOMPRESSED, out.data(), out.size(),
                          Workspace::of_this_thread().context.get()) == out.size(),
       "EC_POINT_point2oct");
  return out;
}

Result<Sec1Compressed> compressed(Bytes sec1_uncompressed) {
  if (sec1_uncompressed.size() != std::tuple_size_v<Sec1Uncompressed> || sec1_uncompressed[0] != 4)
    return fail(Blame::peer_misbehaved, "not an uncompressed point");
  auto& work = Workspace::of_this_thread();
  if (EC_POINT_oct2point(p256(), work.point.get(), sec1_uncompressed.data(), sec1_uncompressed.size(), work.context.get()) != 1) {
    ERR_clear_error();
    return fail(Blame::peer_misbehaved, "no point of the curve");
  }
  return encode(work);
}

const Sec1Compressed& generator() {
  static const Sec1Compressed encoded = [] {
    Sec1Compressed out;
    must(EC_POINT_point2oct(p256(), EC_GROUP_get0_generator(p256()), POINT_CONVERSION_COMPRESSED, out.data(), out.size(),
                            nullptr) == out.size(),
         "EC_POINT_point2oct");
    return out;
  }();
  return encoded;
}

Sec1Compressed multiply_generator(const Scalar& secret) {
  count(&Operations::sm);
  auto& work = Workspace::of_this_thread();
  multiply_secret(work, secret, nullptr);
  return encode(work);
}

Secret multiply_to_x(const Scalar& secret, const Point& point) {
  count(&Operations::sm);
  auto& work = Workspace::of_this_thread();
  multiply_secret(work, secret, point.decoded().element.get());
  Sec1Compressed product = encode(work);
  Secret x{Bytes(product).last(32)};
  wipe(product.data(), product.size());
  EC_POINT_set_to_infinity(p256(), work.point.get());
  return x;
}

std::optional<Sec1Compressed> multiply_and_add(const Scalar& g_factor, const Scalar& factor, const Point& point) {
  count(&Operations::sm, 2);
  count(&Operations::a);
  auto& work = Workspace::of_this_thread();
  load_public(g_factor, work.first.get());
  load_public(factor, work.second.get());
  must(EC_POINT_mul(p256(), work.point.get(), work.first.get(), point.decoded().element.get(), work.second.get(),
                    work.context.get()) == 1,
       "EC_POINT_mul");
  if (EC_POINT_is_at_infinity(p256(), work.point.get()) == 1) return std::nullopt;
  return encode(work);
}

}  // namespace sealmq::crypto
