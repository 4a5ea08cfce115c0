// Addresses of keys, and the files that hold one.
#include "keystore/key_uri.h"

#include <cstdlib>

#include "keystore/key_reference.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto text = sealmq::as_text({data, size});
  if (const auto uri = sealmq::parse_key_uri(text)) {
    const auto again = sealmq::parse_key_uri(sealmq::to_text(*uri));
    if (again && !(*again == *uri)) std::abort();
    // Only what grows too long by being escaped does not come back.
    if (!again && sealmq::to_text(*uri).size() <= 2048) std::abort();
  }
  if (const auto reference = sealmq::parse_key_reference(text)) {
    if (!sealmq::is_key_reference(text)) std::abort();
    const auto again = sealmq::parse_key_reference(sealmq::encode_key_reference(*reference));
    if (again && !(again->identity == reference->identity && again->uri == reference->uri)) std::abort();
  }
  return 0;
}
