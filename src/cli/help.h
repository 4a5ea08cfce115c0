// What a command says of itself, from its declaration: help, and man pages.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace sealmq::cli {

/// An option or argument, for help, man pages and completion alike.
struct OptionText {
  std::vector<std::string> names;  ///< -t, --topic; none: an argument
  std::string value;               ///< TOPIC; empty: a flag
  std::string description;         ///< with default, variable of the environment, and whether it can be given repeatedly
  std::string environment;         ///< the variable
  std::string heading;
  bool required = false;
};
std::vector<OptionText> options_of(const Command& command);

/// In the order of their first option.
std::vector<std::string> headings_of(const std::vector<OptionText>& options);

/// `sealmq key new FILTER [option]...`
std::string synopsis(const Command& command);

/// 80 columns. Without `all`, headings that few need are named at the end alone.
std::string help(const Command& command, bool all);

/// `sealmq-key-new`, also the name of its man page.
std::string page_name(const Command& command);
/// roff, by man(7).
std::string man_page(const Command& command);

/// Text for man(7): hyphens that are typed, backslashes, and what would be taken for a request.
std::string roff(std::string_view text);

/// A paragraph of at most so many columns; further lines begin with `indent`.
std::string wrapped(std::string_view text, std::size_t columns, const std::string& indent);
/// Paragraphs; lines that begin with a space stay as they are.
std::string wrapped_text(std::string_view text, std::size_t columns);

}  // namespace sealmq::cli
