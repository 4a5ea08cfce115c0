// The table of who may talk to whom: whatever is read is symmetric, and names alone get in.
#include <cstdlib>

#include "base/text.h"
#include "schemes/pmqtt/ends.h"

using namespace sealmq;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text(Bytes(data, size));
  const auto table = pmqtt::PartnerTable::parse(text);
  if (!table) return 0;
  LineReader lines(text);
  while (const auto line = lines.next()) {
    const auto space = line->find_first_of(" \t");
    if (space == line->npos) continue;
    const auto one = line->substr(0, space), other = trimmed(line->substr(space));
    if (table->allows(one, other) != table->allows(other, one)) std::abort();
    if (table->allows(one, other) && (!is_identity_name(one) || !is_identity_name(other))) std::abort();
    const std::string topic = "pmqtt/kx/" + std::string(one) + "/" + std::string(other);
    if (pmqtt::may_send_to("pmqtt", one, topic, *table) && !table->allows(one, other)) std::abort();
  }
  return 0;
}
