// Settings: the one table of single values in a Configuration. Parsing, comparing and the manual all read it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/configuration.h"

namespace sealmq::server {

struct Setting {
  using Place = std::variant<std::string*, bool*, std::uint16_t*, std::uint32_t*, std::size_t*>;

  std::string_view table;  ///< empty: the top of the file
  std::string_view name;
  Place (*place)(Configuration& configuration);
  std::uint64_t least;  ///< of a number
  std::uint64_t most;
  std::string_view help;
  std::span<const std::string_view> choices{};  ///< of a text; none: any
  bool is_path = false;                         ///< of a text: relative to the folder of the configuration

  bool is_text() const;
  bool is_truth() const;
  std::string full_name() const;
  std::string value_in(const Configuration& configuration) const;
  void set_number(Configuration& configuration, std::uint64_t value) const;
};

std::span<const Setting> settings();

/// A key of a table that can stand in the file several times.
struct RowKey {
  std::string_view table;  ///< listener, topic, bridge, bridge.topics
  std::string_view name;
  std::string_view type;
  std::string_view standard;  ///< what counts if it is not given; empty: nothing
  std::string_view help;
};
std::span<const RowKey> row_keys();
bool is_row_key(std::string_view table, std::string_view name);

/// Every key of the file, for manuals.
struct Key {
  std::string heading;  ///< [limits], [[listener]]; empty: before any table
  std::string name;
  std::string type;
  std::string standard;
  std::string help;
};
std::vector<Key> configuration_keys();

}  // namespace sealmq::server
