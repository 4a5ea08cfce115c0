// Settings: the one table of single values in a Configuration. Parsing, comparing and the manual all read it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "server/configuration.h"

namespace sealmq::server {

struct Setting {
  using Place = std::variant<std::string*, std::uint16_t*, std::uint32_t*, std::size_t*>;

  std::string_view table;  ///< empty: the top of the file
  std::string_view name;
  Place (*place)(Configuration& configuration);
  std::uint64_t least;  ///< of a number
  std::uint64_t most;
  std::string_view help;
  std::span<const std::string_view> choices{};  ///< of a text; none: any
  bool is_path = false;                         ///< of a text: relative to the folder of the configuration

  bool is_text() const;
  std::string full_name() const;
  std::string value_in(const Configuration& configuration) const;
  void set_number(Configuration& configuration, std::uint64_t value) const;
};

std::span<const Setting> settings();

}  // namespace sealmq::server
