// The password file: what is accepted can be written and is read as the same.
#include "server/password_file.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto parsed = sealmq::server::parse_passwords(sealmq::as_text({data, size}));
  if (!parsed) return 0;
  const auto again = sealmq::server::parse_passwords(sealmq::server::to_text(*parsed));
  if (!again || again->size() != parsed->size()) std::abort();
  for (const auto& [name, entry] : *parsed) {
    const auto at = again->find(name);
    if (at == again->end() || at->second.hash != entry.hash || at->second.salt != entry.salt || !(at->second.cost == entry.cost))
      std::abort();
  }
  return 0;
}
