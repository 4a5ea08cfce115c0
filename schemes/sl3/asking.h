// When a client of SL3 may ask its broker again. What everybody on the wire can provoke (an epoch number, a lost answer) costs no
// more than a request every few seconds.
#pragma once

#include <string>
#include <string_view>

#include "sealmq/ports.h"

namespace sealmq::sl3 {

class Asking {
 public:
  static constexpr std::uint64_t without_answer = 10'000;  ///< milliseconds until a request is taken for lost
  static constexpr std::uint64_t between = 5'000;          ///< ... between two requests, if the first was answered
  static constexpr std::uint64_t after_refusal = 1'000;    ///< ... until one that was refused is tried again, when it is wanted

  /// A publisher's: there is something to publish to `topic`.
  void want(std::string_view topic, Now now) {
    if (was_refused_ && now.steady < next_ && topic == topic_) return;
    if (was_refused_) next_ = 0;
    was_refused_ = false;
    is_wanted_ = true;
    topic_ = topic;
  }
  bool is_wanted() const { return is_wanted_; }
  const std::string& topic() const { return topic_; }

  bool may_ask(Now now) const { return now.steady >= next_; }
  void asked(Now now) {
    asked_ = now.steady;
    next_ = now.steady + without_answer;
  }
  void answered(Now) {
    next_ = asked_ + between;
    is_wanted_ = false;
  }
  void refused() {
    next_ = asked_ + after_refusal;
    is_wanted_ = false;
    was_refused_ = true;
  }

 private:
  std::uint64_t asked_ = 0;
  std::uint64_t next_ = 0;
  std::string topic_;
  bool is_wanted_ = false;
  bool was_refused_ = false;
};

}  // namespace sealmq::sl3
