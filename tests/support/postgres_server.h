// PostgresServer: a real server for the tests of one program, stopped when it ends.
#pragma once

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "support/temporary_folder.h"

namespace sealmq::testing {

class PostgresServer {
 public:
  PostgresServer() { start(); }
  ~PostgresServer() { stop(); }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  const std::string& url() const { return url_; }
  /// With the same data, at the same URL.
  void start() { url_ = run("start " + folder_.path() + " " + std::to_string(::getpid())); }
  void stop() { run("stop " + folder_.path()); }

 private:
  static std::string run(const std::string& arguments) {
    const std::string command = "sh " SEALMQ_SOURCE_DIR "/tests/support/postgres_server.sh " + arguments;
    FILE* const pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error("cannot start a shell");
    std::string said;
    std::array<char, 256> part{};
    while (std::fgets(part.data(), part.size(), pipe) != nullptr) said += part.data();
    if (::pclose(pipe) != 0) throw std::runtime_error("no PostgreSQL server for this test");
    return said.substr(0, said.find('\n'));
  }

  const TemporaryFolder folder_;
  std::string url_;
};

/// One for all tests of a program, from the first that asks.
inline PostgresServer& postgres_server() {
  static PostgresServer server;
  return server;
}

}  // namespace sealmq::testing
