#include "keystore/trusted_administrators.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "base/try.h"

namespace sealmq {
namespace {

constexpr std::string_view everything = "#";
constexpr std::string_view topics = "topics ";
constexpr std::string_view delegated = "delegated";

Failure misused(std::string what) {
  return fail(Blame::caller_misused, std::move(what));
}

bool is_same(const PublicIdentity& one, const PublicIdentity& other) {
  return one.keys == other.keys;
}

bool is_one_line(std::string_view text) {
  return !text.empty() && std::ranges::none_of(text, [](unsigned char c) { return c < 0x20; });
}

}  // namespace

Result<Administrators> trusting(Administrators known, const PublicIdentity& administrator, std::vector<std::string> filters) {
  for (const std::string& filter : filters)
    if (!is_one_line(filter)) return misused("not a topic filter: " + printable(filter, 200));
  std::erase_if(known, [&](const auto& its) { return is_same(its.identity, administrator); });
  for (const auto& other : known) {
    const bool has_all = std::ranges::find(other.filters, everything) != other.filters.end();
    if (has_all)
      return misused(other.identity.name +
                     " is trusted for all topics, which only one administrator can be\nhint: sealmq key trust " +
                     other.identity.name + ".pub FILTER…");
    for (const std::string& filter : filters) {
      if (filter == everything)
        return misused("there are other administrators, so say for which topics\nhint: sealmq key trust " + administrator.name +
                       ".pub FILTER…");
      if (std::ranges::find(other.filters, filter) != other.filters.end())
        return misused(other.identity.name + " is trusted for " + printable(filter, 200) + " already");
    }
  }
  known.push_back({administrator, std::move(filters)});
  return known;
}

Result<Administrators> not_trusting(Administrators known, const PublicIdentity& administrator) {
  const auto removed = std::erase_if(known, [&](const auto& its) { return is_same(its.identity, administrator); });
  if (removed == 0) return misused(administrator.name + " is not trusted here");
  return known;
}

std::string to_text(const Administrators& administrators) {
  std::string text;
  for (const auto& its : administrators) {
    text += to_line(its.identity) + "\n";
    for (const std::string& filter : its.filters) text.append(topics).append(filter).append("\n");
    if (its.filters.empty()) text.append(delegated).append("\n");
  }
  return text;
}

Result<Administrators> parse_administrators(std::string_view text) {
  Administrators administrators;
  bool says_what_for = true;
  const auto end_one = [&] {
    if (!says_what_for) administrators.back().filters.emplace_back(everything);
  };
  LineReader lines(text);
  while (const auto line = lines.next()) {
    if (line->empty()) continue;
    const bool is_filter = line->starts_with(topics) && line->size() > topics.size();
    if (is_filter && !administrators.empty()) {
      administrators.back().filters.emplace_back(line->substr(topics.size()));
      says_what_for = true;
    } else if (*line == delegated && !administrators.empty()) {
      says_what_for = true;
    } else {
      end_one();
      administrators.push_back({TRY(parse_public_identity(*line)), {}});
      says_what_for = false;
    }
  }
  end_one();
  return administrators;
}

// -- delegations

void replace(std::vector<TopicKeys::Delegation>& among, const TopicKeys::Delegation& delegation) {
  std::erase_if(among, [&](const auto& its) { return its.owner == delegation.owner && its.filter == delegation.filter; });
  among.push_back(delegation);
}

std::string to_text(const std::vector<TopicKeys::Delegation>& delegations) {
  std::string text;
  for (const auto& its : delegations) {
    text += to_hex(its.owner) + " " + to_hex(its.delegate) + " " + std::to_string(its.not_before) + " " +
            std::to_string(its.not_after) + " " + std::to_string(its.serial) + " " + its.name + " " + its.filter + "\n";
  }
  return text;
}

Result<std::vector<TopicKeys::Delegation>> parse_delegations(std::string_view text) {
  std::vector<TopicKeys::Delegation> delegations;
  LineReader lines(text);
  while (const auto line = lines.next()) {
    if (line->empty()) continue;
    std::string_view rest = *line;
    const auto word = [&] {
      const auto its = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), its.size() + 1));
      return its;
    };
    bool is_good = true;
    const auto digest = [&](std::array<std::uint8_t, 32>& to) {
      const auto octets = from_hex(word());
      if (octets && octets->size() == to.size())
        std::ranges::copy(*octets, to.begin());
      else
        is_good = false;
    };
    const auto number = [&](std::uint64_t& to) {
      const auto its = word();
      const auto [end, error] = std::from_chars(its.data(), its.data() + its.size(), to);
      if (error != std::errc() || end != its.data() + its.size()) is_good = false;
    };
    TopicKeys::Delegation delegation;
    digest(delegation.owner);
    digest(delegation.delegate);
    number(delegation.not_before);
    number(delegation.not_after);
    number(delegation.serial);
    delegation.name = word();
    delegation.filter = rest;
    if (!is_good || delegation.filter.empty()) return misused("a line that is no delegation");
    delegations.push_back(std::move(delegation));
  }
  return delegations;
}

}  // namespace sealmq
