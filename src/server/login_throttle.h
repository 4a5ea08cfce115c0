// LoginThrottle: keeps guessing slow (index of specifications, section 3 rule 5). At most 5 failures of one name and 20 from one
// address within 60 s; after that each further attempt waits twice as long as the one before, up to 15 minutes. What is
// remembered outlives connections, and is bounded.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>

#include "broker/shard.h"

namespace sealmq::server {

class LoginThrottle final : public broker::LoginGate {
 public:
  bool may_try(std::string_view name, std::string_view address, Now now) override;
  void failed(std::string_view name, std::string_view address, Now now) override;
  void succeeded(std::string_view name) override;

  static constexpr std::uint32_t failures_of_a_name = 5;
  static constexpr std::uint32_t failures_of_an_address = 20;
  static constexpr std::uint64_t window = 60'000;          ///< milliseconds
  static constexpr std::uint64_t longest_wait = 900'000;   ///< likewise
  static constexpr std::size_t most_remembered = 100'000;  ///< names, and as many addresses

 private:
  struct Record {
    std::uint32_t failures = 0;
    std::uint64_t since = 0;  // steady
    std::uint64_t closed_until = 0;
    std::uint64_t wait = 0;  // the next one
  };
  struct Records {
    std::unordered_map<std::string, Record> by_key;
    std::uint64_t looked_through = 0;  // steady: when those whose time is over were last removed
  };

  static bool is_open(const Records& records, const std::string& key, Now now);
  static void count(Records& records, const std::string& key, std::uint32_t allowed, Now now);

  std::mutex mutex_;
  Records names_;
  Records addresses_;
};

}  // namespace sealmq::server
