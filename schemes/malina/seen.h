// Messages that a subscriber of a paper form has seen, by the hash in their signatures. One thread.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "base/keyed_hash.h"
#include "schemes/malina/signature.h"

namespace sealmq::malina {

/// Two generations, each as long as the window of accepted times and 5 s: what falls out is refused by its time.
class Seen {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  bool has(const Digest& digest) const { return now_.contains(key(digest)) || before_.contains(key(digest)); }
  void put(const Digest& digest, Now now) {
    if (now.wall - generation_ > accepted_behind + accepted_ahead + 5'000) {
      before_ = std::exchange(now_, {});
      generation_ = now.wall;
    }
    now_.insert(key(digest));
  }

 private:
  static std::string key(const Digest& digest) { return std::string(as_text(digest)); }
  TextSet now_;
  TextSet before_;
  std::uint64_t generation_ = 0;
};

}  // namespace sealmq::malina
