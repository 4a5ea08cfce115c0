#include "sealmq/rights.h"

#include <array>

#include "sealmq/factors.h"

namespace sealmq {
namespace {

/// Calls `take` with each of the words between those characters; false as soon as it answers that.
template <class Take>
bool each_word(std::string_view text, char between, Take take) {
  for (;;) {
    const std::size_t end = text.find(between);
    if (!take(text.substr(0, end))) return false;
    if (end == text.npos) return true;
    text.remove_prefix(end + 1);
  }
}

constexpr std::array<std::pair<std::string_view, Factor>, 4> factor_names{
    {{"key", Factor::key}, {"password", Factor::password}, {"card", Factor::card}, {"token", Factor::token}}};

}  // namespace

std::optional<mqtt::QoS> QosSet::highest(mqtt::QoS most) const {
  for (int qos = static_cast<int>(most); qos >= 0; --qos)
    if (contains(static_cast<mqtt::QoS>(qos))) return static_cast<mqtt::QoS>(qos);
  return std::nullopt;
}

std::optional<QosSet> qos_set_from(std::string_view text) {
  if (text == "all") return QosSet::all();
  QosSet set = QosSet::none();
  const bool is_good = each_word(text, ',', [&](std::string_view word) {
    if (word != "0" && word != "1" && word != "2") return false;
    const auto qos = static_cast<mqtt::QoS>(word.front() - '0');
    if (set.contains(qos)) return false;
    set.add(qos);
    return true;
  });
  return is_good ? std::optional(set) : std::nullopt;
}

std::string to_text(QosSet set) {
  if (set == QosSet::all()) return "all";
  std::string text;
  for (const auto qos : {mqtt::QoS::at_most_once, mqtt::QoS::at_least_once, mqtt::QoS::exactly_once})
    if (set.contains(qos)) text.append(text.empty() ? "" : ",").append(std::to_string(static_cast<int>(qos)));
  return text;
}

std::optional<Factors> factors_from(std::string_view text) {
  Factors factors;
  const bool is_good = each_word(text, '+', [&](std::string_view word) {
    for (const auto& [name, factor] : factor_names) {
      if (name != word || factors.holds({factor})) continue;
      factors.add({factor});
      return true;
    }
    return false;
  });
  return is_good ? std::optional(factors) : std::nullopt;
}

std::string to_text(Factors factors) {
  std::string text;
  for (const auto& [name, factor] : factor_names)
    if (factors.holds({factor})) text.append(text.empty() ? "" : "+").append(name);
  return text;
}

}  // namespace sealmq
