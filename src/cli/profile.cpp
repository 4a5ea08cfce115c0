#include "cli/profile.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/text.h"
#include "base/try.h"
#include "cli/help.h"
#include "cli/profile_lines.h"
#include "keystore/file_access.h"
#include "net/url.h"

namespace sealmq::cli {
namespace {

constexpr WantedFile wants_profile{"a profile is wanted: options, one a line", {}};

// Nothing in this program changes the environment.
std::string environment(const char* variable) {
  const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? "" : value;
}

std::string folder_of_profiles() {
  std::string folder = environment("XDG_CONFIG_HOME");
  // A path there that is not absolute counts as none (XDG Base Directory Specification).
  if (!folder.starts_with('/')) folder = environment("HOME") + "/.config";
  return folder + "/sealmq/";
}

const Option* find_option(const Command& command, const std::string& name) {
  const auto options = command.options();
  const auto found = std::ranges::find_if(options, [&](const Option* option) { return option->has_name(name); });
  return found == options.end() ? nullptr : *found;
}

bool is_taken_anywhere(const Command& app, const std::string& name) {
  if (app.takes_profile() && find_option(app, name) != nullptr) return true;
  return std::ranges::any_of(app.commands(), [&](const Command* command) { return is_taken_anywhere(*command, name); });
}

bool is_secret(const ProfileLine& line) {
  if (line.option == "-P" || line.option == "--pw" || line.option == "--psk") return true;
  if (line.option != "-L" && line.option != "--url") return false;
  const auto url = net::parse_url(line.value);
  return url && !url->password.empty();
}

bool can_be_read_by_others(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && (status.st_mode & 077) != 0;
}

/// Takes --profile NAME and --no-profile out of what they decide. Empty: no profile.
Result<std::string> path_of_profile(const Command& command, std::span<const std::string> words) {
  std::string name = "profile";
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--") break;
    if (words[i] == "--no-profile") return std::string();
    if (words[i].starts_with("--profile=")) name = words[i].substr(words[i].find('=') + 1);
    if (words[i] == "--profile" && i + 1 < words.size()) name = words[++i];
  }
  const bool is_given = command.is_typed(find_option(command, "--profile"));
  if (is_given && (name.empty() || name.find('/') != name.npos))
    return fail(Blame::caller_misused, "a profile is the name of a file in " + folder_of_profiles());
  std::string path = folder_of_profiles() + name;
  if (!is_given && !exists(path)) return std::string();
  return path;
}

}  // namespace

std::span<const std::string> own_words(const Command& command, std::span<const std::string> words) {
  const std::string path = command.path();
  return words.subspan(static_cast<std::size_t>(std::ranges::count(path, ' ')));
}

std::set<const Option*> typed_options(const Command& command, std::span<const std::string> words) {
  std::set<const Option*> typed;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") break;
    if (word.starts_with("--")) {
      const std::size_t equals = word.find('=');
      const Option* option = find_option(command, word.substr(0, equals));
      if (option == nullptr) continue;
      typed.insert(option);
      if (equals == word.npos) i += option->least_values();
      continue;
    }
    // -vF FORMAT: flags, and at the end an option with its value.
    for (std::size_t at = 1; word.size() > 1 && word[0] == '-' && at < word.size(); ++at) {
      const Option* option = find_option(command, std::string("-") + word[at]);
      if (option == nullptr) break;
      typed.insert(option);
      const auto values = option->least_values();
      if (values == 0) continue;
      i += at + 1 < word.size() ? values - 1 : values;
      break;
    }
  }
  return typed;
}

Result<std::vector<std::string>> with_profile(const Command& app, const Command& command, std::vector<std::string> words) {
  const auto its = own_words(command, words);
  const std::string path = TRY(path_of_profile(command, its));
  if (path.empty()) return words;
  std::string text = TRY(read_public_file(path, wants_profile));
  const auto lines = parse_profile(text, environment("HOME"));
  wipe(text.data(), text.size());
  if (!lines) return fail(lines.error().blame, path + ":" + lines.error().what);

  std::vector<std::string> added;
  for (const ProfileLine& line : *lines) {
    const auto refuse = [&](const std::string& what, const std::string& hint) {
      return fail_with_hint(Blame::caller_misused, path + ":" + std::to_string(line.number) + ": " + what, hint);
    };
    if (is_secret(line) && can_be_read_by_others(path))
      return refuse("other users can read this file, so it may hold no " + line.option, "chmod 600 " + path);
    const Option* option = find_option(command, line.option);
    if (option == nullptr && !is_taken_anywhere(app, line.option))
      return refuse("unknown option " + printable(line.option), "sealmq pub --help-all and sealmq sub --help-all list them");
    // Other commands may have it.
    if (option == nullptr || (option->heading() == "Protection" && !command.takes_protection())) continue;
    const auto& excluded = option->excluded();
    if (command.is_typed(option) || std::ranges::any_of(excluded, [&](const Option* other) { return command.is_typed(other); }))
      continue;
    const bool is_flag = option->least_values() == 0;
    if (is_flag != line.value.empty())
      return refuse(line.option + (is_flag ? " takes no value" : " needs a value"), command.path() + " --help-all");
    added.push_back(line.option);
    if (is_flag) continue;
    if (option->least_values() == 1) {
      added.push_back(line.value);
      continue;
    }
    std::istringstream parts(line.value);
    for (std::string part; parts >> part;) added.push_back(part);
  }
  words.insert(words.end() - static_cast<std::ptrdiff_t>(its.size()), added.begin(), added.end());
  return words;
}

}  // namespace sealmq::cli
