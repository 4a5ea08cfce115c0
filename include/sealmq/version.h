// Which SealMQ this is. Before 1.0 a new minor version may change the API and the ABI; a new patch version changes neither.
#pragma once

#include <string_view>

#pragma GCC visibility push(default)
namespace sealmq {

/// Of these headers.
inline constexpr int version_major = 0;
inline constexpr int version_minor = 1;
inline constexpr int version_patch = 0;

/// Of the library that the program has been linked with, or has loaded: "0.1.0".
std::string_view library_version();

}  // namespace sealmq
#pragma GCC visibility pop
