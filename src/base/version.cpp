#include "base/version.h"

namespace sealmq {

const std::string_view program_version = SEALMQ_VERSION;

}  // namespace sealmq
