#include "schemes/malina/pinned.h"

#include "base/text.h"

namespace sealmq::malina {

const PublicIdentity* Pinned::find(const Id& id) const {
  for (const auto& peer : peers_)
    if (peer.keys.schnorr == id) return &peer;
  return nullptr;
}

std::string Pinned::name_of(const Id& id) const {
  const PublicIdentity* peer = find(id);
  return peer != nullptr ? peer->name : short_id(id);
}

std::string short_id(const Id& id) {
  return "id:" + to_hex(Bytes(id).first(8));
}

}  // namespace sealmq::malina
