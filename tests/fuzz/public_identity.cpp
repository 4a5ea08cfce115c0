// The line in NAME.pub: whatever is accepted can be written and read again.
#include <cstdlib>

#include "sealmq/identity.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto parsed = sealmq::parse_public_identity(sealmq::as_text({data, size}));
  if (!parsed) return 0;
  if (!sealmq::is_identity_name(parsed->name)) std::abort();
  const auto again = sealmq::parse_public_identity(sealmq::to_line(*parsed));
  if (!again || *again != *parsed) std::abort();
  return 0;
}
