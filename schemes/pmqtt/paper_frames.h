// The frames of PMQTT as published: a bare point, and an IV with what AES-128-CBC made of the message.
#pragma once

#include <array>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq::pmqtt::paper {

inline constexpr std::size_t block_size = 16;
using Sec1Uncompressed = std::array<std::uint8_t, 65>;

/// 04 || x || y. Whether it is a point of the curve is for whoever uses it to find out.
Result<Sec1Uncompressed> decode_exchange(Bytes frame);

/// IV || one block or more
struct MessageFrame {
  std::array<std::uint8_t, block_size> iv;
  Bytes ciphertext;
};
Result<MessageFrame> decode_message(Bytes frame);

}  // namespace sealmq::pmqtt::paper
