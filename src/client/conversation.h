// Conversation: what a scheme agrees on with the broker, under keys that end with the connection, or with partners through it. It
// decides what has to be asked, what may go out already and which subscriptions have been granted; ClientSession sends and
// receives.
//
// Schemes without such an ability, and no scheme at all, have no conversation: exists() tells, and nothing else is called then.
//
// One thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sealmq/scheme.h"

namespace sealmq {

/// Names what was asked for until its answer comes. Never 0, never used twice.
using Handle = std::uint64_t;

class Conversation {
 public:
  /// The scheme, which may be null, outlives it.
  explicit Conversation(ClientScheme* scheme) : scheme_(scheme), exists_(scheme != nullptr && !scheme->inboxes().empty()) {}
  bool exists() const { return exists_; }
  bool is_between_partners() const { return exists_ && scheme_->info().between_partners; }

  /// A connection has begun. Answers the filters under which answers will come, to be subscribed before anything else.
  std::vector<ClientScheme::Inbox> begin(Now now);
  /// What the broker is to be asked next; nothing: all that is needed has been asked. Errors end the connection.
  Result<std::optional<Request>> next_request(Now now) { return scheme_->next_request(now); }

  /// The payload as it goes out on this connection; nothing: something has to be agreed on first. An error: it will never go.
  Result<std::optional<Buffer>> protect(std::string_view topic, Bytes plaintext, Now now);
  bool may_publish(std::string_view topic, Now now) { return scheme_->may_publish(topic, now); }

  /// `handle` is answered by granted() or answered().
  Result<> subscribe(std::string_view filter, Handle handle, Now now);
  void unsubscribe(std::string_view filter) { scheme_->unsubscribe(filter); }

  /// The broker has answered a request. Answers the subscriptions that this grants or refuses.
  std::vector<Handle> answered(const Request& request, bool refused);
  /// A message of the broker says that it has granted the subscription to `filter`. Answers who waits for that.
  std::vector<Handle> granted(std::string_view filter);

 private:
  ClientScheme* scheme_;
  bool exists_;
  std::multimap<std::string, Handle, std::less<>> granting_;  // filters whose grant is awaited
};

}  // namespace sealmq
