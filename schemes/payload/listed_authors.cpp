#include "schemes/payload/listed_authors.h"

#include <algorithm>

#include "crypto/hash.h"

namespace sealmq::payload {
namespace {

constexpr std::size_t most_known = 10'000;

}  // namespace

const Author* ListedAuthors::find(Bytes id) {
  StampId wanted{};
  if (directory_ == nullptr || id.size() != wanted.size()) return nullptr;
  std::ranges::copy(id, wanted.begin());
  if (wanted == own_) return nullptr;
  const Identity* identity = directory_->find_by_stamp(wanted);
  if (identity == nullptr) return nullptr;
  auto place = known_.find(wanted);
  if (place == known_.end() || place->second.key != identity->keys.ecdsa) {
    auto verifier = StampVerifier::make(algorithm::es256, identity->keys.ecdsa);
    if (!verifier) return nullptr;
    if (known_.size() >= most_known) known_.clear();
    Author author{identity->name, *std::move(verifier), crypto::sha256(identity->keys.ecdsa)};
    place = known_.insert_or_assign(wanted, Known{identity->keys.ecdsa, std::move(author)}).first;
  }
  Author& author = place->second.author;
  author.name = identity->name;
  author.listed = identity;
  return &author;
}

}  // namespace sealmq::payload
