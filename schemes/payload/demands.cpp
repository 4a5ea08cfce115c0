#include "schemes/payload/demands.h"

#include <algorithm>

#include "base/text.h"
#include "base/try.h"
#include "mqtt/topic.h"
#include "schemes/payload/topic_choice.h"

namespace sealmq::payload {
namespace {

constexpr std::pair<std::string_view, std::uint8_t> encryption_words[] = {
    {"a128gcm", static_cast<std::uint8_t>(Encryption::bits128)},
    {"a256gcm", static_cast<std::uint8_t>(Encryption::bits256)},
    {"chacha20-poly1305", static_cast<std::uint8_t>(Encryption::bits256)},
};
constexpr std::pair<std::string_view, std::uint8_t> stamp_words[] = {
    {"mac", static_cast<std::uint8_t>(Stamp::mac)},
    {"signature", static_cast<std::uint8_t>(Stamp::signature)},
};

Encryption strength(std::int64_t algorithm) {
  switch (algorithm) {
    case algorithm::a128gcm:
      return Encryption::bits128;
    case algorithm::a256gcm:
    case algorithm::chacha20_poly1305:
      return Encryption::bits256;
    default:
      return Encryption::none;
  }
}

}  // namespace

Result<Demands> Demands::parse(const SchemeOptions& options) {
  Demands demands;
  const auto read = [&](std::string_view name, std::span<const std::pair<std::string_view, std::uint8_t>> words,
                        std::vector<Demand>& into) -> Result<> {
    const auto option = options.find(name);
    std::string_view rest = option == options.end() ? std::string_view() : std::string_view(option->second);
    while (!rest.empty()) {
      const auto comma = std::min(rest.find(','), rest.size());
      const std::string_view one = trimmed(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      const auto space = std::min(one.find(' '), one.size());
      const auto filter = one.substr(0, space);
      const auto word = trimmed(one.substr(space));
      const auto known = std::ranges::find(words, word, [](const auto& its) { return its.first; });
      if (known == words.end() || !mqtt::is_topic_filter(filter))
        return fail(Blame::caller_misused, std::string(name) + ": not FILTER and a word that it knows: " + printable(one));
      into.push_back({std::string(filter), known->second});
    }
    return {};
  };
  TRY(read("payload.min-enc", encryption_words, demands.encryption_));
  TRY(read("payload.min-stamp", stamp_words, demands.stamp_));
  return demands;
}

std::uint8_t Demands::least_for(const std::vector<Demand>& demands, std::string_view topic) {
  const Demand* best = nullptr;
  for (const Demand& demand : demands)
    if (mqtt::matches(demand.filter, topic) && (best == nullptr || is_more_specific(demand.filter, best->filter))) best = &demand;
  return best == nullptr ? std::uint8_t{0} : best->least;
}

Encryption Demands::encryption(std::string_view topic) const {
  return static_cast<Encryption>(least_for(encryption_, topic));
}

Stamp Demands::stamp(std::string_view topic) const {
  return static_cast<Stamp>(least_for(stamp_, topic));
}

Result<Shown> shown_by(const Message& message) {
  if (!has_listed_algorithms(message)) return fail(Blame::peer_misbehaved, "an algorithm that is not on the list");
  switch (message.structure) {
    case Structure::mac0:
      return Shown{Encryption::none, Stamp::mac};
    case Structure::sign1: {
      Shown shown{Encryption::none, Stamp::signature};
      if (!message.header.content) return shown;
      const auto inner = TRY(decode_message(message.body));
      if (static_cast<std::uint64_t>(inner.structure) != *message.header.content)
        return fail(Blame::peer_misbehaved, "what is signed is not what the signature says");
      if (inner.header.has_type) return fail(Blame::peer_misbehaved, "what is signed has the type of another scheme");
      if (!has_listed_algorithms(inner)) return fail(Blame::peer_misbehaved, "an algorithm that is not on the list");
      shown.encryption = strength(inner.header.algorithm);
      return shown;
    }
    case Structure::encrypt0:
    case Structure::encrypt:
      break;
  }
  return Shown{strength(message.header.algorithm), Stamp::none};
}

}  // namespace sealmq::payload
