#include "server/log.h"

#include <fcntl.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <unistd.h>

#include <mutex>

#include "base/descriptor.h"
#include "base/error_text.h"
#include "base/text.h"
#include "base/try.h"

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

/// Appends, and can be told that its file has been moved away.
class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(std::string path) : path_(std::move(path)) {}

  Result<> open() {
    Descriptor file(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
    if (!file.is_open()) return fail(Blame::environment, "cannot write the log " + path_ + ": " + error_text(errno));
    const std::lock_guard lock(mutex_);
    file_ = std::move(file);
    return {};
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    // In one piece, so that lines of two processes do not mix. What a full disk does not take is lost.
    (void)!::write(file_.number(), line.data(), line.size());
  }
  void flush_() override {}

 private:
  const std::string path_;
  Descriptor file_;
};

class SinkLog final : public Log {
 public:
  SinkLog(std::shared_ptr<spdlog::sinks::sink> sink, std::shared_ptr<FileSink> file, const LogSettings& settings)
      : logger_("sealmq", std::move(sink)), file_(std::move(file)), is_json_(settings.format == LogFormat::json) {
    // The system's log has time and ends of lines of its own.
    const bool is_systems = settings.to_system && file_ == nullptr;
    const std::string pattern = is_json_     ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","severity":"%l",%v})"
                                : is_systems ? "%v"
                                             : "%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v";
    logger_.set_formatter(
        std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::local, is_systems ? "" : "\n"));
    logger_.set_level(settings.verbose ? spdlog::level::debug : spdlog::level::info);
  }

  void write(Severity severity, std::string_view line) override {
    is_json_ ? event(severity, "message", {}, line) : put(severity, line);
  }
  void event(Severity severity, std::string_view event, std::span<const LogField> fields, std::string_view line) override {
    put(severity, is_json_ ? json_members(event, fields, line) : std::string(line));
  }
  Result<> reopen() override { return file_ == nullptr ? Result<>() : file_->open(); }

 private:
  void put(Severity severity, std::string_view line) {
    logger_.log(level_of(severity), spdlog::string_view_t(line.data(), line.size()));
  }

  spdlog::logger logger_;
  std::shared_ptr<FileSink> file_;  // null: it goes elsewhere
  const bool is_json_;
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

Result<std::unique_ptr<Log>> open_log(const LogSettings& settings) {
  if (settings.file.empty() && settings.to_system)
    return std::make_unique<SinkLog>(std::make_shared<spdlog::sinks::syslog_sink_mt>("sealmq", LOG_PID, LOG_DAEMON, true),
                                     nullptr, settings);
  if (settings.file.empty())
    return std::make_unique<SinkLog>(std::make_shared<spdlog::sinks::stderr_color_sink_mt>(), nullptr, settings);
  auto file = std::make_shared<FileSink>(settings.file);
  TRY(file->open());
  return std::make_unique<SinkLog>(file, file, settings);
}

}  // namespace sealmq::server
