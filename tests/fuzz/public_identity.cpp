// The lines in NAME.pub: whatever is accepted can be written and read again.
#include <cstdlib>

#include "keystore/key_proof.h"

using namespace sealmq;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto text = as_text({data, size});
  if (const auto parsed = parse_public_identity(text)) {
    if (!is_identity_name(parsed->name)) std::abort();
    const auto again = parse_public_identity(to_line(*parsed));
    if (!again || *again != *parsed) std::abort();
  }
  if (const auto second = parse_second_line(text)) {
    if (!is_identity_name(second->name)) std::abort();
    const auto again = parse_second_line(to_line(*second));
    if (!again || again->name != second->name || again->keys != second->keys || again->proof != second->proof) std::abort();
    PublicIdentity nobody;
    nobody.name = second->name;
    if (verify_keys(nobody, *second)) std::abort();
  }
  return 0;
}
