#include "sealmq/registry.h"

namespace sealmq {

Directory::Directory(std::vector<Identity> identities) : identities_(std::move(identities)) {
  // The keys are views into identities_, whose elements stay where they are, also when the Directory itself is moved.
  for (const Identity& identity : identities_) {
    by_name_.emplace(identity.name, &identity);
    if (is_there(identity.keys.schnorr)) by_schnorr_.emplace(as_text(identity.keys.schnorr), &identity);
  }
}

const Identity* Directory::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

const Identity* Directory::find_by_schnorr(const std::array<std::uint8_t, 32>& id) const {
  const auto found = by_schnorr_.find(as_text(id));
  return found == by_schnorr_.end() ? nullptr : found->second;
}

}  // namespace sealmq
