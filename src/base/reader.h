// Reader: takes a byte string apart strictly. It remembers the first failure, so a decoder keeps the shape of its table:
//
//   Frame f;
//   f.topic = in.lp16();
//   f.time  = in.u64();
//   return in.finish(f);      // also refuses left-over bytes
//
// After a failure every read answers zero or empty. All integers are big-endian (index of specifications, section 2).
// Views returned point into the input.
#pragma once

#include <array>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq {

class Reader {
 public:
  explicit Reader(Bytes input) : rest_(input) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  std::uint32_t u24() { return static_cast<std::uint32_t>(integer(3)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t u64() { return integer(8); }
  Bytes bytes(std::size_t count) {
    if (failed()) return {};
    if (count > rest_.size()) {
      fail("ends too early");
      return {};
    }
    Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> array();
  Bytes lp8() { return bytes(u8()); }
  Bytes lp16() { return bytes(u16()); }
  Bytes lp32() { return bytes(u32()); }
  Bytes rest() { return bytes(rest_.size()); }

  /// Succeeds only if the next bytes are exactly these.
  void expect(Bytes exactly);
  void expect(std::string_view exactly) { expect(as_bytes(exactly)); }

  std::size_t remaining() const { return failed() ? 0 : rest_.size(); }
  bool failed() const { return what_ != nullptr; }

  /// Records a failure found by the caller; the first one stays. `what` is a literal.
  void fail(const char* what, std::uint8_t code = 0) {
    if (failed()) return;
    what_ = what;
    code_ = code;
  }

  /// The decoded value, or the first failure.
  template <class T>
  Result<T> finish(T value) const {
    if (!failed() && !rest_.empty()) return sealmq::fail(Blame::peer_misbehaved, "bytes are left over", default_code_);
    if (failed()) return sealmq::fail(Blame::peer_misbehaved, what_, code_ != 0 ? code_ : default_code_);
    return value;
  }

  /// The reason code of failures that name none themselves.
  Reader& answer_with(std::uint8_t code) {
    default_code_ = code;
    return *this;
  }

 private:
  std::uint64_t integer(std::size_t size) {
    std::uint64_t value = 0;
    for (std::uint8_t byte : bytes(size)) value = value << 8 | byte;
    return value;
  }

  Bytes rest_;
  const char* what_ = nullptr;
  std::uint8_t code_ = 0;
  std::uint8_t default_code_ = 0;
};

template <std::size_t N>
std::array<std::uint8_t, N> Reader::array() {
  std::array<std::uint8_t, N> out{};
  Bytes taken = bytes(N);
  for (std::size_t i = 0; i < taken.size(); ++i) out[i] = taken[i];
  return out;
}

}  // namespace sealmq
