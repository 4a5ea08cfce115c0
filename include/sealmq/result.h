// Result<T>: a value, or an Error that says who is to blame.
//
// Exceptions and asserts are for bugs and for start-up. Everything a peer, a user or the environment can cause is a value.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace sealmq {

enum class Blame : std::uint8_t {
  peer_misbehaved,    ///< broke the protocol, or sent something that does not verify
  peer_incompatible,  ///< speaks correctly, but something we do not speak
  not_authorised,     ///< is known or unknown, and may not do this
  caller_misused,     ///< our own caller asked for something impossible
  environment,        ///< disk, network, database, random source
};

struct Error {
  Blame blame;
  std::string what;     ///< for the local log; never sent to a peer as it is
  std::uint8_t code{};  ///< MQTT 5 reason code where the standard or a scheme names one, else 0
};

template <class T = void>
using Result = tl::expected<T, Error>;

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

// TRY(expression): the value of a Result, or return its error from the enclosing function. Statement expressions are
// understood by both compilers this project supports. The counter gives a nested TRY a name of its own.
//
// It stands alone or as the only thing that owns memory in its expression: when it returns from the middle of one, g++ 12 does
// not destroy what was already built, as in `Pair{std::string(a), TRY(b)}`. Give the value a name first.
#define SEALMQ_TRY_2(expression, name)                            \
  __extension__({                                                 \
    auto&& name = (expression);                                   \
    if (!name) return ::sealmq::Failure(std::move(name).error()); \
    ::sealmq::detail::take(std::move(name));                      \
  })
#define SEALMQ_TRY_1(expression, number) SEALMQ_TRY_2(expression, try_result_##number)
#define SEALMQ_TRY_0(expression, number) SEALMQ_TRY_1(expression, number)
#define TRY(expression) SEALMQ_TRY_0(expression, __COUNTER__)

namespace sealmq::detail {
template <class T>
T take(tl::expected<T, Error>&& result) {
  return *std::move(result);
}
inline void take(tl::expected<void, Error>&&) {}
}  // namespace sealmq::detail
