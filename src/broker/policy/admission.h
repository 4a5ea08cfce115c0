// Admission: may this message come in? Every message is verified by one of the schemes that policy allows on its topic, its
// author must be entitled, and it must be new. Has no state and sends nothing; what it asks are the schemes, policy and rights,
// and the memory of replays. One thread.
#pragma once

#include "broker/policy/access.h"
#include "broker/policy/refused.h"
#include "broker/schemes/scheme_states.h"

namespace sealmq::broker {

/// Who brings a message: all that admission depends on of its connection. Views into it.
struct Origin {
  Caller caller;
  std::optional<std::size_t> proved_by;  ///< the scheme of its login
  SchemeStates& states;
  ThisConnection here{};
};

class Admission {
 public:
  using Schemes = std::vector<std::unique_ptr<BrokerScheme>>;

  /// All outlive it; `misuse` may be null.
  Admission(const Settings& settings, const Schemes& schemes, const Access& access, ReplayMemory& replays, MisuseWatch* misuse)
      : settings_(settings), schemes_(schemes), access_(access), replays_(replays), misuse_(misuse) {}

  struct Admitted {
    BrokerScheme::Checked<Opened> opened;
    const Identity* author;  ///< who the message names, or else who logged in; null: nobody
    std::size_t scheme;
    bool repeat;                       ///< an exact copy of one that has come
    std::optional<ReplayMark> unkept;  ///< to be kept when the message is
  };
  /// A message on its topic.
  OrRefused<Admitted> admit(const Origin& origin, std::string_view topic, Bytes payload, mqtt::QoS qos, Now now);
  /// One that a scheme has opened: may its author publish it here, and is it new? `wire`: the payload as it came in.
  OrRefused<Admitted> entitle(const Origin& origin, BrokerScheme::Checked<Opened> opened, std::size_t scheme, Bytes wire,
                              mqtt::QoS qos, Now now);

  using Keeping = ReplayMemory::Keeping;
  /// Refused: its number is used up. `repeat`: it is a copy.
  OrRefused<std::monostate> judge_replay(const std::optional<ReplayMark>& mark, bool& repeat, Now now,
                                         Keeping keeping = Keeping::at_once);
  /// The same for what must not come twice; `cause`: of refusing a copy.
  OrRefused<std::monostate> judge_once(const std::optional<ReplayMark>& mark, const char* cause, Now now);

  /// What a scheme is given for a call about this connection. `prepared` may be null.
  Scene scene(const Origin& origin, std::size_t scheme, Preparation* prepared, Now now) const {
    return {now, access_.directory(), &origin.states.of(scheme, schemes_.size()), prepared, origin.here};
  }

 private:
  /// Of a message that nobody has verified: the scheme whose form it has.
  std::string form_of(const Incoming& incoming) const;
  std::string accepted(const TopicRule& rule) const;
  void tell_misuse(const Opened& opened, std::size_t scheme, Bytes wire, std::string_view what, Now now);

  const Settings& settings_;
  const Schemes& schemes_;
  const Access& access_;
  ReplayMemory& replays_;
  MisuseWatch* const misuse_;
};

}  // namespace sealmq::broker
