// What `[scheme.sl2]` says.
#pragma once

#include <string>
#include <vector>

#include "schemes/sl2/messages.h"
#include "sealmq/scheme.h"

namespace sealmq::sl2 {

/// Topics for which a subscription has to show a capability: one value for all who are entitled, so it shows a right, no name.
struct ClosedTopics {
  Capability capability;
  std::string filter;
};

/// `CAPABILITY FILTER; CAPABILITY FILTER`, a capability being 32 hexadecimal digits. caller_misused otherwise; the error does not
/// repeat a capability. So a filter with a semicolon cannot be closed.
Result<std::vector<ClosedTopics>> parse_closed(std::string_view text);

/// The one whose capability a request for `filter` has to show: the narrowest that covers it. Null: all it matches is open.
/// not_authorised if it reaches beyond a closed filter: it would get what its capability is not for.
Result<const ClosedTopics*> closed_by(const std::vector<ClosedTopics>& closed, std::string_view filter);

/// Frames at even times instead of messages when they come.
struct Cover {
  std::uint64_t interval = 0;  ///< milliseconds; 0: none
  std::size_t size = 512;      ///< of the plaintext of each frame
};

struct Options {
  std::vector<ClosedTopics> closed;
  Cover cover;
};
Result<Options> parse_options(const SchemeOptions& options);

}  // namespace sealmq::sl2
