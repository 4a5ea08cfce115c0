#include "base/cbor.h"

#include <algorithm>
#include <array>
#include <compare>
#include <limits>
#include <span>
#include <vector>

#include "base/text.h"

namespace sealmq::cbor {
namespace {

enum Major : std::uint8_t {
  positive = 0,
  negative = 1,
  byte_string = 2,
  text_string = 3,
  list = 4,
  table = 5,
  label = 6,
  simple = 7
};
enum Simple : std::uint8_t { simple_false = 20, simple_true = 21, simple_null = 22 };

struct Head {
  std::uint8_t major = 0;
  std::uint8_t information = 0;
  std::uint64_t argument = 0;
  std::size_t size = 0;  ///< 0: there is no head here
};

/// Lengths that are not known beforehand (31) and reserved forms (28 to 30) have no head.
Head read_head(Bytes in) {
  if (in.empty()) return {};
  Head head{static_cast<std::uint8_t>(in[0] >> 5), static_cast<std::uint8_t>(in[0] & 31), 0, 1};
  if (head.information < 24) {
    head.argument = head.information;
    return head;
  }
  if (head.information > 27) return {};
  const std::size_t more = std::size_t{1} << (head.information - 24);
  if (in.size() < 1 + more) return {};
  for (std::size_t i = 1; i <= more; ++i) head.argument = head.argument << 8 | in[i];
  head.size += more;
  return head;
}

/// A key of a map: a number or a text, whatever its encoding. Nothing initialises it: most maps have few of those there is room
/// for.
struct Key {
  std::uint8_t major;
  std::uint64_t number;  ///< of a text, its size
  const char* text;
};

std::strong_ordering operator<=>(const Key& one, const Key& other) {
  if (const auto order = one.major <=> other.major; std::is_neq(order)) return order;
  if (const auto order = one.number <=> other.number; std::is_neq(order) || one.major != text_string) return order;
  return std::string_view(one.text, one.number) <=> std::string_view(other.text, other.number);
}
bool operator==(const Key& one, const Key& other) {
  return std::is_eq(one <=> other);
}

/// Takes one item off the front of `in`; what is wrong with it, or null.
const char* check_item(Bytes& in, unsigned depth, Key* key);

const char* check_string(Bytes& in, const Head& head, Key* key) {
  if (head.argument > in.size()) return "a string ends too early";
  const Bytes content = in.first(head.argument);
  in = in.subspan(head.argument);
  if (head.major == byte_string) return key != nullptr ? "a byte string as the key of a map" : nullptr;
  // MQTT's rules leave out NUL, which is well-formed CBOR but in no text that is wanted here.
  if (!is_mqtt_utf8(as_text(content))) return "a text that is not UTF-8";
  if (key != nullptr) *key = {text_string, content.size(), as_text(content).data()};
  return nullptr;
}

const char* check_map(Bytes& in, const Head& head, unsigned depth) {
  if (head.argument > in.size() / 2) return "a map ends too early";
  std::array<Key, 8> few;  // as most maps have
  std::vector<Key> many(head.argument > few.size() ? head.argument : 0);
  const std::span<Key> keys = many.empty() ? std::span(few).first(head.argument) : std::span(many);
  for (Key& key : keys) {
    if (const char* wrong = check_item(in, depth + 1, &key)) return wrong;
    if (const char* wrong = check_item(in, depth + 1, nullptr)) return wrong;
  }
  const auto not_ascending = [](const Key& one, const Key& next) { return one >= next; };
  if (std::ranges::adjacent_find(keys, not_ascending) == keys.end()) return nullptr;  // as we write them
  std::ranges::sort(keys);
  return std::ranges::adjacent_find(keys) == keys.end() ? nullptr : "a map has a key twice";
}

const char* check_simple(const Head& head) {
  // One byte more is for values from 32 on; two, four and eight are numbers with a fraction, which are well-formed and unwanted.
  return head.information == 24 && head.argument < 32 ? "a simple value in a form that there is not" : nullptr;
}

const char* check_item(Bytes& in, unsigned depth, Key* key) {
  if (depth > deepest) return "nested too deep";
  const Head head = read_head(in);
  if (head.size == 0) return in.empty() ? "ends too early" : "not of a known length";
  in = in.subspan(head.size);
  switch (head.major) {
    case positive:
    case negative:
      if (head.argument > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return "a number beyond 63 bits";
      if (key != nullptr) *key = {head.major, head.argument, nullptr};
      return nullptr;
    case byte_string:
    case text_string:
      return check_string(in, head, key);
    default:
      break;
  }
  if (key != nullptr) return "neither a number nor a text as the key of a map";
  if (head.major == table) return check_map(in, head, depth);
  if (head.major == label) return check_item(in, depth + 1, nullptr);
  if (head.major == simple) return check_simple(head);
  if (head.argument > in.size()) return "an array ends too early";
  for (std::uint64_t i = 0; i < head.argument; ++i)
    if (const char* wrong = check_item(in, depth + 1, nullptr)) return wrong;
  return nullptr;
}

}  // namespace

// -- Writer

Writer& Writer::long_head(unsigned major, std::uint64_t argument) {
  const unsigned power = argument <= 0xFF ? 0 : argument <= 0xFFFF ? 1 : argument <= 0xFFFFFFFF ? 2 : 3;
  const unsigned more = 1U << power;
  std::array<std::uint8_t, 9> head{static_cast<std::uint8_t>(major << 5 | (24 + power))};
  for (unsigned i = 0; i < more; ++i) head[1 + i] = static_cast<std::uint8_t>(argument >> (8 * (more - 1 - i)));
  append(out_, Bytes(head).first(1 + more));
  return *this;
}

Writer& Writer::integer(std::int64_t value) {
  return value >= 0 ? head(positive, static_cast<std::uint64_t>(value))
                    : head(negative, static_cast<std::uint64_t>(-(value + 1)));
}

Writer& Writer::bytes(Bytes value) {
  head(byte_string, value.size());
  append(out_, value);
  return *this;
}

Writer& Writer::text(std::string_view value) {
  head(text_string, value.size());
  append(out_, as_bytes(value));
  return *this;
}

Writer& Writer::null() {
  out_.push_back(simple << 5 | simple_null);
  return *this;
}

Writer& Writer::encoded(Bytes item) {
  append(out_, item);
  return *this;
}

// -- Reader

Result<Reader> Reader::over(Bytes input) {
  Bytes rest = input;
  if (const char* wrong = check_item(rest, 1, nullptr)) return sealmq::fail(Blame::peer_misbehaved, wrong);
  if (!rest.empty()) return sealmq::fail(Blame::peer_misbehaved, "bytes are left over");
  return Reader(input);
}

Reader::Kind Reader::next() const {
  if (failed() || rest_.empty()) return Kind::end;
  const auto head = read_head(rest_);
  switch (head.major) {
    case positive:
    case negative:
      return Kind::integer;
    case byte_string:
      return Kind::bytes;
    case text_string:
      return Kind::text;
    case list:
      return Kind::array;
    case table:
      return Kind::map;
    case label:
      return Kind::tag;
    default:
      break;
  }
  if (head.information == simple_false || head.information == simple_true) return Kind::boolean;
  return head.information == simple_null ? Kind::null : Kind::other;
}

std::uint64_t Reader::take(unsigned major, const char* what) {
  const Head head = failed() ? Head() : read_head(rest_);
  if (head.size == 0 || head.major != major) {
    fail(what);
    return 0;
  }
  rest_ = rest_.subspan(head.size);
  return head.argument;
}

std::int64_t Reader::integer() {
  const bool below_zero = !rest_.empty() && rest_[0] >> 5 == negative;
  const auto value = static_cast<std::int64_t>(take(below_zero ? negative : positive, "not a number"));
  return below_zero && !failed() ? -1 - value : value;
}

std::uint64_t Reader::number() {
  return take(positive, "not a number from zero on");
}

Bytes Reader::bytes() {
  const auto size = take(byte_string, "not a byte string");
  if (failed()) return {};
  const Bytes content = rest_.first(size);
  rest_ = rest_.subspan(size);
  return content;
}

std::string_view Reader::text() {
  const auto size = take(text_string, "not a text");
  if (failed()) return {};
  const Bytes content = rest_.first(size);
  rest_ = rest_.subspan(size);
  return as_text(content);
}

std::size_t Reader::array() {
  return take(list, "not an array");
}

std::size_t Reader::map() {
  return take(table, "not a map");
}

std::uint64_t Reader::tag() {
  return take(label, "not a tag");
}

bool Reader::boolean() {
  const auto kind = next();
  if (kind != Kind::boolean) {
    fail("neither true nor false");
    return false;
  }
  const bool value = (rest_[0] & 31) == simple_true;
  rest_ = rest_.subspan(1);
  return value;
}

void Reader::null() {
  if (next() != Kind::null)
    fail("not null");
  else
    rest_ = rest_.subspan(1);
}

Bytes Reader::skip() {
  if (failed() || rest_.empty()) {
    fail("ends too early");
    return {};
  }
  const Bytes before = rest_;
  if (const char* wrong = check_item(rest_, 1, nullptr)) {
    fail(wrong);
    return {};
  }
  return before.first(before.size() - rest_.size());
}

}  // namespace sealmq::cbor
