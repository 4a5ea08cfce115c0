#include "client/conversation.h"

#include "base/try.h"

namespace sealmq {

std::vector<ClientScheme::Inbox> Conversation::begin(Now now) {
  scheme_->connected(now);
  return scheme_->inboxes();
}

Result<std::optional<Buffer>> Conversation::protect(std::string_view topic, Bytes plaintext, Now now) {
  if (!scheme_->may_publish(topic, now)) return std::optional<Buffer>();
  return std::optional<Buffer>(TRY(scheme_->protect(topic, plaintext, now)));
}

Result<> Conversation::subscribe(std::string_view filter, Handle handle, Now now) {
  TRY(scheme_->subscribe(filter, now));
  granting_.emplace(filter, handle);
  return {};
}

std::vector<Handle> Conversation::answered(const Request& request, bool refused) {
  if (refused) scheme_->request_refused(request);
  if (request.filter.empty() || (!refused && scheme_->confirms())) return {};
  return granted(request.filter);
}

std::vector<Handle> Conversation::granted(std::string_view filter) {
  auto [first, last] = granting_.equal_range(filter);
  std::vector<Handle> handles;
  for (auto at = first; at != last; ++at) handles.push_back(at->second);
  granting_.erase(first, last);
  return handles;
}

}  // namespace sealmq
