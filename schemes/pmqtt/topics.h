// The topics of PMQTT. Keys are agreed on at PREFIX/kx/FROM/TO, messages travel on PREFIX/e2e/FROM/TO/TOPIC, and what only the
// two ends have to tell each other on PREFIX/e2e/FROM/TO.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sealmq/scheme.h"

namespace sealmq::pmqtt {

/// What a topic says. Views into it.
struct Address {
  bool is_exchange = false;  ///< of keys; otherwise of messages
  std::string_view from;
  std::string_view to;
  std::string_view topic;  ///< the application's; empty: none is named
};

class Topics {
 public:
  explicit Topics(std::string prefix = "pmqtt") : prefix_(std::move(prefix)) {}
  /// By the option `prefix` of the scheme, with or without its profile. Error: caller_misused if it cannot begin a topic.
  static Result<Topics> make(const SchemeOptions& options, std::string_view scheme);

  const std::string& prefix() const { return prefix_; }

  /// Nothing if it is none of this scheme, also if FROM or TO is not an identity's name.
  std::optional<Address> read(std::string_view topic) const;

  std::string exchange(std::string_view from, std::string_view to) const;
  std::string messages(std::string_view from, std::string_view to) const;
  std::string message(std::string_view from, std::string_view to, std::string_view topic) const;

 private:
  std::string prefix_;
};

/// What the configuration says under `name` of the scheme, with or without its profile. Null: nothing.
const std::string* find_option(const SchemeOptions& options, std::string_view scheme, std::string_view name);

/// Takes the next level off a topic or filter; nothing is left when it was the last.
std::optional<std::string_view> next_level(std::optional<std::string_view>& rest);

}  // namespace sealmq::pmqtt
