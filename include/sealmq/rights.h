// Rights: topics that somebody may publish or subscribe to, and with which QoS (index of specifications, section 8). A right
// names a filter, or a pattern that holds the name of whoever logged in (%u) or the client identifier in use (%c).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealmq/mqtt.h"

#pragma GCC visibility push(default)
namespace sealmq {

/// Some of QoS 0, 1 and 2.
class QosSet {
 public:
  constexpr QosSet() = default;
  static constexpr QosSet all() { return QosSet(7); }
  static constexpr QosSet none() { return QosSet(0); }
  /// Bit n stands for QoS n. Nothing: other bits.
  static constexpr std::optional<QosSet> from_bits(std::uint64_t bits) {
    return bits <= 7 ? std::optional(QosSet(static_cast<std::uint8_t>(bits))) : std::nullopt;
  }
  constexpr std::uint8_t bits() const { return bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool contains(mqtt::QoS qos) const { return (bits_ >> static_cast<unsigned>(qos) & 1U) != 0; }
  constexpr void add(mqtt::QoS qos) { bits_ = static_cast<std::uint8_t>(bits_ | 1U << static_cast<unsigned>(qos)); }
  constexpr void add(QosSet other) { bits_ = static_cast<std::uint8_t>(bits_ | other.bits_); }
  constexpr QosSet and_in(QosSet other) const { return QosSet(static_cast<std::uint8_t>(bits_ & other.bits_)); }
  /// The highest one that is not above `most`.
  std::optional<mqtt::QoS> highest(mqtt::QoS most = mqtt::QoS::exactly_once) const;
  constexpr bool operator==(const QosSet&) const = default;

 private:
  constexpr explicit QosSet(std::uint8_t bits) : bits_(bits) {}
  std::uint8_t bits_ = 7;
};

/// "0,1", or "all". Nothing: no set, an unknown number, or one twice.
std::optional<QosSet> qos_set_from(std::string_view text);
std::string to_text(QosSet set);

struct Right {
  Right() = default;
  Right(std::string filter_, bool is_pattern_ = false, QosSet qos_ = {})
      : filter(std::move(filter_)), is_pattern(is_pattern_), qos(qos_) {}
  Right(const char* filter_) : filter(filter_) {}

  std::string filter;       ///< or the pattern
  bool is_pattern = false;  ///< `%u` and `%c` stand for names
  QosSet qos;
  bool operator==(const Right&) const = default;
};
using Rights = std::vector<Right>;

}  // namespace sealmq
#pragma GCC visibility pop
