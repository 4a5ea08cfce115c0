// Logins: by which of them a connection has proved who it is, and what that opens (index of specifications, section 9).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "sealmq/factors.h"

namespace sealmq::broker {

/// A set of schemes, by their place in the broker's list.
class SchemeSet {
 public:
  void add(std::size_t index) {
    if (index < bits) {
      first_ |= bit(index);
      return;
    }
    const std::size_t word = index / bits - 1;
    if (word >= more_.size()) more_.resize(word + 1);
    more_[word] |= bit(index);
  }
  bool contains(std::size_t index) const {
    if (index < bits) return (first_ & bit(index)) != 0;
    const std::size_t word = index / bits - 1;
    return word < more_.size() && (more_[word] & bit(index)) != 0;
  }
  /// The first that is not before `index`; none: there is no such.
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
  std::size_t next(std::size_t index) const {
    if (index < bits) {
      if (const std::uint64_t left = first_ >> index; left != 0) return index + static_cast<std::size_t>(std::countr_zero(left));
      index = bits;
    }
    for (; index / bits - 1 < more_.size(); index = (index / bits + 1) * bits)
      if (const std::uint64_t left = more_[index / bits - 1] >> index % bits; left != 0)
        return index + static_cast<std::size_t>(std::countr_zero(left));
    return none;
  }
  bool empty() const { return first_ == 0 && more_.empty(); }
  void add(const SchemeSet& other) {
    first_ |= other.first_;
    if (more_.size() < other.more_.size()) more_.resize(other.more_.size());
    for (std::size_t i = 0; i < other.more_.size(); ++i) more_[i] |= other.more_[i];
  }
  bool meets(const SchemeSet& other) const {
    if ((first_ & other.first_) != 0) return true;
    for (std::size_t i = 0; i < std::min(more_.size(), other.more_.size()); ++i)
      if ((more_[i] & other.more_[i]) != 0) return true;
    return false;
  }
  bool operator==(const SchemeSet&) const = default;

 private:
  static constexpr std::size_t bits = 64;
  static constexpr std::uint64_t bit(std::size_t index) { return std::uint64_t{1} << index % bits; }
  std::uint64_t first_ = 0;
  std::vector<std::uint64_t> more_;  // the last one is not 0
};

/// Logins that are no scheme's: by user name and password, and by what the transport has proved.
inline constexpr std::size_t login_by_password = std::numeric_limits<std::size_t>::max() - 1;
inline constexpr std::size_t login_by_transport = std::numeric_limits<std::size_t>::max();
inline constexpr std::string_view password_login = "password", transport_login = "tls";

/// One login, or none, in a byte.
class LoginMark {
 public:
  constexpr LoginMark() = default;
  explicit constexpr LoginMark(std::size_t login)
      : code_(static_cast<std::uint8_t>(login == login_by_password    ? by_password
                                        : login == login_by_transport ? by_transport
                                                                      : first_scheme + login)) {}
  constexpr bool is_none() const { return code_ == 0; }
  /// Nothing: none.
  constexpr std::optional<std::size_t> login() const {
    if (code_ == 0) return std::nullopt;
    return code_ == by_password ? login_by_password : code_ == by_transport ? login_by_transport : code_ - first_scheme;
  }
  constexpr bool operator==(const LoginMark&) const = default;

 private:
  static constexpr std::size_t by_password = 1, by_transport = 2, first_scheme = 3;
  std::uint8_t code_ = 0;
};

/// A set of logins: those of schemes, by their place in the broker's list, and the two others.
class LoginSet {
 public:
  void add(std::size_t login) {
    if (login == login_by_password)
      password_ = true;
    else if (login == login_by_transport)
      transport_ = true;
    else
      schemes_.add(login);
  }
  bool contains(std::size_t login) const {
    return login == login_by_password ? password_ : login == login_by_transport ? transport_ : schemes_.contains(login);
  }
  bool empty() const { return !password_ && !transport_ && schemes_.empty(); }
  bool meets(const LoginSet& other) const {
    return (password_ && other.password_) || (transport_ && other.transport_) || schemes_.meets(other.schemes_);
  }
  const SchemeSet& schemes() const { return schemes_; }
  bool operator==(const LoginSet&) const = default;

 private:
  SchemeSet schemes_;
  bool password_ = false, transport_ = false;
};

/// What a connection has proved. Of nobody: empty.
struct Proved {
  LoginSet by;
  bool is_study = false;  ///< by published forms alone, which open nothing but
  SchemeSet opens;        ///< these schemes
  LoginMark last{};       ///< of these, a login rather than what the transport has proved
  Factors factors;
  std::uint64_t since = 0;  ///< steady; of the last login
};

}  // namespace sealmq::broker
