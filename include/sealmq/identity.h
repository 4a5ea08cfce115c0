// Identities: who exists, with which public keys and rights.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealmq/bytes.h"
#include "sealmq/factors.h"
#include "sealmq/result.h"
#include "sealmq/rights.h"

#pragma GCC visibility push(default)
namespace sealmq {

enum class Kind : std::uint8_t { device, service, person, broker, authority };
enum class Status : std::uint8_t { invited, active, revoked };

std::string_view name(Kind kind);
std::string_view name(Status status);
std::optional<Kind> kind_from(std::string_view name);
std::optional<Status> status_from(std::string_view name);

/// One key per purpose; no scheme borrows another's. Who joined by the published form has a Schnorr key alone, a token has no
/// Schnorr key, and a card of the published kind has an RSA key alone.
struct PublicKeys {
  std::array<std::uint8_t, 32> schnorr{};    ///< x coordinate, even y: Malina's ID
  std::array<std::uint8_t, 33> ecdsa{};      ///< SEC1 compressed
  std::array<std::uint8_t, 33> agreement{};  ///< SEC1 compressed
  Buffer rsa{};                              ///< the modulus, 2048 to 4096 bits; empty: there is none. The exponent is 65537
  bool operator==(const PublicKeys&) const = default;
};

/// False: all zeroes, which stand for a key that there is not. It is nobody's, and equals no key, not even itself.
bool is_there(Bytes key);

/// What NAME.pub holds.
struct PublicIdentity {
  std::string name{};  ///< 1..64 of A-Z a-z 0-9 . _ - so that no name can widen a topic pattern
  Kind kind = Kind::device;
  PublicKeys keys{};
  bool operator==(const PublicIdentity&) const = default;
};

bool is_identity_name(std::string_view name);

/// One line: `sealmq-identity boiler-7 device schnorr-p256=… ecdsa-p256=… ecdh-p256=… rsa=…`, values in base64url. A key that
/// there is not is `-`; without an RSA key that word is left out.
std::string to_line(const PublicIdentity& identity);
/// Strict: unknown words, a missing or doubled key, or a wrong length is an error. Points are checked by whoever uses them.
Result<PublicIdentity> parse_public_identity(std::string_view line);

/// What sealing for a broker takes besides its own keys, signed by it. It changes with the Rabin key, while those keys stay.
struct BrokerParameters {
  /// Who may open what hides an author from subscribers.
  struct Authority {
    std::array<std::uint8_t, 33> ecdsa{};
    std::array<std::uint8_t, 33> agreement{};
    bool operator==(const Authority&) const = default;
  };

  Buffer rabin_modulus{};
  std::uint64_t rabin_not_after = 0;  ///< wall milliseconds; nothing is sealed for this modulus later
  std::optional<Authority> authority{};
  std::array<std::uint8_t, 64> signature{};
  bool operator==(const BrokerParameters&) const = default;
};

/// What broker.pub holds: all a device needs to know of a broker.
struct BrokerIdentity {
  std::string id{};
  std::array<std::uint8_t, 33> ecdsa{};
  std::array<std::uint8_t, 33> agreement{};
  std::optional<BrokerParameters> parameters{};
  Buffer rsa{};    ///< the modulus; empty: there is none
  Buffer proof{};  ///< that its maker holds these keys, verified; empty: there is none
  bool operator==(const BrokerIdentity&) const = default;
};

/// What is on a broker's list about an identity.
struct Identity : PublicIdentity {
  Status status = Status::active;
  Rights publish;                    ///< topics it may publish to
  Rights subscribe;                  ///< topics it may subscribe to
  std::vector<std::string> schemes;  ///< that it may use for messages and logins; empty: every hardened one
  Factors require{};                 ///< that each of its logins must prove
  std::vector<std::string> roles;    ///< whose rights it has besides; what they are, the broker's configuration says
  bool in_card = false;              ///< the key that it logs in by is in a card, the operator says
  std::string revocation_reason;
  std::uint64_t changed = 0;  ///< wall milliseconds of the last change

  /// That whoever brought its keys holds them: the second line of NAME.pub, or this; empty: nobody has looked.
  std::string proof;
  static constexpr std::string_view proved_by_joining = "join";

  // Who revoked it. Neither takes back what the other has done.
  bool revoked_here = false;   ///< the operator
  std::uint64_t ordered = 0;   ///< a revocation authority, by the order of this serial, which stands; 0: none does
  bool against_order = false;  ///< the operator has restored it all the same, until the authority's next order about it
  bool operator==(const Identity&) const = default;
};

}  // namespace sealmq
#pragma GCC visibility pop
