// Any bytes as a PROXY header. What is whole stays whole with more behind it.
#include "net/proxy_header.h"

#include <cstdlib>

using namespace sealmq;
using namespace sealmq::net;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const Bytes bytes(data, size);
  const auto header = parse_proxy_header(bytes);
  if (!header || !*header) return 0;
  if ((*header)->size > size || (*header)->size > largest_proxy_header) std::abort();
  const auto again = parse_proxy_header(bytes.first((*header)->size));
  if (!again || *again != *header) std::abort();
  return 0;
}
