// Any bytes as the HTTP request, or answer, that begins a WebSocket.
#include <cstdlib>

#include "net/websocket_upgrade.h"

using namespace sealmq;
using namespace sealmq::net;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  const auto head = parse_head(text);
  if (!head || !*head) return 0;
  if ((*head)->size > text.size()) std::abort();
  const Upgraded upgraded = answer_upgrade(**head, {.paths = {"/mqtt"}, .origins = {"https://a.example"}});
  // What an answer quotes must not become a header of its own.
  const auto answer = parse_head(upgraded.answer);
  if (!answer || !*answer || (*answer)->size != upgraded.answer.size()) std::abort();
  if (forwarded_for(**head).size() > text.size()) std::abort();
  (void)check_upgrade(**head, "dGhlIHNhbXBsZSBub25jZQ==");
  return 0;
}
