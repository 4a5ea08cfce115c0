#include "crypto/rabin.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <vector>

#include "crypto/big_number.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/must.h"
#include "crypto/operations.h"
#include "crypto/rabin_testing.h"

namespace sealmq::crypto::rabin {
namespace {

BigNumber new_number() {
  BigNumber number(BN_new());
  must(number != nullptr, "BN_new");
  return number;
}

BigNumberContext new_context() {
  BigNumberContext context(BN_CTX_secure_new());
  must(context != nullptr, "BN_CTX_new");
  return context;
}

BigNumber decode(Bytes bytes) {
  BigNumber number(BN_bin2bn(bytes.data(), int_length(bytes.size()), nullptr));
  must(number != nullptr, "BN_bin2bn");
  return number;
}

Secret encode(const BigNumber& number, std::size_t size) {
  Buffer bytes(size);
  must(BN_bn2binpad(number.get(), bytes.data(), int_length(size)) == static_cast<int>(size), "BN_bn2binpad");
  return Secret(std::move(bytes));
}

Montgomery montgomery(const BigNumber& modulus, BN_CTX* work) {
  Montgomery out(BN_MONT_CTX_new());
  must(out && BN_MONT_CTX_set(out.get(), modulus.get(), work) == 1, "BN_MONT_CTX_set");
  return out;
}

BigNumber random_below(const BigNumber& modulus) {
  auto number = new_number();
  must(BN_priv_rand_range(number.get(), modulus.get()) == 1, "BN_priv_rand_range");
  return number;
}

/// a * b mod n in the library's plain way, for numbers that are made up for one use.
BigNumber multiply(const BigNumber& a, const BigNumber& b, const BigNumber& modulus, BN_CTX* work) {
  auto out = new_number();
  must(BN_mod_mul(out.get(), a.get(), b.get(), modulus.get(), work) == 1, "BN_mod_mul");
  return out;
}

/// a * b / 2^k mod n: plain if one of the two is in Montgomery form. The time does not depend on the values.
BigNumber multiply(const BigNumber& a, const BigNumber& b, const Montgomery& modulus, BN_CTX* work) {
  auto out = new_number();
  must(BN_mod_mul_montgomery(out.get(), a.get(), b.get(), modulus.get(), work) == 1, "BN_mod_mul_montgomery");
  return out;
}

BigNumber to_montgomery(const BigNumber& a, const Montgomery& modulus, BN_CTX* work) {
  auto out = new_number();
  must(BN_to_montgomery(out.get(), a.get(), modulus.get(), work) == 1, "BN_to_montgomery");
  return out;
}

BigNumber square(const BigNumber& a, const BigNumber& modulus, BN_CTX* work) {
  auto out = new_number();
  must(BN_mod_sqr(out.get(), a.get(), modulus.get(), work) == 1, "BN_mod_sqr");
  return out;
}

BigNumber remainder(const BigNumber& a, const BigNumber& modulus, BN_CTX* work) {
  auto out = new_number();
  must(BN_nnmod(out.get(), a.get(), modulus.get(), work) == 1, "BN_nnmod");
  return out;
}

/// Nothing if there is none.
BigNumber inverse(const BigNumber& a, const BigNumber& modulus, BN_CTX* work) {
  BigNumber out(BN_mod_inverse(nullptr, a.get(), modulus.get(), work));
  if (!out) ERR_clear_error();
  return out;
}

/// Blinds with the square of a square, so that the root that is itself a square stays the one that is.
struct Blinding {
  BigNumber factor;    ///< u^4, by which the ciphertext is multiplied; Montgomery form
  BigNumber unfactor;  ///< u^-2, by which the roots are; Montgomery form
  unsigned uses = 0;
};

constexpr unsigned uses_of_a_blinding = 32;

Blinding make_blinding(const BigNumber& n, const Montgomery& mod_n, BN_CTX* work) {
  while (true) {
    auto u = random_below(n);
    auto u2 = square(u, n, work);
    // The library's inverse takes a time that depends on its argument, which is why that is a random multiple.
    auto mask = random_below(n);
    auto masked = inverse(multiply(u2, mask, n, work), n, work);
    if (!masked) continue;  // u or the mask was 0, or shared a prime with n
    auto u_2 = multiply(masked, mask, n, work);
    return {to_montgomery(square(u2, n, work), mod_n, work), to_montgomery(u_2, mod_n, work), 0};
  }
}

/// Blindings that nobody uses at the moment; as many as ever were needed at once.
class Blindings {
 public:
  std::optional<Blinding> take() {
    const std::lock_guard guard(lock_);
    if (idle_.empty()) return std::nullopt;
    auto taken = std::move(idle_.back());
    idle_.pop_back();
    return taken;
  }
  void give_back(Blinding blinding) {
    const std::lock_guard guard(lock_);
    idle_.push_back(std::move(blinding));
  }

 private:
  std::mutex lock_;
  std::vector<Blinding> idle_;
};

}  // namespace

struct PublicKey::Loaded {
  Buffer modulus;
  Digest modulus_hash;
  BigNumber n;
};

struct PrivateKey::Loaded {
  PublicKey public_key;
  BigNumber r, s;
  BigNumber r_exponent, s_exponent;  ///< (r+1)/4 and (s+1)/4
  BigNumber s_inverse;               ///< of s modulo r, in Montgomery form
  Montgomery mod_r, mod_s, mod_n;
  Secret reject_seed;  ///< from which the answers to wrong ciphertexts come
  mutable Blindings blindings;
};

// --- public keys ---

Result<PublicKey> PublicKey::from_modulus(Bytes modulus, unsigned least) {
  const bool well_formed = modulus.size() * 8 >= least && modulus.size() * 8 <= most_bits && !modulus.empty() &&
                           (modulus.front() & 0x80) != 0 && (modulus.back() & 3) == 1;
  if (!well_formed) return fail(Blame::peer_misbehaved, "not a Rabin modulus");
  return PublicKey(std::make_shared<const Loaded>(Loaded{to_buffer(modulus), sha256(modulus), decode(modulus)}));
}

Bytes PublicKey::modulus() const {
  return loaded_->modulus;
}

namespace {

Buffer with_label(std::string_view label, Bytes ciphertext) {
  Buffer info = to_buffer(as_bytes(label));
  append(info, ciphertext);
  return info;
}

Secret derive_key(const PublicKey& key, const Secret& root, Bytes ciphertext) {
  return hkdf(root.reveal(), key.loaded().modulus_hash, with_label("MALINA-2 rabin-kem", ciphertext), key_size);
}

/// 1 if a < b, else 0; both have the same length.
unsigned is_below(Bytes a, Bytes b) {
  unsigned borrow = 0;
  for (std::size_t i = a.size(); i-- > 0;) borrow = (unsigned{a[i]} - unsigned{b[i]} - borrow) >> 31;
  return borrow;
}

std::uint8_t mask_of(unsigned condition) {
  return static_cast<std::uint8_t>(0U - condition);
}

/// Takes the same time for either.
Secret choose(unsigned condition, const Secret& yes, const Secret& no) {
  const auto mask = mask_of(condition);
  Buffer out(yes.size());
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<std::uint8_t>((yes.reveal()[i] & mask) | (no.reveal()[i] & ~mask));
  return Secret(std::move(out));
}

BigNumber negative(const BigNumber& number, const BigNumber& n) {
  auto out = new_number();
  must(BN_sub(out.get(), n.get(), number.get()) == 1, "BN_sub");
  return out;
}

/// The one of a number and its negative that is below n/2.
Secret lower_of_both(const BigNumber& number, const PublicKey& key) {
  const auto one = encode(number, key.size());
  const auto two = encode(negative(number, key.loaded().n), key.size());
  return choose(is_below(one.reveal(), two.reveal()), one, two);
}

}  // namespace

Encapsulated encapsulate_root(const PublicKey& key, const Secret& x) {
  count(&Operations::m);
  const auto c = encode(square(decode(x.reveal()), key.loaded().n, new_context().get()), key.size());
  return {to_buffer(c.reveal()), derive_key(key, x, c.reveal())};
}

// A number with Jacobi symbol +1 is a square or the negative of one, and only one of the two is below n/2. So the lower of a
// random square and its negative is as random as one found by trying symbols, and costs a squaring instead of symbols.
Encapsulated encapsulate(const PublicKey& key, Random& random) {
  const auto& n = key.loaded().n;
  const auto work = new_context();
  Buffer chance(key.size());
  while (true) {
    random.fill(chance);
    const auto y = decode(chance);
    if (BN_cmp(y.get(), n.get()) >= 0) continue;
    count(&Operations::m);
    const auto y2 = square(y, n, work.get());
    const auto x = lower_of_both(y2, key);
    if (BN_is_zero(y2.get()) || BN_is_one(y2.get())) continue;  // never, but for a broken generator
    wipe(chance.data(), chance.size());
    return encapsulate_root(key, x);
  }
}

// --- private keys ---

PrivateKey::PrivateKey(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
PrivateKey::PrivateKey(PrivateKey&&) noexcept = default;
PrivateKey& PrivateKey::operator=(PrivateKey&&) noexcept = default;
PrivateKey::~PrivateKey() = default;

const PublicKey& PrivateKey::public_key() const {
  return loaded_->public_key;
}

Secret PrivateKey::export_secret() const {
  const std::size_t half = loaded_->public_key.size() / 2;
  Buffer primes;
  primes.reserve(2 * half);
  append(primes, encode(loaded_->r, half).reveal());
  append(primes, encode(loaded_->s, half).reveal());
  return Secret(std::move(primes));
}

namespace {

bool may_be_prime(Bytes number) {
  return (number.front() & 0xC0) == 0xC0 && (number.back() & 3) == 3;
}

BigNumber root_exponent(const BigNumber& prime) {
  auto exponent = new_number();
  must(BN_copy(exponent.get(), prime.get()) && BN_add_word(exponent.get(), 1) == 1 &&
           BN_rshift(exponent.get(), exponent.get(), 2) == 1,
       "BN_rshift");
  return exponent;
}

/// The two roots that, with their negatives, are all four.
struct Roots {
  bool are_roots;       ///< false: the ciphertext was no square, or no number in (0, n)
  BigNumber of_square;  ///< the root that is a square itself, or its negative: Jacobi symbol +1
  BigNumber other;
};

bool is_root(const BigNumber& root, const BigNumber& of, const Montgomery& modulus, std::size_t size, BN_CTX* work) {
  auto reduced = new_number();
  must(BN_from_montgomery(reduced.get(), of.get(), modulus.get(), work) == 1, "BN_from_montgomery");
  return same(encode(multiply(root, root, modulus, work), size).reveal(), encode(reduced, size).reveal());
}

Roots square_roots(const PrivateKey::Loaded& key, Bytes ciphertext) {
  count(&Operations::rad);
  const auto context = new_context();
  BN_CTX* const work = context.get();
  const auto& n = key.public_key.loaded().n;
  const std::size_t half = key.public_key.size() / 2;

  // What is no ciphertext at all costs the same: the root of another number is taken, and not used.
  const bool right_size = ciphertext.size() == key.public_key.size();
  auto c = decode(right_size ? ciphertext : key.public_key.modulus());
  const bool in_range = !BN_is_zero(c.get()) && BN_cmp(c.get(), n.get()) < 0;
  if (!in_range) must(BN_one(c.get()) == 1, "BN_one");

  auto taken = key.blindings.take();
  auto blinding = taken && taken->uses < uses_of_a_blinding ? std::move(*taken) : make_blinding(n, key.mod_n, work);

  auto blinded = multiply(c, blinding.factor, key.mod_n, work);
  auto modulo_r = remainder(blinded, key.r, work);
  auto modulo_s = remainder(blinded, key.s, work);
  auto root_r = new_number();
  auto root_s = new_number();
  must(BN_mod_exp_mont_consttime_x2(root_r.get(), modulo_r.get(), key.r_exponent.get(), key.r.get(), key.mod_r.get(),
                                    root_s.get(), modulo_s.get(), key.s_exponent.get(), key.s.get(), key.mod_s.get(), work) == 1,
       "BN_mod_exp_mont_consttime_x2");

  // Both are computed, whatever the first one says.
  const bool squares = static_cast<int>(is_root(root_r, modulo_r, key.mod_r, half, work)) +
                           static_cast<int>(is_root(root_s, modulo_s, key.mod_s, half, work)) ==
                       2;

  // The number that is root_r modulo r and root_s modulo s is root_s + s * ((root_r - root_s) / s mod r); with -root_s for
  // root_s, the other one.
  const auto combine = [&](bool negative) {
    auto difference = new_number();
    auto combined = new_number();
    must((negative ? BN_mod_add : BN_mod_sub)(difference.get(), root_r.get(), root_s.get(), key.r.get(), work) == 1,
         "BN_mod_sub");
    must(BN_mul(combined.get(), multiply(difference, key.s_inverse, key.mod_r, work).get(), key.s.get(), work) == 1, "BN_mul");
    must((negative ? BN_mod_sub : BN_mod_add)(combined.get(), combined.get(), root_s.get(), n.get(), work) == 1, "BN_mod_add");
    return multiply(combined, blinding.unfactor, key.mod_n, work);
  };
  auto of_square = combine(false);
  auto other = combine(true);

  // Squared, it blinds the next number: cheaper than a new one, and no two numbers are blinded by the same.
  blinding.factor = multiply(blinding.factor, blinding.factor, key.mod_n, work);
  blinding.unfactor = multiply(blinding.unfactor, blinding.unfactor, key.mod_n, work);
  ++blinding.uses;
  key.blindings.give_back(std::move(blinding));
  return {right_size && in_range && squares, std::move(of_square), std::move(other)};
}

}  // namespace

Result<PrivateKey> PrivateKey::from_secret(const Secret& secret, unsigned least) {
  const auto refuse = [] { return fail(Blame::caller_misused, "not the primes of a Rabin key"); };
  const Bytes primes = secret.reveal();
  const std::size_t half = primes.size() / 2;
  if (half == 0 || primes.size() % 2 != 0 || primes.size() * 8 > most_bits) return refuse();
  if (!may_be_prime(primes.first(half)) || !may_be_prime(primes.last(half))) return refuse();
  if (same(primes.first(half), primes.last(half))) return refuse();

  const auto context = new_context();
  BN_CTX* const work = context.get();
  auto r = decode(primes.first(half));
  auto s = decode(primes.last(half));
  auto n = new_number();
  must(BN_mul(n.get(), r.get(), s.get(), work) == 1, "BN_mul");
  const auto modulus = encode(n, primes.size());
  auto public_key = PublicKey::from_modulus(modulus.reveal(), least);
  if (!public_key) return refuse();

  // At start-up, once: here the library may take its time.
  BN_set_flags(s.get(), BN_FLG_CONSTTIME);
  auto s_inverse = inverse(s, r, work);
  if (!s_inverse) return refuse();
  auto mod_r = montgomery(r, work);
  auto mod_s = montgomery(s, work);
  auto mod_n = montgomery(n, work);
  auto r_exponent = root_exponent(r);
  auto s_exponent = root_exponent(s);
  auto s_inverse_form = to_montgomery(s_inverse, mod_r, work);
  auto reject_seed = hkdf(primes, public_key->loaded().modulus_hash, as_bytes("MALINA-2 rabin-kem reject"), key_size);
  std::unique_ptr<Loaded> loaded(new Loaded{*std::move(public_key),
                                            std::move(r),
                                            std::move(s),
                                            std::move(r_exponent),
                                            std::move(s_exponent),
                                            std::move(s_inverse_form),
                                            std::move(mod_r),
                                            std::move(mod_s),
                                            std::move(mod_n),
                                            std::move(reject_seed),
                                            {}});

  // What is not prime has no such roots; 4 is a square of everything.
  Buffer four(primes.size());
  four.back() = 4;
  if (!square_roots(*loaded, four).are_roots) return refuse();
  return PrivateKey(std::move(loaded));
}

PrivateKey PrivateKey::generate(unsigned bits) {
  if (bits < 1024 || bits > most_bits || bits % 16 != 0) throw std::invalid_argument("no size of a Rabin key");
  const auto new_prime = [bits] {
    auto prime = new_number();
    do {  // upper two bits set, and every second one is 3 mod 4
      must(BN_generate_prime_ex(prime.get(), static_cast<int>(bits / 2), 0, nullptr, nullptr, nullptr) == 1,
           "BN_generate_prime_ex");
    } while (BN_is_bit_set(prime.get(), 1) == 0);
    return encode(prime, bits / 16);
  };
  while (true) {
    const auto r = new_prime();
    const auto s = new_prime();
    Buffer both;
    both.reserve(bits / 8);
    append(both, r.reveal());
    append(both, s.reveal());
    if (auto key = from_secret(Secret(std::move(both)), bits)) return *std::move(key);
  }
}

Secret decapsulate(const PrivateKey& key, Bytes ciphertext) {
  const auto& loaded = key.loaded();
  const auto roots = square_roots(loaded, ciphertext);
  const auto root = lower_of_both(roots.of_square, loaded.public_key);
  const auto meant = derive_key(loaded.public_key, root, ciphertext);
  const auto rejected = hkdf(loaded.reject_seed.reveal(), {}, with_label("reject", ciphertext), key_size);
  return choose(static_cast<unsigned>(roots.are_roots), meant, rejected);
}

// --- the padded form ---

namespace {

constexpr std::size_t checksum_size = 8;
constexpr std::size_t least_padding = 16;
static_assert(padding_overhead == 2 + least_padding + 1 + checksum_size);

/// Where the data of one root lies, if it is padded data. Looks at every octet, whatever it finds.
struct Candidate {
  unsigned is_padded;
  std::size_t begin;
};

Candidate examine(Bytes padded) {
  // The first zero after the start; octets before it are the random part.
  const std::size_t last = padded.size() - checksum_size - 1;
  std::size_t separator = last;
  unsigned searching = 1;
  for (std::size_t i = 2; i <= last; ++i) {
    const unsigned is_zero = (unsigned{padded[i]} - 1) >> 31;
    const std::size_t here = std::size_t{0} - (searching & is_zero);
    separator = (separator & ~here) | (i & here);
    searching &= ~is_zero;
  }
  const std::size_t begin = separator + 1;
  const auto data = padded.subspan(begin, padded.size() - checksum_size - begin);
  const auto digest = sha3_256(data);
  const std::array<std::uint8_t, 2> start{0, 2};
  const unsigned right = static_cast<unsigned>(same(padded.first(2), start)) &
                         static_cast<unsigned>(same(Bytes(digest).first(checksum_size), padded.last(checksum_size))) &
                         static_cast<unsigned>(separator >= 2 + least_padding) & (1U ^ searching);
  return {right, begin};
}

}  // namespace

Result<Buffer> encrypt(const PublicKey& key, Bytes data, Random& random) {
  if (data.size() + padding_overhead > key.size()) return fail(Blame::caller_misused, "too long for the broker's Rabin key");
  Buffer padded(key.size());
  const std::size_t begin = key.size() - checksum_size - data.size();
  padded[1] = 2;
  const auto chance = std::span(padded).subspan(2, begin - 3);
  random.fill(chance);
  for (auto& octet : chance) {
    while (octet == 0) random.fill({&octet, 1});
  }
  const auto digest = sha3_256(data);
  std::copy_n(digest.begin(), checksum_size,
              std::copy(data.begin(), data.end(), padded.begin() + static_cast<std::ptrdiff_t>(begin)));
  count(&Operations::m);
  const auto c = encode(square(decode(padded), key.loaded().n, new_context().get()), key.size());
  wipe(padded.data(), padded.size());
  return to_buffer(c.reveal());
}

Result<Secret> decrypt(const PrivateKey& key, Bytes ciphertext) {
  const auto& loaded = key.loaded();
  const auto roots = square_roots(loaded, ciphertext);
  const std::size_t size = loaded.public_key.size();
  const auto& n = loaded.public_key.loaded().n;
  const std::array<Secret, 4> candidates{encode(roots.of_square, size), encode(negative(roots.of_square, n), size),
                                         encode(roots.other, size), encode(negative(roots.other, n), size)};
  unsigned found = 0;
  std::size_t which = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto candidate = examine(candidates[i].reveal());
    const std::size_t chosen = std::size_t{0} - candidate.is_padded;
    found += candidate.is_padded;
    which |= i & chosen;
    begin |= candidate.begin & chosen;
  }
  if (!roots.are_roots || found != 1) return fail(Blame::peer_misbehaved, "does not open");
  const Bytes root = candidates[which].reveal();
  return Secret(root.subspan(begin, root.size() - checksum_size - begin));
}

}  // namespace sealmq::crypto::rabin
