// Profiles of the command line.
#include "cli/profile_lines.h"
#include "sealmq/bytes.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto lines = sealmq::cli::parse_profile(sealmq::as_text({data, size}), "/home/a");
  if (!lines) return 0;
  std::size_t before = 0;
  for (const auto& line : *lines) {
    // Each of a line of its own, in order, with an option that the command line could have.
    if (line.number <= before || line.option.size() < 2 || line.option.front() != '-') std::abort();
    if (line.value.find('\n') != std::string::npos) std::abort();
    before = line.number;
  }
  return 0;
}
