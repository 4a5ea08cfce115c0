// Any bytes as what a SOCKS5 proxy says, in one piece and byte by byte: the same comes of both.
#include <cstdlib>

#include "net/socks.h"

using namespace sealmq;

namespace {

struct Outcome {
  bool failed = false, open = false;
  Buffer plain, sent;
  bool operator==(const Outcome&) const = default;
};

Outcome run(Bytes all, std::size_t piece, bool with_name) {
  net::Proxy proxy;
  if (with_name) proxy.user = proxy.password = "a";
  const auto channel = net::connect_by_proxy(proxy, "broker.example", 1883);
  Outcome outcome;
  outcome.failed = !channel->start(outcome.sent);
  while (!outcome.failed && !all.empty()) {
    const Bytes part = all.first(std::min(piece, all.size()));
    all = all.subspan(part.size());
    outcome.failed = !channel->receive(part, outcome.plain, outcome.sent);
  }
  outcome.open = channel->is_open();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes all{data + 1, size - 1};
  const bool with_name = (data[0] & 1) != 0;
  if (run(all, 1, with_name) != run(all, size, with_name)) std::abort();
  return 0;
}
