// A session between two partners, as either of them holds it: frames in and out, nothing of topics' names or of when to make a
// new one.
//
// Both directions have a key of their own. The side that answered seals nothing before the first frame of the side that offered
// has opened: who only repeats an old offer never gets a word.
//
// One thread.
#pragma once

#include <string>
#include <string_view>

#include "crypto/channel.h"
#include "crypto/key_exchange.h"
#include "schemes/pmqtt/frames.h"
#include "sealmq/ports.h"

namespace sealmq::pmqtt {

/// Who began. The specification calls the first PC, the patient's device, and the second DR, the doctor's.
enum class Side : std::uint8_t { offering, answering };

/// The two ends, by name.
struct Ends {
  std::string offering;
  std::string answering;
};

struct SessionLimits {
  std::uint64_t messages = 1ULL << 20;         ///< in each direction
  std::uint64_t bytes = 1ULL << 36;            ///< likewise
  std::uint64_t age = 24ULL * 60 * 60 * 1000;  ///< milliseconds
  std::uint64_t forgeries = 1ULL << 20;        ///< frames that did not open
  crypto::ChannelLimits channel() const { return {.messages = messages, .bytes = bytes, .forgeries = forgeries}; }
};

class Session {
 public:
  /// `exchange` has seen both frames of the exchange and holds its shared secret.
  Session(Side side, const Ends& ends, const crypto::KeyExchange& exchange, Now now, SessionLimits limits = {});

  const SessionId& id() const { return id_; }
  /// The other end has shown that it has the key.
  bool is_confirmed() const { return is_confirmed_; }
  /// In the last sixteenth of its life, by age, messages or bytes: time to offer a new one.
  bool must_be_renewed(Now now) const;
  /// Also when too many frames did not open.
  bool is_over(Now now) const;
  bool has_too_many_forgeries() const { return inwards_.use().has_too_many_forgeries(); }
  /// How many frames it has sealed.
  std::uint64_t sealed() const { return outwards_.counter(); }

  /// Appends the frame to `out` and answers its number. Errors: caller_misused when it is over, or not confirmed yet.
  Result<std::uint64_t> seal(std::uint8_t type, std::string_view topic, Bytes plaintext, Now now, Buffer& out);

  struct Opened {
    Buffer plaintext;
    std::uint64_t number = 0;
    bool repeat = false;        ///< an exact copy of one that was opened before
    bool late = false;          ///< frames that were sealed after it came before it
    std::uint64_t missing = 0;  ///< frames sealed just before it that have not come
  };
  /// Errors: malformed, peer_misbehaved (another session's, changed, on another topic, too old, over). What is refused leaves no
  /// trace.
  Result<Opened> open(std::uint8_t type, std::string_view topic, Bytes frame, Now now);

 private:
  void begin_aad(std::uint8_t type, std::string_view direction, std::uint64_t number, std::string_view topic);

  Side side_;
  SessionId id_;
  SessionLimits limits_;
  std::uint64_t started_;
  crypto::SealingChannel outwards_;
  crypto::OpeningChannel inwards_;
  std::uint64_t next_in_ = 0;  ///< one more than the highest number that was opened
  bool is_confirmed_;
  Buffer aad_;  ///< kept, so that a message allocates nothing for it
};

}  // namespace sealmq::pmqtt
