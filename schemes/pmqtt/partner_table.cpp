#include "schemes/pmqtt/partner_table.h"

#include <algorithm>

#include "base/text.h"
#include "base/try.h"
#include "schemes/pmqtt/topics.h"

namespace sealmq::pmqtt {
namespace {

/// The next word of what is left of a line; empty: there is none.
std::string_view next_word(std::string_view& line) {
  constexpr std::string_view blanks = " \t\r";
  const auto begin = std::min(line.find_first_not_of(blanks), line.size());
  const auto end = std::min(line.find_first_of(blanks, begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

}  // namespace

Result<PartnerTable> PartnerTable::make(const SchemeOptions& options, std::string_view scheme) {
  const std::string* text = find_option(options, scheme, "partners");
  return text == nullptr ? Result<PartnerTable>(PartnerTable()) : parse(*text);
}

Result<PartnerTable> PartnerTable::parse(std::string_view text) {
  PartnerTable table;
  table.is_open_ = false;
  LineReader lines(text);
  const auto wrong = [&](const std::string& what) {
    return fail(Blame::caller_misused, "partners, line " + std::to_string(lines.number()) + ": " + what);
  };
  while (const auto read = lines.next()) {
    std::string_view line = read->substr(0, read->find('#'));
    const std::string_view one = next_word(line);
    if (one.empty()) continue;
    std::size_t count = 0;
    for (auto other = next_word(line); !other.empty() || count == 0; other = next_word(line), ++count) {
      for (const auto name : {one, other})
        if (!is_identity_name(name))  // which is not said: it may be a secret, from another file
          return wrong(name.empty() ? "a name alone" : "a word that is no identity's name, 1 to 64 of A-Z a-z 0-9 . _ -");
      table.partners_[std::string(one)].emplace(other);
      table.partners_[std::string(other)].emplace(one);
    }
  }
  return table;
}

bool PartnerTable::allows(std::string_view one, std::string_view other) const {
  if (is_open_) return true;
  const auto its = partners_.find(one);
  return its != partners_.end() && its->second.contains(other);
}

}  // namespace sealmq::pmqtt
