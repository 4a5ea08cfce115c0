// Refused: why something was not let in. The reason is all that the peer learns; the cause is for the local log.
#pragma once

#include <string>

#include "sealmq/result.h"

#include "broker/shard.h"

namespace sealmq::broker {

struct Refused {
  Refusal kind;
  mqtt::Reason reason;
  std::string cause;
};
/// A value, or why there is none.
template <class T>
using OrRefused = tl::expected<T, Refused>;

inline tl::unexpected<Refused> refused(Refusal kind, std::string cause, mqtt::Reason reason = mqtt::Reason::not_authorized) {
  return tl::unexpected(Refused{kind, reason, std::move(cause)});
}
/// What a scheme has not verified.
tl::unexpected<Refused> not_verified(const Error& error);

}  // namespace sealmq::broker
