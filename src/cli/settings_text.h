// Every key of the configuration, for people and for programs.
#pragma once

#include <string>

namespace sealmq::cli {

/// 80 columns.
std::string settings_help();
/// One object a line: table, name, type, default, help.
std::string settings_json();
/// sealmq.toml.5, in roff.
std::string settings_page();

}  // namespace sealmq::cli
