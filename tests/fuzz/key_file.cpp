// NAME.key, its text and the body inside. The body is also tried as if its checksum were right, which chance would never find.
#include "keystore/key_file.h"

#include <cstdlib>

#include "base/text.h"
#include "crypto/hash.h"
#include "keystore/software_keys.h"

namespace {

void try_text(std::string_view text) {
  const auto parsed = sealmq::parse_key_file(text);
  if (!parsed) return;
  const auto written = sealmq::encode_key_file(*parsed, "SHA256:x");
  const auto again = sealmq::parse_key_file(sealmq::as_text(written.reveal()));
  if (!again || again->name != parsed->name || again->keys.size() != parsed->keys.size()) std::abort();
  static_cast<void>(sealmq::PrivateKeys::load(*again));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const sealmq::Bytes input(data, size);
  try_text(sealmq::as_text(input));

  sealmq::Buffer body = sealmq::to_buffer(input);
  const auto digest = sealmq::crypto::sha256(body);
  sealmq::append(body, sealmq::Bytes(digest).first(4));
  try_text("SEALMQ-SECRET-KEY-1 " + sealmq::to_base64url(body));
  return 0;
}
