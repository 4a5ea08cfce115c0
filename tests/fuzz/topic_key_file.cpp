// The file of a topic key: what is read is written again as the same, and read as the same.
#include <cstdlib>

#include "keystore/topic_key_file.h"

using namespace sealmq;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto key = parse_topic_key(as_text({data, size}));
  if (!key) return 0;
  const auto text = encode_topic_key(*key);
  const auto again = parse_topic_key(as_text(text.reveal()));
  if (!again || again->id != key->id || again->filter != key->filter || again->members.size() != key->members.size())
    std::abort();
  return 0;
}
