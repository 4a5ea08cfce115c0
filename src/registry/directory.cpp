#include <span>

#include "crypto/hash.h"
#include "sealmq/registry.h"

namespace sealmq {
namespace {

std::uint64_t stamp_number(std::span<const std::uint8_t, 6> id) {
  std::uint64_t number = 0;
  for (const std::uint8_t octet : id) number = number << 8 | octet;
  return number;
}

}  // namespace

Directory::Directory(std::vector<Identity> identities) : identities_(std::move(identities)) {
  // The keys are views into identities_, whose elements stay where they are, also when the Directory itself is moved.
  for (const Identity& identity : identities_) {
    by_name_.emplace(identity.name, &identity);
    if (is_there(identity.keys.schnorr)) by_schnorr_.emplace(as_text(identity.keys.schnorr), &identity);
    if (!is_there(identity.keys.ecdsa)) continue;
    const auto digest = crypto::sha256(identity.keys.ecdsa);
    const auto [place, is_new] = by_stamp_.try_emplace(stamp_number(std::span(digest).first<6>()), &identity);
    if (!is_new) place->second = nullptr;
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

const Identity* Directory::find_by_stamp(const std::array<std::uint8_t, 6>& id) const {
  const auto found = by_stamp_.find(stamp_number(id));
  return found == by_stamp_.end() ? nullptr : found->second;
}

}  // namespace sealmq
