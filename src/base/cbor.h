// CBOR (RFC 8949), as much of it as COSE needs: whole numbers, byte and text strings, arrays, maps, tags, false, true and null,
// all of definite length. Written deterministically (section 4.2); read in any well-formed encoding of the same.
//
//   cbor::Writer(out).array(2).text("Encrypt0").bytes(header);
//
//   auto in = TRY(cbor::Reader::over(input));      // well-formed as a whole, or peer_misbehaved
//   if (in.array() == 2) { name = in.text(); header = in.bytes(); }
//   return in.finish(value);
//
// A codec of our own because the rules that matter here (no map key twice, a limit to nesting, nothing left over) are what
// general libraries leave to their callers, and the rest fits on two pages.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/try.h"
#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq::cbor {

/// Every number in its shortest form; map keys come in the order in which the caller writes them, which has to be the right one.
class Writer {
 public:
  /// Appends to `out`, which outlives the Writer.
  explicit Writer(Buffer& out) : out_(out) {}

  Writer& integer(std::int64_t value);
  Writer& bytes(Bytes value);
  Writer& text(std::string_view value);
  Writer& array(std::size_t count) { return head(4, count); }
  Writer& map(std::size_t pairs) { return head(5, pairs); }
  Writer& tag(std::uint64_t number) { return head(6, number); }
  Writer& null();
  /// Something that is encoded already.
  Writer& encoded(Bytes item);
  /// The head of a byte string whose content the caller appends.
  Writer& bytes_of(std::size_t size) { return head(2, size); }

 private:
  Writer& head(unsigned major, std::uint64_t argument) {
    if (argument >= 24) return long_head(major, argument);
    out_.push_back(static_cast<std::uint8_t>(major << 5 | argument));
    return *this;
  }
  Writer& long_head(unsigned major, std::uint64_t argument);
  Buffer& out_;
};

inline constexpr unsigned deepest = 8;

/// Goes through an item that is known to be well-formed, and remembers the first thing that was not what its caller wanted; after
/// that every read answers zero or nothing. Views point into the input.
class Reader {
 public:
  /// peer_misbehaved unless `input` is exactly one item: definite lengths, no deeper than 8, text in UTF-8, numbers that fit in
  /// 64 bits with their sign, and in each map numbers or texts as keys, none of them twice.
  static Result<Reader> over(Bytes input);

  enum class Kind : std::uint8_t { integer, bytes, text, array, map, tag, boolean, null, other, end };
  Kind next() const;

  std::int64_t integer();
  /// Likewise, but not below zero.
  std::uint64_t number();
  Bytes bytes();
  std::string_view text();
  std::size_t array();
  std::size_t map();  ///< pairs
  std::uint64_t tag();
  bool boolean();
  void null();
  /// Whatever comes next, with all that is in it. Answers its encoding.
  Bytes skip();

  bool failed() const { return what_ != nullptr; }
  /// `what` is a literal; the first one stays.
  void fail(const char* what) {
    if (what_ == nullptr) what_ = what;
  }
  /// The value, or the first failure; there must be nothing left.
  template <class T>
  Result<T> finish(T value) const {
    if (failed()) return sealmq::fail(Blame::peer_misbehaved, what_);
    if (!rest_.empty()) return sealmq::fail(Blame::peer_misbehaved, "items are left over");
    return value;
  }

 private:
  explicit Reader(Bytes rest) : rest_(rest) {}
  std::uint64_t take(unsigned major, const char* what);

  Bytes rest_;
  const char* what_ = nullptr;
};

}  // namespace sealmq::cbor
