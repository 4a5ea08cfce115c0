#include "cli/help.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "cli/colour.h"

namespace sealmq::cli {
namespace {

constexpr std::size_t columns = 80;
constexpr std::size_t description_column = 26;

/// Headings that --help leaves to --help-all.
constexpr std::array<std::string_view, 7> rare = {"TLS",        "Login", "Session", "Will", "MQTT 5", "Habits of mosquitto",
                                                  "Fine tuning"};

bool is_rare(std::string_view heading) {
  return std::ranges::find(rare, heading) != rare.end();
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string all;
  for (const auto& word : words) all.append(all.empty() ? "" : between).append(word);
  return all;
}

/// One of each kind: others are there for habits.
std::string usual_names(const OptionText& option) {
  std::vector<std::string> names;
  for (const auto& name : option.names)
    if (names.empty() || names.back().starts_with("--") != name.starts_with("--")) names.push_back(name);
  return joined(names, ", ");
}

void write_entry(std::string& out, const std::string& head, const std::string& description) {
  out += "  " + head;
  const std::string indent(description_column, ' ');
  if (head.size() + 4 > description_column)
    out += "\n" + indent;
  else
    out += std::string(description_column - head.size() - 2, ' ');
  out += wrapped(description, columns - description_column, indent) + "\n";
}

void write_options(std::string& out, const std::vector<OptionText>& options, const std::string& heading) {
  for (const auto& option : options)
    if (!option.names.empty() && option.heading == heading)
      write_entry(out, usual_names(option) + (option.value.empty() ? "" : " " + option.value), option.description);
}

std::string examples_of(const Command& command) {
  std::string out;
  std::istringstream lines(command.about().examples);
  for (std::string line; std::getline(lines, line);) out += "  " + line + "\n";
  return out;
}

}  // namespace

std::string wrapped(std::string_view text, std::size_t width, const std::string& indent) {
  std::string out;
  std::size_t used = 0;
  std::istringstream words{std::string(text)};
  for (std::string word; words >> word;) {
    std::size_t length = 0;  // in characters: the rest of one in UTF-8 takes no column
    for (const char c : word) length += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
    if (used > 0 && used + 1 + length > width) {
      out += "\n" + indent;
      used = 0;
    } else if (used > 0) {
      out += ' ';
      ++used;
    }
    out += word;
    used += length;
  }
  return out;
}

std::string wrapped_text(std::string_view text, std::size_t width) {
  std::string out, paragraph;
  const auto end_paragraph = [&] {
    if (!paragraph.empty()) out += wrapped(paragraph, width, "") + "\n";
    paragraph.clear();
  };
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line[0] != ' ') {
      paragraph += line + "\n";
      continue;
    }
    end_paragraph();
    out += line + "\n";
  }
  end_paragraph();
  return out;
}

std::vector<OptionText> options_of(const Command& command) {
  std::vector<OptionText> all;
  for (const Option* option : command.options()) {
    if (option->is_help()) continue;
    OptionText text{.names = option->names(),
                    .value = option->value(),
                    .description = option->description(),
                    .environment = option->environment(),
                    .heading = option->heading(),
                    .required = option->is_required()};
    std::vector<std::string> more;
    if (const auto value = option->default_value(); !value.empty()) more.push_back(value);
    if (!text.environment.empty()) more.push_back("or " + text.environment);
    if (option->is_repeatable()) more.emplace_back("repeatable");
    if (!more.empty()) text.description += " (" + joined(more, "; ") + ")";
    all.push_back(std::move(text));
  }
  return all;
}

std::vector<std::string> headings_of(const std::vector<OptionText>& options) {
  std::vector<std::string> headings;
  for (const auto& option : options)
    if (!option.names.empty() && std::ranges::find(headings, option.heading) == headings.end())
      headings.push_back(option.heading);
  return headings;
}

std::string synopsis(const Command& command) {
  std::string text = command.path();
  if (*command.about().synopsis != '\0') return text + " " + command.about().synopsis;
  bool has_more = false;
  for (const auto& option : options_of(command)) {
    if (option.names.empty())
      text += option.required ? " " + option.value : " [" + option.value + "]";
    else if (!option.required)
      has_more = true;
  }
  for (const auto& option : options_of(command))
    if (!option.names.empty() && option.required)
      text += " " + option.names.front() + (option.value.empty() ? "" : " " + option.value);
  if (has_more) text += " [option]...";
  if (command.is_group()) text += " COMMAND [option]...";
  return text;
}

std::string help(const Command& command, bool all) {
  const bool colours = takes_colours(STDOUT_FILENO);
  std::string out = wrapped("usage: " + synopsis(command), columns, "         ") + "\n";
  const std::string_view text = command.about().text;
  out += "\n" + wrapped_text(text.empty() ? command.about().summary : text, columns);

  if (!command.commands().empty()) {
    out += "\n" + painted(colours, bold, "Commands") + "\n";
    for (const Command* sub : command.commands())
      if (!sub->is_hidden()) write_entry(out, sub->word(), sub->about().summary);
  }
  const auto options = options_of(command);
  bool begun = false;
  for (const auto& option : options) {
    if (!option.names.empty()) continue;
    if (!std::exchange(begun, true)) out += "\n";
    write_entry(out, option.value, option.description);
  }
  std::vector<std::string> left_out;
  for (const auto& heading : headings_of(options)) {
    if (!all && is_rare(heading)) {
      left_out.push_back(heading);
      continue;
    }
    out += "\n" + painted(colours, bold, heading) + "\n";
    write_options(out, options, heading);
  }
  if (!left_out.empty())
    out += "\n" + wrapped("more with " + command.path() + " --help-all: " + joined(left_out, ", "), columns, "  ") + "\n";
  if (!command.commands().empty())
    out += "\n" + command.path() + (command.parent() == nullptr ? " help COMMAND" : " COMMAND --help") + " tells more\n";
  if (!command.is_group()) out += "\n" + wrapped(std::string("exit codes: ") + command.about().exit_codes, columns, "  ") + "\n";
  if (*command.about().examples != '\0') out += "\n" + examples_of(command);
  return out;
}

// -- man pages -----------------------------------------------------------------------------------------------------------------

std::string roff(std::string_view text) {
  std::string out;
  bool at_start = true;
  for (const char c : text) {
    if (at_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
    at_start = c == '\n';
  }
  return out;
}

namespace {

std::string roff_text(std::string_view text) {
  std::string out;
  bool is_kept = false;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    const bool keep = line.starts_with(' ');
    if (keep != is_kept && !(line.empty() && is_kept)) {
      out += keep ? ".PP\n.nf\n" : ".fi\n.PP\n";
      is_kept = keep;
    }
    out += line.empty() ? (is_kept ? "\n" : ".PP\n") : roff(line) + "\n";
  }
  if (is_kept) out += ".fi\n";
  // A paragraph request twice in a row says nothing.
  for (std::size_t at; (at = out.find(".PP\n.PP\n")) != std::string::npos;) out.erase(at, 4);
  if (out.ends_with(".PP\n")) out.erase(out.size() - 4);
  return out;
}

}  // namespace

std::string page_name(const Command& command) {
  std::string name = command.path();
  std::ranges::replace(name, ' ', '-');
  return name;
}

std::string man_page(const Command& command) {
  const auto options = options_of(command);
  std::string name = page_name(command), title = name;
  std::ranges::transform(title, title.begin(),
                         [](char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); });
  std::string out = ".TH " + title + " 1 \"\" \"sealmq " SEALMQ_VERSION "\" \"SealMQ\"\n";
  out += ".SH NAME\n" + roff(name) + " \\- " + roff(command.about().summary) + "\n";
  out += ".SH SYNOPSIS\n.nh\n.ad l\n" + roff(synopsis(command)) + "\n.ad\n.hy\n";
  const std::string_view text = command.about().text;
  out += ".SH DESCRIPTION\n" + roff_text(text.empty() ? command.about().summary : text);

  if (!command.commands().empty()) {
    out += ".SH COMMANDS\n";
    for (const Command* sub : command.commands())
      if (!sub->is_hidden()) out += ".TP\n.BR " + roff(page_name(*sub)) + " (1)\n" + roff(sub->about().summary) + "\n";
  }
  bool begun = false;
  for (const auto& option : options) {
    if (!option.names.empty()) continue;
    if (!std::exchange(begun, true)) out += ".SH ARGUMENTS\n";
    out += ".TP\n.I " + roff(option.value) + "\n" + roff(option.description) + "\n";
  }
  begun = false;
  for (const auto& heading : headings_of(options)) {
    if (!std::exchange(begun, true)) out += ".SH OPTIONS\n";
    out += ".SS " + roff(heading) + "\n";
    for (const auto& option : options) {
      if (option.names.empty() || option.heading != heading) continue;
      out += ".TP\n\\fB" + roff(joined(option.names, ", ")) + "\\fR";
      if (!option.value.empty()) out += " \\fI" + roff(option.value) + "\\fR";
      out += "\n" + roff(option.description) + "\n";
    }
  }
  if (!command.is_group()) out += ".SH \"EXIT STATUS\"\n" + roff(command.about().exit_codes) + "\n";
  if (std::ranges::any_of(options, [](const OptionText& option) { return !option.environment.empty(); })) {
    out += ".SH ENVIRONMENT\n";
    for (const auto& option : options)
      if (!option.environment.empty())
        out += ".TP\n.B " + option.environment + "\nthe same as " + roff(option.names.back()) + "\n";
  }
  if (*command.about().examples != '\0') out += ".SH EXAMPLES\n.nf\n" + roff(command.about().examples) + ".fi\n";
  out += ".SH \"SEE ALSO\"\n";
  if (command.parent() != nullptr) out += ".BR " + roff(page_name(*command.parent())) + " (1),\n";
  out += ".BR sealmq.toml (5)\n";
  return out;
}

}  // namespace sealmq::cli
