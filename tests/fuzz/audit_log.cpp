// The audit log: its lines, its head and the look at the whole. What is accepted is written as it was read.
#include "authority/audit_log.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace sealmq;
  const auto text = as_text({data, size});
  if (const auto entry = authority::parse_audit_line(text); entry && authority::to_line(*entry) != text) std::abort();
  const auto head = authority::parse_audit_head(text);
  if (head && authority::to_text(*head) != text) std::abort();

  const auto verdict = authority::check_audit(text, std::nullopt);
  if (verdict.last.size + verdict.unfinished.size() > size) std::abort();
  // The head that the log itself suggests finds nothing wrong, unless there was something to read and it could not be.
  const auto again = authority::check_audit(text.substr(0, verdict.last.size), verdict.last);
  if (again.broken || !(again.last == verdict.last)) std::abort();
  return 0;
}
