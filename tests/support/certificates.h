// Certificates of a test: made at run time by make_certificates.sh, which tells what there is.
#pragma once

#include <cstdlib>
#include <stdexcept>

#include "support/temporary_folder.h"

namespace sealmq::testing {

class Certificates {
 public:
  Certificates() { make(); }
  /// New ones of the same authority.
  void make() const {
    const std::string command = SEALMQ_SOURCE_DIR "/tests/support/make_certificates.sh '" + folder_.path() + "'";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl makes no certificates");
  }
  std::string operator/(const std::string& name) const { return folder_ / name; }

 private:
  TemporaryFolder folder_;
};

}  // namespace sealmq::testing
