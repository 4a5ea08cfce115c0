// Shares: how much of something finite each party has, so that whoever fills it shuts out itself. Three quarters are for whoever
// comes first. Of the rest a party has no more than a sixteenth of what is still left, but something: so there is always some for
// those who come next. One thread.
#pragma once

#include <utility>

#include "base/keyed_hash.h"

namespace sealmq {

class Shares {
 public:
  using Entry = TextMap<std::size_t>::value_type;

  /// Whether a party that has `its` of what is `taken` may take so much more of `most`.
  static bool may_take(std::size_t more, std::size_t its, std::size_t taken, std::size_t most) {
    if (taken + more > most) return false;
    return taken + more <= most - most / 4 || its == 0 || its + more <= (most - taken) / 16;
  }

  std::size_t of(std::string_view party) const {
    const auto at = parties_.find(party);
    return at == parties_.end() ? 0 : at->second;
  }
  /// To be given back by what this answers.
  Entry* take(std::string_view party, std::size_t more) {
    Entry& entry = *parties_.try_emplace(std::string(party), 0).first;
    entry.second += more;
    return &entry;
  }
  void give_back(Entry* entry, std::size_t less) {
    if ((entry->second -= less) == 0) parties_.erase(parties_.find(entry->first));
  }

 private:
  TextMap<std::size_t> parties_;
};

/// What a party has taken, for as long as this lives; the Shares outlive it.
class ShareInUse {
 public:
  ShareInUse() = default;
  ShareInUse(Shares& shares, std::string_view party, std::size_t amount)
      : shares_(&shares), entry_(shares.take(party, amount)), amount_(amount) {}
  ShareInUse(ShareInUse&& other) noexcept { swap(other); }
  ShareInUse& operator=(ShareInUse&& other) noexcept {
    swap(other);
    return *this;
  }
  ~ShareInUse() {
    if (entry_ != nullptr) shares_->give_back(entry_, amount_);
  }
  bool is_of(std::string_view party) const { return entry_ != nullptr && entry_->first == party; }

 private:
  void swap(ShareInUse& other) {
    std::swap(shares_, other.shares_);
    std::swap(entry_, other.entry_);
    std::swap(amount_, other.amount_);
  }

  Shares* shares_ = nullptr;
  Shares::Entry* entry_ = nullptr;
  std::size_t amount_ = 0;
};

}  // namespace sealmq
