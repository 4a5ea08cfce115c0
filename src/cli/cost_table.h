// What a message costs in SL1, SL2 and SL3: operations counted and time taken while the functions of schemes/ run, step by step,
// without a broker and a network; and beside them what Table 2 of the publication has for the step.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/operations.h"
#include "crypto/rabin.h"
#include "sealmq/ports.h"
#include "sealmq/result.h"

namespace sealmq::cli {

enum class CostRole : std::uint8_t { publisher, broker, subscriber };
enum class CostPhase : std::uint8_t { subscribe, publish };

std::string_view name(CostRole role);
std::string_view name(CostPhase phase);

/// What one party does before it waits for another.
struct CostStep {
  std::string_view scheme;
  std::string_view profile;  ///< "paper" or "hardened"
  CostPhase phase;
  CostRole role;
  std::string_view what;
  std::optional<crypto::Operations> paper{};  ///< nothing: Table 2 has no such step
  std::string_view remark{};                  ///< why the count is another than the paper's, or what the step is for
};

struct CostRow {
  CostStep step;
  crypto::Operations counted;
  double microseconds = 0;  ///< of CPU time, the median
  std::size_t bytes = 0;    ///< of the frame that the step sends; 0: it sends none
};

/// The topic has 16 bytes, as in the paper, the message 64.
inline constexpr std::string_view cost_topic = "plant/line7/temp";
inline constexpr std::size_t cost_message_size = 64;

/// Every conversation `repeat` times, at least once. Publishers have nothing to do when somebody subscribes, in the paper and
/// here, and have no row there. Errors: those of the schemes; environment if two runs of a step count differently.
Result<std::vector<CostRow>> measure_costs(const crypto::rabin::PrivateKey& rabin, Random& random, Now now, unsigned repeat);

/// `1RAD+2SM+1A+1H+1AES`, in the order of the paper; `0` if there are none.
std::string to_text(const crypto::Operations& operations);

/// For people: at most 119 columns, then the remarks, numbered.
std::string cost_table(const std::vector<CostRow>& rows);

}  // namespace sealmq::cli
