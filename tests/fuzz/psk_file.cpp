// Any text as a file of pre-shared keys.
#include "net/tls_psk.h"

using namespace sealmq;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  (void)net::parse_psk_lines(as_text({data, size}), "psk");
  return 0;
}
