#include "server/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

namespace sealmq::server {
namespace {

spdlog::level::level_enum level_of(Severity severity) {
  switch (severity) {
    case Severity::debug:
      return spdlog::level::debug;
    case Severity::info:
      return spdlog::level::info;
    case Severity::warning:
      return spdlog::level::warn;
    case Severity::error:
      break;
  }
  return spdlog::level::err;
}

class StderrLog : public Log {
 public:
  explicit StderrLog(bool verbose) : logger_("sealmq", std::make_shared<spdlog::sinks::stderr_color_sink_mt>()) {
    logger_.set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
    logger_.set_level(verbose ? spdlog::level::debug : spdlog::level::info);
  }

  void write(Severity severity, std::string_view line) override {
    logger_.log(level_of(severity), spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  spdlog::logger logger_;
};

}  // namespace

std::unique_ptr<Log> make_stderr_log(bool verbose) {
  return std::make_unique<StderrLog>(verbose);
}

}  // namespace sealmq::server
