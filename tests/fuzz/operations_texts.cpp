// What comes from files and from other brokers' clients into the operator's side: the path of a bridged message, the url of the
// monitoring, and text on its way into JSON.
#include <cstdlib>
#include <string>

#include "base/text.h"
#include "server/admin_listener.h"
#include "server/bridge_rules.h"

using namespace sealmq;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);

  if (const auto address = server::parse_admin_url(text); address && address->host.empty()) std::abort();

  const auto crossed = server::cross({{std::string(server::bridge_path), text}}, "here/bridge");
  if (crossed && server::cross(*crossed, "here/bridge")) std::abort();  // twice over the same bridge

  const std::string quoted = json_quoted(text);
  if (!quoted.starts_with('"') || !quoted.ends_with('"')) std::abort();
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    const auto octet = static_cast<unsigned char>(quoted[i]);
    if (octet < 0x20 || octet == '"') std::abort();
    if (octet == '\\') ++i;
  }

  const std::vector<server::BridgeTopic> rows{
      {.filter = "a/#", .direction = server::BridgeDirection::both, .remote_prefix = "far/"}};
  if (const auto there = server::to_remote(rows, text))
    if (const auto back = server::to_local(rows, there->topic); !back || back->topic != text) std::abort();
  return 0;
}
