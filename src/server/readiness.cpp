#include "server/readiness.h"

#include <algorithm>

#include "base/text.h"

namespace sealmq::server {

void Readiness::report(std::string_view name, bool ok, std::string_view text) {
  const std::lock_guard lock(mutex_);
  auto at = std::ranges::find(states_, name, &ComponentState::name);
  if (at == states_.end()) at = states_.insert(states_.end(), ComponentState{std::string(name), ok, {}});
  at->ok = ok;
  at->text = text;
}

std::vector<ComponentState> Readiness::all() const {
  const std::lock_guard lock(mutex_);
  return states_;
}

bool all_ok(const std::vector<ComponentState>& states) {
  return std::ranges::all_of(states, &ComponentState::ok);
}

std::string readiness_json(const std::vector<ComponentState>& states) {
  std::string text = std::string("{\"ready\":") + (all_ok(states) ? "true" : "false") + ",\"components\":[";
  for (const ComponentState& state : states) {
    if (&state != states.data()) text += ',';
    text += "{\"name\":" + json_quoted(state.name) + ",\"ok\":" + (state.ok ? "true" : "false") +
            ",\"text\":" + json_quoted(state.text) + "}";
  }
  return text + "]}\n";
}

}  // namespace sealmq::server
