// Publishers a subscriber has pinned (--from), and how an author is called who has not been.
#pragma once

#include <string>
#include <vector>

#include "schemes/malina/signature.h"

namespace sealmq::malina {

/// `id:` and 16 hexadecimal digits: how an author is shown who is not pinned, and in lists, so that it can be found there.
std::string short_id(const Id& id);

class Pinned {
 public:
  explicit Pinned(std::vector<PublicIdentity> peers) : peers_(std::move(peers)) {}
  bool empty() const { return peers_.empty(); }
  /// Everybody is accepted while nobody is pinned.
  bool accepts(const Id& id) const { return peers_.empty() || find(id) != nullptr; }
  /// The pinned name, or short_id(): a name that only the network told is not shown as verified.
  std::string name_of(const Id& id) const;

 private:
  const PublicIdentity* find(const Id& id) const;
  std::vector<PublicIdentity> peers_;
};

}  // namespace sealmq::malina
