#include "schemes/payload/listed_authors.h"

#include <algorithm>

#include "crypto/hash.h"

namespace sealmq::payload {
namespace {

constexpr std::size_t most_known = 10'000;

}  // namespace

const Author* ListedAuthors::find(Bytes id, bool earlier) {
  const bool has_length = id.size() == std::tuple_size_v<StampId> || (earlier && id.size() == std::tuple_size_v<EarlierStampId>);
  if (directory_ == nullptr || !has_length) return nullptr;
  const Identity* identity = directory_->find_by_stamp(id);
  if (identity == nullptr || identity->keys.ecdsa == own_) return nullptr;
  auto place = known_.find(identity->keys.ecdsa);
  if (place == known_.end()) {
    auto verifier = StampVerifier::make(algorithm::es256, identity->keys.ecdsa);
    if (!verifier) return nullptr;
    if (known_.size() >= most_known) known_.clear();
    Author author{identity->name, *std::move(verifier), crypto::sha256(identity->keys.ecdsa)};
    place = known_.emplace(identity->keys.ecdsa, std::move(author)).first;
  }
  Author& author = place->second;
  author.name = identity->name;
  author.listed = identity;
  return &author;
}

}  // namespace sealmq::payload
