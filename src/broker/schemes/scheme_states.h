// SchemeStates: what schemes keep for one connection, publishers' session keys for instance. Ends with it. One thread.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "sealmq/scheme.h"

namespace sealmq::broker {

class SchemeStates {
 public:
  /// Of the scheme with this index, of so many; null until it puts one there.
  std::unique_ptr<ConnectionState>& of(std::size_t scheme, std::size_t schemes) {
    if (states_.size() <= scheme) states_.resize(schemes);
    return states_[scheme];
  }
  /// Nothing of this identity may be used any more.
  void forget(std::string_view identity) {
    for (auto& state : states_)
      if (state != nullptr) state->forget(identity);
  }
  void clear() { states_.clear(); }
  std::size_t memory() const {
    std::size_t sum = 0;
    for (const auto& state : states_) sum += state != nullptr ? state->memory() : 0;
    return sum;
  }

 private:
  std::vector<std::unique_ptr<ConnectionState>> states_;
};

}  // namespace sealmq::broker
