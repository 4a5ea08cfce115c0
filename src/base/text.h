// Text forms of octets: hexadecimal, base64url without padding (RFC 4648 section 5) and SHA256: fingerprints' base64. And what
// readers of text files share.
#pragma once

#include <optional>
#include <string>

#include "sealmq/bytes.h"

namespace sealmq {

std::string to_hex(Bytes bytes);
std::optional<Buffer> from_hex(std::string_view text);

std::string to_base64url(Bytes bytes);
/// Strict: no padding, no white space, no other alphabet, unused bits zero.
std::optional<Buffer> from_base64url(std::string_view text);

/// Standard alphabet with padding, for JSON.
std::string to_base64(Bytes bytes);

/// A JSON string with its quotes. Bytes that are not UTF-8 are taken for Latin-1, so that the result always is JSON.
std::string json_quoted(std::string_view text);

/// Text that may go into one log line: control characters and quotes are escaped, the length is bounded.
std::string printable(std::string_view text, std::size_t limit = 80);
/// The same between quotes.
std::string in_quotes(std::string_view text);

/// True if `text` is well-formed UTF-8 without NUL and without code points U+D800..U+DFFF. [MQTT-1.5.4-1] [MQTT-1.5.4-2]
bool is_mqtt_utf8(std::string_view text);

/// Without the spaces, tabs and ends of lines around it.
std::string_view trimmed(std::string_view text);

/// The lines of a text, without their '\n'. The last one need not end in one; an empty text has none.
///
///   LineReader lines(text);
///   while (const auto line = lines.next()) …
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {}
  std::optional<std::string_view> next();
  /// Of the line read last; the first is 1.
  std::size_t number() const { return number_; }

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
};

}  // namespace sealmq
