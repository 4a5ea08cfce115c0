// APDUs: what is said to a smart card and what it answers (ISO 7816-4), short and extended.
#pragma once

#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq::card {

struct Command {
  std::uint8_t cla = 0;
  std::uint8_t ins = 0;
  std::uint8_t p1 = 0;
  std::uint8_t p2 = 0;
  Buffer data{};             ///< at most 65535 octets
  std::size_t expected = 0;  ///< of the answer at most, 65536 at most; 0: none
};

struct Answer {
  Buffer data;
  std::uint16_t status = 0;
  bool is_good() const { return status == 0x9000; }
};

/// Extended where it must be. More data than fits is a bug and ends in an exception.
Buffer encode(const Command& command);
/// Strict; peer_misbehaved.
Result<Command> decode_command(Bytes bytes);

Buffer encode(const Answer& answer);
/// peer_misbehaved if there is no status word.
Result<Answer> decode_answer(Bytes bytes);

}  // namespace sealmq::card
