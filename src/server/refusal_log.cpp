#include "server/refusal_log.h"

#include <string>

#include "base/text.h"

namespace sealmq::server {

void RefusalLog::refused(broker::Refusal refusal, std::string_view client, std::string_view cause, Now now) {
  const std::lock_guard lock(mutex_);
  ++counts_[static_cast<std::size_t>(refusal)];
  Kind& kind = kinds_[static_cast<std::size_t>(refusal)];
  sum_up(refusal, kind, now);
  if (now.steady >= kind.counts_until) kind = {.counts_until = now.steady + period};
  if (kind.told == in_full) {
    ++kind.untold;
    return;
  }
  ++kind.told;
  const LogField fields[] = {{"refusal", std::string(name(refusal))},
                             {"client", std::string(client.substr(0, 80))},
                             {"cause", std::string(cause.substr(0, 200))}};
  log_.event(Severity::warning, "refused", fields,
             std::string(name(refusal)) + ": \"" + printable(client) + "\": " + printable(cause, 200));
}

void RefusalLog::sum_up(Now now) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < kinds_.size(); ++i) sum_up(static_cast<broker::Refusal>(i), kinds_[i], now);
}

RefusalCounts RefusalLog::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void RefusalLog::sum_up(broker::Refusal refusal, Kind& kind, Now now) {
  if (kind.untold == 0 || now.steady < kind.counts_until) return;
  const LogField fields[] = {{"refusal", std::string(name(refusal))}, {"count", std::to_string(kind.untold)}};
  log_.event(
      Severity::warning, "refused more", fields,
      std::string(name(refusal)) + ": " + std::to_string(kind.untold) + " more in " + std::to_string(period / 1000) + " s");
  kind = {.counts_until = now.steady + period, .told = in_full};  // it goes on: the next line is a sum as well
}

}  // namespace sealmq::server
