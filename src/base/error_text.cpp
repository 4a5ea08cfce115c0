#include "base/error_text.h"

#include <system_error>

namespace sealmq {

std::string error_text(int number) {
  return std::generic_category().message(number);
}

}  // namespace sealmq
