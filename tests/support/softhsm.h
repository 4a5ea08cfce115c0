// A token of SoftHSM2 in a folder of its own, for tests of this process. It is made once: PKCS#11 modules read their
// configuration when they begin. Without the packages of ./dev the tests fail.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "support/temporary_folder.h"

namespace sealmq::testing {

class SoftHsm {
 public:
  static constexpr const char* module = "/usr/lib/softhsm/libsofthsm2.so";
  static constexpr const char* pin = "271828";

  SoftHsm() {
    std::filesystem::create_directory(folder_ / "tokens");
    std::ofstream(folder_ / "softhsm2.conf") << "directories.tokendir = " << folder_ / "tokens"
                                             << "\nobjectstore.backend = file\n";
    ::setenv("SOFTHSM2_CONF", (folder_ / "softhsm2.conf").c_str(), 1);
    ::setenv("SEALMQ_PIN", pin, 1);
    add_token("plant");
  }
  void add_token(const std::string& label) const {
    const std::string command = "softhsm2-util --init-token --free --label " + label + " --so-pin 314159 --pin " + pin + " >" +
                                (folder_ / "softhsm2.log") + " 2>&1";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("softhsm2-util fails; ./dev setup installs it");
  }

  /// Another object each time.
  std::string new_uri() { return uri("key" + std::to_string(++made_)); }
  static std::string uri(const std::string& object) { return "pkcs11:token=plant;object=" + object + "?module-path=" + module; }

  /// As a token that is pulled out and put back.
  void pull_out() const { std::filesystem::rename(folder_ / "tokens", folder_ / "away"); }
  void put_back() const { std::filesystem::rename(folder_ / "away", folder_ / "tokens"); }
  bool is_out() const { return std::filesystem::exists(folder_ / "away"); }

 private:
  TemporaryFolder folder_;
  int made_ = 0;
};

inline SoftHsm& soft_hsm() {
  static SoftHsm token;
  return token;
}

}  // namespace sealmq::testing
