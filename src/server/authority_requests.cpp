#include "server/authority_requests.h"

#include "base/try.h"
#include "sealmq/complaint.h"

namespace sealmq::server {

void AuthorityRequests::saw(const std::string& author, std::string_view misuse, Now now, const std::function<Buffer()>& show) {
  const std::lock_guard lock(mutex_);
  const auto last = last_.find(author);
  if (last != last_.end() && now.steady < last->second + interval) return;
  if (waiting_.size() >= most_waiting) return;
  last_[author] = now.steady;  // whatever comes of it: looking costs something
  Buffer evidence = show();
  if (evidence.empty()) return;
  waiting_.push_back({std::move(evidence), std::string(misuse)});
}

Result<std::vector<Buffer>> AuthorityRequests::sign(KeyStore& broker, Now now) {
  std::vector<Seen> seen;
  {
    const std::lock_guard lock(mutex_);
    seen.swap(waiting_);
  }
  std::vector<Buffer> requests;
  for (const Seen& one : seen) requests.push_back(TRY(sign_complaint(one.evidence, one.reason, broker, now)));
  return requests;
}

}  // namespace sealmq::server
