// What the operating system calls an error.
#pragma once

#include <string>

namespace sealmq {

/// Of an errno. Any thread, unlike strerror().
std::string error_text(int number);

}  // namespace sealmq
