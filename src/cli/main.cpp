#include "base/secret_memory.h"
#include "cli/program.h"
#include "crypto/private_keys.h"

int main(int argc, char** argv) {
  sealmq::protect_process();
  sealmq::crypto::keep_private_keys_apart();
  return sealmq::cli::run_program(std::vector<std::string>(argv + 1, argv + argc));
}
