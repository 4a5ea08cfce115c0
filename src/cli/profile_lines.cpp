#include "cli/profile_lines.h"

#include "base/text.h"

namespace sealmq::cli {
namespace {

std::string value_in(std::string_view rest, std::string_view home) {
  std::string_view value = trimmed(rest);
  const bool is_quoted = value.size() > 1 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front();
  if (is_quoted) return std::string(value.substr(1, value.size() - 2));
  if (value == "~" || value.starts_with("~/")) return std::string(home).append(value.substr(1));
  return std::string(value);
}

}  // namespace

Result<std::vector<ProfileLine>> parse_profile(std::string_view text, std::string_view home) {
  std::vector<ProfileLine> all;
  LineReader lines(text);
  while (const auto next = lines.next()) {
    const std::string_view line = trimmed(*next);
    if (line.empty() || line.front() == '#') continue;
    const bool is_long = line.starts_with("--");
    const std::size_t end = std::min(line.find_first_of(is_long ? " \t=" : " \t"), line.size());
    const std::string_view option = line.substr(0, end);
    // -p1883 is -p 1883 where it is typed; here it would be taken for another option.
    if (option.find('\0') != option.npos || option.size() < 2 || option.front() != '-' ||
        (is_long ? option.size() < 4 : option.size() != 2))
      // The line is not shown: it may be a password.
      return fail(Blame::caller_misused, std::to_string(lines.number()) +
                                             ": not an option, a space and its value\n"
                                             "hint: a line of a profile is, for instance: --port 1883");
    all.push_back({lines.number(), std::string(option), value_in(line.substr(std::min(end + 1, line.size())), home)});
  }
  return all;
}

}  // namespace sealmq::cli
