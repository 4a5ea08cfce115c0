// LoginThrottle: keeps guessing slow (index of specifications, section 3 rule 5). At most 5 failures of one name from one network
// and 20 from one network within 60 s, counted from when a try begins; after that each further one waits twice as long as the one
// before, up to 15 minutes. Nobody closes a name to other networks; where many fail together, guessed_names.h says what happens.
// What is remembered outlives connections, and is bounded.
#pragma once

#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/keyed_hash.h"
#include "broker/shard.h"
#include "server/guessed_names.h"

namespace sealmq::server {

class LoginThrottle final : public broker::LoginGate {
 public:
  /// `tell` hears of each name at which many have begun to fail. Any thread; it must not block for long.
  explicit LoginThrottle(std::function<void(const std::string& name)> tell = {}) : tell_(std::move(tell)) {}

  bool may_try(Tested by, std::string_view name, std::string_view address, Now now) override;
  bool begin(Tested by, std::string_view name, std::string_view address, Now now) override;
  void end(Tested by, std::string_view name, std::string_view address, Outcome outcome, Now now) override;
  Turn take_turn(std::string_view name, std::string_view address, Now now) override;

  static constexpr std::uint32_t failures_of_a_name = 5;  ///< from one network
  static constexpr std::uint32_t failures_of_a_network = 20;
  static constexpr std::uint64_t window = 60'000;          ///< milliseconds
  static constexpr std::uint64_t longest_wait = 900'000;   ///< likewise
  static constexpr std::size_t most_remembered = 100'000;  ///< names in networks, and as many networks

 private:
  struct Record {
    std::string key;
    std::uint32_t failures = 0;
    std::uint32_t running = 0;
    std::uint64_t since = 0;  // steady
    std::uint64_t closed_until = 0;
    std::uint64_t wait = 0;  // the last one; not 0: one try at a time
  };
  /// The one that has been touched longest ago is forgotten first.
  class Records {
   public:
    explicit Records(std::uint32_t allowed) : allowed_(allowed) {}
    bool is_open(const std::string& key, Now now);
    void begin(const std::string& key, Now now);
    void end(const std::string& key, Outcome outcome, bool clears, Now now);

   private:
    Record* find(const std::string& key);
    void count(Record& record, Now now) const;

    const std::uint32_t allowed_;
    std::list<Record> all_;  // by when they were touched
    std::unordered_map<std::string_view, std::list<Record>::iterator, TextHash> by_key_;
  };
  struct Counted {
    explicit Counted(std::uint32_t of_a_name = failures_of_a_name) : names(of_a_name) {}
    Records names;
    Records networks{failures_of_a_network};
  };

  Counted& counted(Tested by) { return by == Tested::secret ? secrets_ : by == Tested::key ? keys_ : held_off_; }
  bool is_open(Counted& counted, const std::string& name, const std::string& network, Now now);

  std::mutex mutex_;
  Counted secrets_;
  Counted keys_;
  Counted held_off_{1};
  GuessedNames guessed_;
  std::function<void(const std::string& name)> tell_;
};

}  // namespace sealmq::server
