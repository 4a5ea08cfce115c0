#include "keystore/apdu.h"

#include <stdexcept>

#include "base/reader.h"
#include "base/writer.h"

namespace sealmq::card {
namespace {

constexpr std::size_t longest_short = 255;
constexpr std::size_t longest_data = 0xFFFF;

/// A length of zero stands for the largest.
std::size_t or_most(std::size_t length, std::size_t most) {
  return length == 0 ? most : length;
}

}  // namespace

Buffer encode(const Command& command) {
  if (command.data.size() > longest_data || command.expected > longest_data + 1)
    throw std::invalid_argument("a card takes no more than 65535 octets");
  const bool is_extended = command.data.size() > longest_short || command.expected > longest_short + 1;
  Buffer bytes;
  Writer out(bytes);
  out.u8(command.cla).u8(command.ins).u8(command.p1).u8(command.p2);
  if (is_extended) {
    out.u8(0);
    if (!command.data.empty()) out.lp16(command.data);
    if (command.expected != 0) out.u16(static_cast<std::uint16_t>(command.expected));
  } else {
    if (!command.data.empty()) out.lp8(command.data);
    if (command.expected != 0) out.u8(static_cast<std::uint8_t>(command.expected));
  }
  return bytes;
}

Result<Command> decode_command(Bytes bytes) {
  Reader in(bytes);
  Command command;
  command.cla = in.u8();
  command.ins = in.u8();
  command.p1 = in.u8();
  command.p2 = in.u8();
  if (in.remaining() == 0) return in.finish(std::move(command));
  if (in.remaining() == 1) {
    command.expected = or_most(in.u8(), longest_short + 1);
    return in.finish(std::move(command));
  }
  if (const std::uint8_t length = in.u8(); length != 0) {
    command.data = to_buffer(in.bytes(length));
    if (in.remaining() > 0) command.expected = or_most(in.u8(), longest_short + 1);
    return in.finish(std::move(command));
  }
  if (in.remaining() == 2) {
    command.expected = or_most(in.u16(), longest_data + 1);
    return in.finish(std::move(command));
  }
  const Bytes data = in.lp16();
  if (data.empty()) in.fail("an extended length of nothing");
  command.data = to_buffer(data);
  if (in.remaining() > 0) command.expected = or_most(in.u16(), longest_data + 1);
  return in.finish(std::move(command));
}

Buffer encode(const Answer& answer) {
  Buffer bytes = answer.data;
  Writer(bytes).u16(answer.status);
  return bytes;
}

Result<Answer> decode_answer(Bytes bytes) {
  if (bytes.size() < 2) return fail(Blame::peer_misbehaved, "the card answers without a status");
  Answer answer;
  answer.data = to_buffer(bytes.first(bytes.size() - 2));
  answer.status = static_cast<std::uint16_t>(bytes[bytes.size() - 2] << 8 | bytes.back());
  return answer;
}

}  // namespace sealmq::card
