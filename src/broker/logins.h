// Logins: by which of them a connection has proved who it is, and what that opens (index of specifications, section 9).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sealmq/factors.h"

namespace sealmq::broker {

/// A set of schemes, by their place in the broker's list.
class SchemeSet {
 public:
  void add(std::size_t index) { bits_ |= std::uint64_t{1} << index; }
  bool contains(std::size_t index) const { return (bits_ >> index & 1U) != 0; }
  bool empty() const { return bits_ == 0; }
  void add(const SchemeSet& other) { bits_ |= other.bits_; }
  bool meets(const SchemeSet& other) const { return (bits_ & other.bits_) != 0; }
  bool operator==(const SchemeSet&) const = default;

 private:
  std::uint64_t bits_ = 0;
};

/// A set of logins: those of schemes, by user name and password, and by what the transport has proved. In the place of schemes'
/// own bits, these two have the last ones.
using LoginSet = SchemeSet;
inline constexpr std::size_t login_by_password = 62, login_by_transport = 63;
inline constexpr std::string_view password_login = "password", transport_login = "tls";

/// What a connection has proved. Of nobody: empty.
struct Proved {
  LoginSet by;
  bool is_study = false;  ///< by published forms alone, which open nothing but
  SchemeSet opens;        ///< these schemes
  Factors factors;
  std::uint64_t since = 0;  ///< steady; of the last login
};

}  // namespace sealmq::broker
