// The version of this build, as the build system names it.
#pragma once

#include <string_view>

namespace sealmq {

extern const std::string_view program_version;

}  // namespace sealmq
