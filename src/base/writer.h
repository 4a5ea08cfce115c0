// Writer: puts a byte string together, big-endian; the mirror of Reader.
#pragma once

#include <cassert>

#include "sealmq/bytes.h"

namespace sealmq {

class Writer {
 public:
  /// Appends to `out`, which the caller owns and which outlives the Writer.
  explicit Writer(Buffer& out) : out_(out) {}

  Writer& u8(std::uint8_t value) { return integer(value, 1); }
  Writer& u16(std::uint16_t value) { return integer(value, 2); }
  Writer& u24(std::uint32_t value) { return integer(value, 3); }
  Writer& u32(std::uint32_t value) { return integer(value, 4); }
  Writer& u64(std::uint64_t value) { return integer(value, 8); }
  Writer& bytes(Bytes value) {
    append(out_, value);
    return *this;
  }
  Writer& text(std::string_view value) { return bytes(as_bytes(value)); }

  /// Length-prefixed. The caller has bounded the length; passing more is a bug.
  Writer& lp8(Bytes value) {
    assert(value.size() <= 0xFF);
    return u8(static_cast<std::uint8_t>(value.size())).bytes(value);
  }
  Writer& lp16(Bytes value) {
    assert(value.size() <= 0xFFFF);
    return u16(static_cast<std::uint16_t>(value.size())).bytes(value);
  }
  Writer& lp16(std::string_view value) { return lp16(as_bytes(value)); }
  Writer& lp32(Bytes value) {
    assert(value.size() <= 0xFFFFFFFF);
    return u32(static_cast<std::uint32_t>(value.size())).bytes(value);
  }

  std::size_t size() const { return out_.size(); }

 private:
  Writer& integer(std::uint64_t value, unsigned size) {
    for (unsigned i = size; i-- > 0;) out_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    return *this;
  }

  Buffer& out_;
};

}  // namespace sealmq
