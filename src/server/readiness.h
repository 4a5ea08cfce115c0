// Readiness: what each part of the broker says of itself: whether it can do its work now.
#pragma once

#include <mutex>
#include <string>
#include <vector>

namespace sealmq::server {

struct ComponentState {
  std::string name;  ///< for instance `registry`
  bool ok = false;
  std::string text;  ///< for the operator: what is wrong, or what is right
};

/// Any thread. A component counts from its first report on, so it reports once when it begins.
class Readiness {
 public:
  void report(std::string_view name, bool ok, std::string_view text);
  /// In the order of their first reports.
  std::vector<ComponentState> all() const;

 private:
  mutable std::mutex mutex_;
  std::vector<ComponentState> states_;
};

/// `{"ready":true,"components":[{"name":"registry","ok":true,"text":"readable"}]}` and a line end.
std::string readiness_json(const std::vector<ComponentState>& states);
bool all_ok(const std::vector<ComponentState>& states);

}  // namespace sealmq::server
