// Result<T>: a value, or an Error that says who is to blame.
//
// Exceptions and asserts are for bugs and for start-up. Everything a peer, a user or the environment can cause is a value.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#pragma GCC visibility push(default)
namespace sealmq {

enum class Blame : std::uint8_t {
  peer_misbehaved,    ///< broke the protocol, or sent something that does not verify
  peer_incompatible,  ///< speaks correctly, but something we do not speak
  not_authorised,     ///< is known or unknown, and may not do this
  caller_misused,     ///< our own caller asked for something impossible
  environment,        ///< disk, network, database, random source
};

struct Error {
  Blame blame{};
  std::string what{};   ///< for the local log; never sent to a peer as it is
  std::uint8_t code{};  ///< MQTT 5 reason code where the standard or a scheme names one, else 0
};

/// What a tl::expected is and can do. A caller who looks at neither value nor error is warned.
template <class T = void>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result() = default;
  Result(tl::expected<T, Error> other) : tl::expected<T, Error>(std::move(other)) {}  // what map() and map_error() answer
};

using Failure = tl::unexpected<Error>;

/// `return fail(Blame::not_authorised, "identity is not on the list");`
inline Failure fail(Blame blame, std::string what, std::uint8_t code = 0) {
  return Failure(Error{blame, std::move(what), code});
}

/// A value that only a verifying function can make. `By` is the class that verifies; it alone can construct one.
template <class T, class By>
class Verified {
 public:
  const T& operator*() const { return value_; }
  const T* operator->() const { return &value_; }
  T release() && { return std::move(value_); }

 private:
  friend By;
  explicit Verified(T value) : value_(std::move(value)) {}
  T value_;
};

}  // namespace sealmq
#pragma GCC visibility pop
