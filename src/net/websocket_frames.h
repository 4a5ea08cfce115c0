// The frames of a WebSocket (RFC 6455, section 5), as MQTT uses them: a stream of bytes in binary messages. [MQTT-6.0.0-1]
//
// Our own codec rather than a library's stream object: it works on bytes, keeps no buffer for a connection, and hands on the
// parts of a message as they come, because MQTT packets and messages need not be aligned. [MQTT-6.0.0-2]
#pragma once

#include <array>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq::net {

/// Section 7.4.1.
enum class CloseCode : std::uint16_t { normal = 1000, protocol_error = 1002, unacceptable = 1003, too_big = 1009 };

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// The largest message: what the largest MQTT packet needs. Nothing is kept of it, so this costs no memory.
inline constexpr std::uint64_t largest_message = 268'435'456 + 16;

enum class Side : std::uint8_t { broker, client };

class FrameReader {
 public:
  /// Who reads: a broker wants masked frames, a client unmasked ones.
  explicit FrameReader(Side side) : side_(side) {}

  /// Appends what data frames carry to `plain`. Control frames are appended to `answers` as what answers them, whole frames.
  /// Errors: peer_misbehaved; the code to close with is close_code(). Nothing may be read after an error.
  Result<> read(Bytes bytes, Buffer& plain, Buffer& answers);

  /// The peer's close frame came; it has been answered. What follows it is ignored.
  bool has_ended() const { return ended_; }
  /// Of the failure.
  CloseCode close_code() const { return code_; }

 private:
  Failure refuse(CloseCode code, const char* why);
  Result<> begin_frame();
  Result<> end_control(Buffer& answers);

  Side side_;
  // The header as far as it has come, and how long it will be.
  std::array<std::uint8_t, 14> header_{};
  std::uint8_t header_size_ = 0;
  std::uint8_t header_wanted_ = 2;
  bool in_payload_ = false;
  bool in_message_ = false;  // a fragment without FIN came
  bool ended_ = false;
  Opcode opcode_ = Opcode::continuation;
  std::array<std::uint8_t, 4> mask_{};
  CloseCode code_ = CloseCode::protocol_error;
  std::uint64_t left_ = 0;          // of this frame's payload
  std::uint64_t taken_ = 0;         // of the same
  std::uint64_t message_size_ = 0;  // so far
  std::array<std::uint8_t, 125> control_{};
};

/// Appends a whole frame; a client's is masked by chance from the system.
void write_frame(Side side, Opcode opcode, Bytes payload, Buffer& out);
void write_close(Side side, CloseCode code, Buffer& out);

}  // namespace sealmq::net
