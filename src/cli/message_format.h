// How `sealmq sub` prints a message.
#pragma once

#include <string>

#include "sealmq/client_types.h"

namespace sealmq::cli {

/// An output format as of mosquitto_sub's -F, taken apart once.
class MessageFormat {
 public:
  /// %t topic, %p payload, %x and %X payload in hexadecimal, %l its length, %q QoS, %r retain (0 or 1), %m packet identifier; of
  /// MQTT 5 %C content type, %D correlation data, %E expiry, %F payload format, %P user properties, %R response topic, %S
  /// subscription identifiers, each empty if not said; %U and %I the time in seconds and as ISO 8601, %f verified author, %s
  /// scheme, %g what was checked, %j all of it as a JSON object with the names of mosquitto_sub,
  /// %J likewise, with a payload that is JSON itself (if it is none, a text); %% a per cent sign; \n \t \r \\ \0 \a \e. Errors:
  /// caller_misused.
  static Result<MessageFormat> parse(std::string_view text);

  /// `wall`: milliseconds.
  std::string apply(const ReceivedMessage& message, std::uint64_t wall) const;

 private:
  struct Piece {
    char field;  // 0: the text
    std::string text;
  };
  std::vector<Piece> pieces_;
};

/// One JSON object, without a newline at its end; `pretty`: on several lines.
std::string to_json(const ReceivedMessage& message, bool pretty = false);

/// For terminals: control characters, with which a message could take it over, become dots. Newline and tab stay.
std::string harmless(std::string text);

}  // namespace sealmq::cli
