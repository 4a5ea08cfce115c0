#include "base/reader.h"

#include <algorithm>

namespace sealmq {

void Reader::expect(Bytes exactly) {
  Bytes found = bytes(exactly.size());
  if (!failed() && !std::equal(found.begin(), found.end(), exactly.begin())) fail("does not start as expected");
}

}  // namespace sealmq
