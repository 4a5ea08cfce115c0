// What a broker that cannot read a message may still demand of its form, topic by topic.
#pragma once

#include "schemes/payload/cose.h"
#include "sealmq/scheme.h"

namespace sealmq::payload {

enum class Encryption : std::uint8_t { none, bits128, bits256 };
enum class Stamp : std::uint8_t { none, mac, signature };

class Demands {
 public:
  /// Of the options min-enc and min-stamp: "FILTER WORD, FILTER WORD". Errors: caller_misused.
  static Result<Demands> parse(const SchemeOptions& options);

  /// Of the most specific filter that says anything.
  Encryption encryption(std::string_view topic) const;
  Stamp stamp(std::string_view topic) const;

 private:
  struct Demand {
    std::string filter;
    std::uint8_t least;
  };
  static std::uint8_t least_for(const std::vector<Demand>& demands, std::string_view topic);
  std::vector<Demand> encryption_;
  std::vector<Demand> stamp_;
};

/// What a container shows of itself. Errors: peer_misbehaved.
struct Shown {
  Encryption encryption = Encryption::none;
  Stamp stamp = Stamp::none;
};
Result<Shown> shown_by(const Message& message);

}  // namespace sealmq::payload
