// The file of recoverable passwords: what is accepted can be written and is read as the same.
#include "server/recoverable_passwords.h"

#include <cstdlib>

#include "sealmq/bytes.h"

using namespace sealmq;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto parsed = server::parse_recoverable_passwords(as_text({data, size}));
  if (!parsed) return 0;
  const auto again = server::parse_recoverable_passwords(server::to_text(*parsed));
  if (!again || again->size() != parsed->size()) std::abort();
  for (const auto& [name, password] : *parsed) {
    const auto at = again->find(name);
    if (at == again->end() || !same(at->second.reveal(), password.reveal())) std::abort();
  }
  return 0;
}
