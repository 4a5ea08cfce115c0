// The files beside topic keys: what is read is written again as the same, and read as the same.
#include <cstdlib>

#include "keystore/topic_key_file.h"
#include "keystore/trusted_administrators.h"

using namespace sealmq;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all = as_text({data, size});
  if (const auto administrators = parse_administrators(all)) {
    const auto again = parse_administrators(to_text(*administrators));
    if (!again || to_text(*again) != to_text(*administrators)) std::abort();
  }
  if (const auto delegations = parse_delegations(all)) {
    const auto again = parse_delegations(to_text(*delegations));
    if (!again || to_text(*again) != to_text(*delegations)) std::abort();
  }
  const auto key = parse_topic_key(as_text({data, size}));
  if (!key) return 0;
  const auto text = encode_topic_key(*key);
  const auto again = parse_topic_key(as_text(text.reveal()));
  if (!again || again->id != key->id || again->filter != key->filter || again->members.size() != key->members.size())
    std::abort();
  return 0;
}
