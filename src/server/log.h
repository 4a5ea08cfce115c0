// Log: lines for the operator, as text for people or as JSON for programs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "sealmq/result.h"

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
  /// Of a file that somebody else has moved away. Errors: environment; then it stays as it was.
  virtual Result<> reopen() { return {}; }

  void debug(std::string_view line) { write(Severity::debug, line); }
  void info(std::string_view line) { write(Severity::info, line); }
  void warning(std::string_view line) { write(Severity::warning, line); }
  void error(std::string_view line) { write(Severity::error, line); }
};

enum class LogFormat : std::uint8_t { text, json };

struct LogSettings {
  bool verbose = false;  ///< debug lines too
  LogFormat format = LogFormat::text;
  bool to_system = false;  ///< syslog, else standard error
  std::string file{};      ///< not empty: there instead
};
/// One line each. Text: ISO time, severity, line; the system's log has time and severity of its own. JSON:
/// `{"time":…,"severity":…,"event":…,"text":…}` and the fields. Errors: environment (the file cannot be opened).
Result<std::unique_ptr<Log>> open_log(const LogSettings& settings);

/// What stands in a line of JSON after its time and severity.
std::string json_members(std::string_view event, std::span<const LogField> fields, std::string_view line);

}  // namespace sealmq::server
