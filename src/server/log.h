// Log: lines for the operator.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace sealmq::server {

enum class Severity : std::uint8_t { debug, info, warning, error };

/// Any thread.
class Log {
 public:
  virtual ~Log() = default;
  /// `line` holds nothing a peer sent that has not been made printable (base/text.h).
  virtual void write(Severity severity, std::string_view line) = 0;

  void debug(std::string_view line) { write(Severity::debug, line); }
  void info(std::string_view line) { write(Severity::info, line); }
  void warning(std::string_view line) { write(Severity::warning, line); }
  void error(std::string_view line) { write(Severity::error, line); }
};

/// Standard error, one line each: ISO time, severity, text. Debug lines only if `verbose`.
std::unique_ptr<Log> make_stderr_log(bool verbose);

}  // namespace sealmq::server
