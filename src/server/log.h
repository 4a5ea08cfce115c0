// Log: lines for the operator, as text for people or as JSON for programs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sealmq::server {

enum class Severity : std::uint8_t { debug, info, warning, error };

/// One fact of an event.
struct LogField {
  std::string_view name;  ///< a word of this program
  std::string value;      ///< as it is: whoever writes it out escapes it
};

/// Any thread.
class Log {
 public:
  virtual ~Log() = default;
  /// `line` holds nothing a peer sent that has not been made printable (base/text.h).
  virtual void write(Severity severity, std::string_view line) = 0;
  /// The same as a kind of event with its facts, of which a log of text shows only the line. `event` is a word of this program.
  virtual void event(Severity severity, std::string_view event, std::span<const LogField> fields, std::string_view line);

  void debug(std::string_view line) { write(Severity::debug, line); }
  void info(std::string_view line) { write(Severity::info, line); }
  void warning(std::string_view line) { write(Severity::warning, line); }
  void error(std::string_view line) { write(Severity::error, line); }
};

enum class LogFormat : std::uint8_t { text, json };

/// Standard error, one line each. Text: ISO time, severity, line. JSON: `{"time":…,"severity":…,"event":…,"text":…}` and the
/// fields. Debug lines only if `verbose`.
std::unique_ptr<Log> make_stderr_log(bool verbose, LogFormat format = LogFormat::text);

/// What stands in a line of JSON after its time and severity.
std::string json_members(std::string_view event, std::span<const LogField> fields, std::string_view line);

}  // namespace sealmq::server
