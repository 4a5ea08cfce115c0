// The CONNECT of the paper profile: rewritten and rebuilt it is the same, byte for byte, and no name is taken that was not split
// off.
#include <algorithm>
#include <cstdlib>

#include "mqtt/packet.h"
#include "schemes/pmqtt/paper_connect.h"

using namespace sealmq;
using namespace sealmq::pmqtt;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  const auto text = as_text(input);
  if (const auto name = split_paper_name(text); name && !is_paper_name(text)) std::abort();

  crypto::ecdsa::Signature signature{};
  signature[0] = static_cast<std::uint8_t>(size);
  // Whole: then what was signed comes back.
  if (const auto sent = with_signature(input, signature)) {
    const auto header = mqtt::decode_header(input, mqtt::Version::v5).value().value();
    const auto packet = mqtt::decode_connect(input.subspan(header.size)).value();
    const auto sent_header = mqtt::decode_header(*sent, mqtt::Version::v5).value().value();
    const auto sent_packet = mqtt::decode_connect(Bytes(*sent).subspan(sent_header.size)).value();
    if (sent_packet.password || !sent_packet.user_name) std::abort();
    const auto name = split_paper_name(*sent_packet.user_name);
    if (!name || name->user != *packet.user_name || name->signature != signature) std::abort();
    const auto rebuilt = with_password(*sent, name->user, *packet.password);
    if (!rebuilt || !std::equal(rebuilt->begin(), rebuilt->end(), input.begin(), input.end())) std::abort();
  }
  // Sent: what is rebuilt is a CONNECT with that name and password.
  if (const auto rebuilt = with_password(input, "patient1", as_bytes("secret"))) {
    const auto header = mqtt::decode_header(*rebuilt, mqtt::Version::v5).value().value();
    const auto packet = mqtt::decode_connect(Bytes(*rebuilt).subspan(header.size));
    if (!packet || packet->user_name != "patient1" || !packet->password || as_text(*packet->password) != "secret") std::abort();
  }
  return 0;
}
