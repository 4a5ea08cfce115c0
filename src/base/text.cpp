#include "base/text.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace sealmq {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";
constexpr std::string_view base64url_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr int not_in_alphabet = -1;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return not_in_alphabet;
}

int base64url_value(char c) {
  auto found = base64url_alphabet.find(c);
  return found == std::string_view::npos ? not_in_alphabet : static_cast<int>(found);
}

std::string encode64(Bytes bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  unsigned pending = 0;
  unsigned bits = 0;
  for (std::uint8_t byte : bytes) {
    pending = (pending << 8 | byte) & 0xFFFF;
    for (bits += 8; bits >= 6; bits -= 6) out += alphabet[pending >> (bits - 6) & 0x3F];
  }
  if (bits != 0) out += alphabet[pending << (6 - bits) & 0x3F];
  return out;
}

/// The length of the well-formed sequence of two to four bytes at the start of `text`, 0 if there is none.
/// Unicode 15 table 3-7: the range of the second byte is what excludes overlong forms, surrogates and what lies above U+10FFFF.
std::size_t multibyte_length(std::string_view text) {
  auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0}; };
  auto within = [&](std::size_t i, unsigned low, unsigned high) { return byte(i) >= low && byte(i) <= high; };
  auto continues = [&](std::size_t i) { return within(i, 0x80, 0xBF); };
  std::uint8_t first = byte(0);
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    unsigned high = first == 0xED ? 0x9F : 0xBF;
    return within(1, low, high) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    unsigned low = first == 0xF0 ? 0x90 : 0x80;
    unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return within(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

/// True if the eight bytes at `at` are all in 01..7F.
bool eight_plain(const char* at) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t tops = 0x8080808080808080;
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  // A byte of zero borrows from its own top bit; a byte above 7F has the top bit anyway.
  return ((word | (word - ones)) & tops) == 0;
}

}  // namespace

std::string to_hex(Bytes bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    out += hex_digits[byte >> 4];
    out += hex_digits[byte & 0xF];
  }
  return out;
}

std::optional<Buffer> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Buffer out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    int high = hex_value(text[i]);
    int low = hex_value(text[i + 1]);
    if (high == not_in_alphabet || low == not_in_alphabet) return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return out;
}

std::string to_base64url(Bytes bytes) {
  return encode64(bytes, base64url_alphabet);
}

std::optional<Buffer> from_base64url(std::string_view text) {
  Buffer out;
  out.reserve(text.size() * 3 / 4);
  unsigned pending = 0;
  unsigned bits = 0;
  for (char c : text) {
    int value = base64url_value(c);
    if (value == not_in_alphabet) return std::nullopt;
    pending = (pending << 6 | static_cast<unsigned>(value)) & 0x3FFF;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<std::uint8_t>(pending >> bits));
    }
  }
  bool lone_character = bits == 6;
  bool unused_bits_set = (pending & ((1U << bits) - 1)) != 0;
  if (lone_character || unused_bits_set) return std::nullopt;
  return out;
}

std::string to_base64(Bytes bytes) {
  std::string out = encode64(bytes, base64_alphabet);
  while (out.size() % 4 != 0) out += '=';
  return out;
}

// Only printable ASCII passes. Other scripts are shown as \xHH: a name from the network must not turn the direction of a log
// line round, hide in look-alikes or hold the control characters U+0080..U+009F.
std::string json_quoted(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  const bool is_utf8 = is_mqtt_utf8(text);
  std::string quoted = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += static_cast<char>(c);
    } else if (c < 0x20 || c == 0x7F || (c >= 0x80 && !is_utf8)) {
      quoted += "\\u00";
      quoted += digits[c >> 4];
      quoted += digits[c & 0xF];
    } else {
      quoted += static_cast<char>(c);
    }
  }
  return quoted + '"';
}

std::string printable(std::string_view text, std::size_t limit) {
  constexpr std::string_view cut = "...";
  std::string out;
  for (char c : text) {
    auto byte = static_cast<std::uint8_t>(c);
    std::string shown;
    if (c == '"' || c == '\'' || c == '\\') {
      shown = {'\\', c};
    } else if (byte < 0x20 || byte > 0x7E) {
      shown = {'\\', 'x', hex_digits[byte >> 4], hex_digits[byte & 0xF]};
    } else {
      shown = c;
    }
    if (out.size() + shown.size() > limit) return out.append(cut);
    out += shown;
  }
  return out;
}

std::string in_quotes(std::string_view text) {
  return "\"" + printable(text) + "\"";
}

bool is_mqtt_utf8(std::string_view text) {
  const char* at = text.data();
  const char* end = at + text.size();
  while (at != end) {
    if (end - at >= 8 && eight_plain(at)) {
      at += 8;
    } else if (*at == '\0') {
      return false;  // [MQTT-1.5.4-2]
    } else if (static_cast<std::uint8_t>(*at) < 0x80) {
      ++at;
    } else {
      std::size_t length = multibyte_length({at, static_cast<std::size_t>(end - at)});
      if (length == 0) return false;  // [MQTT-1.5.4-1]
      at += length;
    }
  }
  return true;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const std::size_t first = text.find_first_not_of(space);
  return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(space) - first + 1);
}

std::optional<std::string_view> LineReader::next() {
  if (rest_.empty()) return std::nullopt;
  const std::size_t end = std::min(rest_.find('\n'), rest_.size());
  const std::string_view line = rest_.substr(0, end);
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  ++number_;
  return line;
}

}  // namespace sealmq
