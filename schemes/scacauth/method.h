// What an Authentication Method of SCACAuth says, and which ones a broker takes:
//
//   "SCACAuth-" AuthAlg "-" AuthBits "-" Cipher "-" CipherBits       as published, SCACAuth-RSAPKCS1-2048-AES-128 for instance
//   "SCACAuth2-" AuthAlg "-" AuthBits "-AESGCM-" CipherBits          hardened
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealmq/scheme.h"

namespace sealmq::scacauth {

enum class Algorithm : std::uint8_t { rsa, ecc };
/// Those that this program has; the publication names NOEKEON, TEA and XTEA too.
enum class Cipher : std::uint8_t { aes, triple_des, des };

struct Method {
  Profile profile = Profile::hardened;
  Algorithm algorithm = Algorithm::ecc;
  unsigned bits = 0;  ///< of the key pairs
  Cipher cipher = Cipher::aes;
  unsigned cipher_bits = 0;

  std::size_t key_size() const { return cipher_bits / 8; }
  bool is_legacy() const { return cipher != Cipher::aes; }
  bool operator==(const Method&) const = default;
};

/// Exact case. Nothing: it is no method of either profile, or one that this program does not have.
std::optional<Method> parse_method(std::string_view text);
std::string to_text(const Method& method);

/// In the broker's order; what is not on it is not spoken, whatever the client would settle for.
class AllowList {
 public:
  /// The option `methods` (hardened) or `paper_methods`, names with ',' between them, or what is taken without it. Errors:
  /// caller_misused, for what is no method of the profile, or a legacy one without the option `legacy_ciphers`.
  static Result<AllowList> make(const SchemeOptions& options, Profile profile);

  /// Null: not on the list.
  const Method* find(std::string_view text) const;
  const Method& first() const { return methods_.front(); }

 private:
  std::vector<Method> methods_;
};

/// The UID of the publication: 8 of 0-9 A-Z a-z, the name of the identity and its client identifier.
bool is_uid(std::string_view name);
inline constexpr std::size_t uid_size = 8;

/// Of an option that is "true" or "false"; absent, it is false.
bool is_on(const SchemeOptions& options, std::string_view name);

}  // namespace sealmq::scacauth
