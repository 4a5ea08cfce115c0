// What a file is, and what is said of it.
#include "base/file_kind.h"

#include <cstdlib>

#include "sealmq/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace sealmq;
  const std::string text(as_text({data, size}));
  const FileKind kind = kind_of_file(text);
  if (kind_of_file(text + "\n") != kind) std::abort();
  if (check_no_secret("file", text).has_value() == is_secret(kind)) std::abort();
  for (const auto& wanted : {wants_private_keys, wants_broker_identity, wants_scheme_option, wants_text}) {
    const auto checked = check_file("file", text, wanted);
    if (checked.has_value() != wanted.takes(kind)) std::abort();
    // Nothing of the content: what is said depends on the kind alone.
    if (!checked && (checked.error().what.size() > 200 || !checked.error().what.starts_with("file holds "))) std::abort();
  }
  return 0;
}
