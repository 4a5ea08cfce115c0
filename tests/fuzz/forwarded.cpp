// Any text as what a proxy says of its client: it comes for an address, or for nobody, and never for what stands before an
// address that is no proxy's.
#include "net/forwarded.h"

#include <cstdlib>

#include "sealmq/bytes.h"

using namespace sealmq;
using namespace sealmq::net;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const ProxyRules proxies{.forwarded = true, .from = {*Network::parse("10.0.0.0/8"), *Network::parse("fd00::/8")}};
  static const Network everybody[] = {*Network::parse("0.0.0.0/0"), *Network::parse("::/0")};
  const std::string_view text = as_text(Bytes(data, size));
  const auto client = client_of(text, "10.0.0.1:1", proxies);
  if (client && !everybody[0].contains(*client) && !everybody[1].contains(*client)) std::abort();
  const auto behind = client_of(std::string(text) + ",192.0.2.7", "10.0.0.1:1", proxies);
  if (!behind || *behind != "192.0.2.7:0") std::abort();  // whatever stands before it is the client's own word
  if (const auto network = Network::parse(text)) (void)network->contains("10.0.0.1:1");
  return 0;
}
