#include "server/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include "base/text.h"

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

 protected:
  spdlog::logger logger_;
};

class JsonLog final : public StderrLog {
 public:
  explicit JsonLog(bool verbose) : StderrLog(verbose) {
    logger_.set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","severity":"%l",%v})");
  }

  void write(Severity severity, std::string_view line) override { event(severity, "message", {}, line); }
  void event(Severity severity, std::string_view event, std::span<const LogField> fields, std::string_view line) override {
    StderrLog::write(severity, json_members(event, fields, line));
  }
};

}  // namespace

void Log::event(Severity severity, std::string_view, std::span<const LogField>, std::string_view line) {
  write(severity, line);
}

std::string json_members(std::string_view event, std::span<const LogField> fields, std::string_view line) {
  std::string text = "\"event\":" + json_quoted(event);
  for (const LogField& field : fields) text += "," + json_quoted(field.name) + ":" + json_quoted(field.value);
  return text + ",\"text\":" + json_quoted(line);
}

std::unique_ptr<Log> make_stderr_log(bool verbose, LogFormat format) {
  if (format == LogFormat::json) return std::make_unique<JsonLog>(verbose);
  return std::make_unique<StderrLog>(verbose);
}

}  // namespace sealmq::server
