// How every hardened frame of the framework begins: 02, its type, the suite. And how a paper frame does: with its name.
#pragma once

#include "base/reader.h"
#include "base/writer.h"
#include "mqtt/types.h"
#include "schemes/malina/signature.h"

namespace sealmq::malina {

inline constexpr auto malformed = static_cast<std::uint8_t>(mqtt::Reason::payload_format_invalid);

/// 02 || type || suite.
inline constexpr std::size_t frame_start_size = 3;

inline bool begins(Bytes frame, std::uint8_t type) {
  return frame.size() >= 2 && frame[0] == hardened && frame[1] == type;
}

inline bool begins(Bytes frame, std::string_view name) {
  return as_text(frame).starts_with(name);
}

/// `form`: the suite, or what stands in its place.
inline Reader open_frame(Bytes frame, std::uint8_t type, std::uint8_t form = suite) {
  Reader in(frame);
  in.answer_with(malformed);
  const std::array<std::uint8_t, frame_start_size> start{hardened, type, form};
  in.expect(start);
  return in;
}

inline Reader open_paper_frame(Bytes frame, std::string_view name) {
  Reader in(frame);
  in.answer_with(malformed);
  in.expect(name);
  return in;
}

/// For what stands inside a frame.
inline Reader open_inside(Bytes bytes) {
  Reader in(bytes);
  in.answer_with(malformed);
  return in;
}

inline Writer begin_frame(Buffer& out, std::uint8_t type, std::uint8_t form = suite) {
  Writer writer(out);
  writer.u8(hardened).u8(type).u8(form);
  return writer;
}

}  // namespace sealmq::malina
