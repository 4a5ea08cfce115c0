#include "base/version.h"

#include "sealmq/version.h"

namespace sealmq {

const std::string_view program_version = SEALMQ_VERSION;

std::string_view library_version() {
  return program_version;
}

}  // namespace sealmq
