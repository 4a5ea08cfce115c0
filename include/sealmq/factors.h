// Factors: what a login has proved of whoever logs in.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#pragma GCC visibility push(default)
namespace sealmq {

enum class Factor : std::uint8_t {
  password,  ///< that it knows one
  key,       ///< that it holds a private key, or a shared one
  card,      ///< that this key is in a card
  token,     ///< that an issuer vouches for it
};

/// A set of them.
class Factors {
 public:
  constexpr Factors() = default;
  constexpr Factors(std::initializer_list<Factor> factors) {
    for (const Factor factor : factors) bits_ = static_cast<std::uint8_t>(bits_ | 1U << static_cast<unsigned>(factor));
  }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool holds(Factors all) const { return (bits_ & all.bits_) == all.bits_; }
  constexpr void add(Factors more) { bits_ = static_cast<std::uint8_t>(bits_ | more.bits_); }
  constexpr bool operator==(const Factors&) const = default;

 private:
  std::uint8_t bits_ = 0;
};

/// "key+password". Nothing: empty, an unknown word, or one twice.
std::optional<Factors> factors_from(std::string_view text);
std::string to_text(Factors factors);

}  // namespace sealmq
#pragma GCC visibility pop
