#include "crypto/operations.h"

#include <initializer_list>

namespace sealmq::crypto {

CountOperations::~CountOperations() {
  detail::counting = outer_;
  if (outer_ == nullptr) return;
  for (auto kind : {&Operations::sm, &Operations::m, &Operations::a, &Operations::h, &Operations::aes, &Operations::rad})
    outer_->*kind += counted_.*kind;
}

}  // namespace sealmq::crypto
