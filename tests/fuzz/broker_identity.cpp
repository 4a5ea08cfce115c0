// The text of broker.pub: whatever is accepted can be written and read again.
#include <cstdlib>

#include "sealmq/keystore.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto parsed = sealmq::parse_broker_identity(sealmq::as_text({data, size}));
  if (!parsed) return 0;
  const auto again = sealmq::parse_broker_identity(sealmq::to_text(*parsed));
  if (!again || *again != *parsed) std::abort();
  return 0;
}
