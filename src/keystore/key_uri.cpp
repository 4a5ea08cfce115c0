#include "keystore/key_uri.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "base/try.h"

namespace sealmq {
namespace {

constexpr std::string_view file_start = "file:";
constexpr std::string_view token_start = "pkcs11:";
constexpr std::string_view card_start = "pcsc:";
constexpr std::size_t longest_uri = 2048;

struct Attribute {
  std::string_view name;
  std::string TokenUri::*value;
};
constexpr std::array path_attributes{Attribute{"token", &TokenUri::token}, Attribute{"serial", &TokenUri::serial},
                                     Attribute{"manufacturer", &TokenUri::manufacturer}, Attribute{"model", &TokenUri::model},
                                     Attribute{"object", &TokenUri::object}};
constexpr std::array query_attributes{Attribute{"module-path", &TokenUri::module_path},
                                      Attribute{"pin-source", &TokenUri::pin_source},
                                      Attribute{"x-sessions", &TokenUri::sessions}};

Failure refuse(std::string what) {
  return fail(Blame::caller_misused, "not the address of a key: " + std::move(what));
}

bool is_plain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_' ||
         c == '~' || c == '/' || c == ':';
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_plain(c))
      out += c;
    else
      out.append("%").append(to_hex(as_bytes(std::string_view(&c, 1))));
  }
  return out;
}

Result<std::string> unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != '%') {
      const auto c = static_cast<unsigned char>(text.front());
      if (c <= ' ' || c == 0x7F) return refuse("spaces and control characters are written as %20 and so on");
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    const auto octet = from_hex(text.substr(1, 2));
    if (!octet || octet->size() != 1 || octet->front() == 0) return refuse("% and two hexadecimal digits stand for an octet");
    out += static_cast<char>(octet->front());
    text.remove_prefix(3);
  }
  return out;
}

template <std::size_t N>
Result<> read_attributes(std::string_view text, char separator, const std::array<Attribute, N>& known, TokenUri& uri) {
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    const auto word = text.substr(0, end);
    if (end + 1 == text.size()) return refuse("it ends with a separator");
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto equals = word.find('=');
    if (equals == word.npos) return refuse("one of its attributes has no value");
    const auto name = word.substr(0, equals);
    if (name == "pin-value")
      return refuse(
          "a PIN in it could be read by others\nhint: pin-source=file:PATH names a file with the PIN, or set SEALMQ_PIN");
    const auto at = std::find_if(known.begin(), known.end(), [&](const Attribute& one) { return one.name == name; });
    if (at == known.end()) return refuse("unknown attribute " + printable(name));
    std::string& value = uri.*at->value;
    if (!value.empty()) return refuse(printable(name) + " stands twice");
    value = TRY(unescaped(word.substr(equals + 1)));
    if (value.empty()) return refuse(printable(name) + " is empty");
  }
  return {};
}

/// file:PATH and file://PATH (RFC 8089) are the same.
std::string_view without_file(std::string_view text) {
  text.remove_prefix(file_start.size());
  if (text.starts_with("//")) text.remove_prefix(2);
  return text;
}

/// Two slashes of the path itself would be taken for those of file://
std::string with_file(std::string_view path) {
  return std::string(file_start).append(path.starts_with("//") ? "//" : "").append(path);
}

Result<KeyUri> parse_token(std::string_view text) {
  const auto query = std::min(text.find('?'), text.size());
  TokenUri uri;
  TRY(read_attributes(text.substr(0, query), ';', path_attributes, uri));
  if (query < text.size()) TRY(read_attributes(text.substr(query + 1), '&', query_attributes, uri));
  if (!uri.sessions.empty() && !sessions_of(uri)) return refuse("x-sessions is 1 to 64");
  const bool has_source = !uri.pin_source.empty();
  if (uri.pin_source.starts_with(file_start)) uri.pin_source = std::string(without_file(uri.pin_source));
  if (has_source && (uri.pin_source.empty() || uri.pin_source.starts_with('|'))) return refuse("pin-source is a file");
  return uri;
}

template <std::size_t N>
void write_attributes(std::string& out, char separator, const std::array<Attribute, N>& known, const TokenUri& uri) {
  bool first = true;
  for (const Attribute& one : known) {
    const std::string& value = uri.*one.value;
    if (value.empty()) continue;
    if (!first) out += separator;
    out.append(one.name).append("=").append(escaped(value));
    first = false;
  }
}

}  // namespace

std::optional<std::size_t> sessions_of(const TokenUri& uri) {
  constexpr std::size_t usual = 4, most = 64;
  if (uri.sessions.empty()) return usual;
  std::size_t count = 0;
  const char* end = uri.sessions.data() + uri.sessions.size();
  const auto [stop, error] = std::from_chars(uri.sessions.data(), end, count);
  if (error != std::errc{} || stop != end || count < 1 || count > most) return std::nullopt;
  return count;
}

bool is_key_uri(std::string_view text) {
  return text.starts_with(file_start) || text.starts_with(token_start) || text.starts_with(card_start);
}

Result<KeyUri> parse_key_uri(std::string_view text) {
  if (text.size() > longest_uri) return refuse("it is too long");
  if (text.starts_with(token_start)) return parse_token(text.substr(token_start.size()));
  if (text.starts_with(card_start)) return CardUri{TRY(unescaped(text.substr(card_start.size())))};
  if (!text.starts_with(file_start)) return refuse("it begins with file:, pkcs11: or pcsc:");
  FileUri uri{TRY(unescaped(without_file(text)))};
  if (uri.path.empty()) return refuse("file: needs a path");
  return uri;
}

std::string to_text(const KeyUri& uri) {
  if (const auto* file = std::get_if<FileUri>(&uri)) return escaped(with_file(file->path));
  if (const auto* card = std::get_if<CardUri>(&uri)) return std::string(card_start) + escaped(card->reader);
  TokenUri token = std::get<TokenUri>(uri);
  if (!token.pin_source.empty()) token.pin_source = with_file(token.pin_source);
  std::string text(token_start);
  write_attributes(text, ';', path_attributes, token);
  std::string query;
  write_attributes(query, '&', query_attributes, token);
  return query.empty() ? text : text + "?" + query;
}

}  // namespace sealmq
