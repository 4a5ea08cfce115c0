#include <algorithm>

#include "crypto/hash.h"
#include "crypto/thumbprint.h"
#include "sealmq/registry.h"

namespace sealmq {

Directory::Directory(std::vector<Identity> identities, const Directory* former) : identities_(std::move(identities)) {
  // The keys are views into what stays where it is, also when the Directory itself is moved.
  stamps_.resize(identities_.size());
  for (std::size_t i = 0; i < identities_.size(); ++i) {
    const Identity& identity = identities_[i];
    by_name_.emplace(identity.name, &identity);
    if (is_there(identity.keys.schnorr)) by_schnorr_.emplace(as_text(identity.keys.schnorr), &identity);
    if (!is_there(identity.keys.ecdsa)) continue;
    const Identity* known = former == nullptr ? nullptr : former->find(identity.name);
    if (known != nullptr && known->keys.ecdsa == identity.keys.ecdsa) {
      stamps_[i] = former->stamps_[static_cast<std::size_t>(known - former->identities_.data())];
    } else {
      const auto thumbprint = crypto::thumbprint_p256(identity.keys.ecdsa);
      if (!thumbprint) continue;  // no point: it has signed nothing
      std::copy_n(thumbprint->begin(), stamps_[i].id.size(), stamps_[i].id.begin());
      const auto digest = crypto::sha256(identity.keys.ecdsa);
      std::copy_n(digest.begin(), stamps_[i].earlier.size(), stamps_[i].earlier.begin());
    }
    if (!is_there(stamps_[i].id)) continue;  // nor had it before
    for (const Bytes id : {Bytes(stamps_[i].id), Bytes(stamps_[i].earlier)}) {
      const auto [place, is_new] = by_stamp_.try_emplace(as_text(id), &identity);
      if (!is_new) place->second = nullptr;
    }
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

const Identity* Directory::find_by_stamp(Bytes id) const {
  const auto found = by_stamp_.find(as_text(id));
  return found == by_stamp_.end() ? nullptr : found->second;
}

}  // namespace sealmq
