// SessionStore: sessions, what they are owed, and retained messages, in SQLite. A group of batches is one transaction.
//
// What began and ended within a group never touches the file: a QoS 1 message that is stored for a subscriber and acknowledged by
// it a moment later costs nothing but the wait of its publisher.
//
// Messages are sealed before they reach the disk (MessageKeys).
#pragma once

#include <memory>
#include <string>

#include "broker/durability/changes.h"
#include "sealmq/keystore.h"
#include "server/message_keys.h"

namespace sealmq::server {

/// One thread at a time.
class SessionStore {
 public:
  virtual ~SessionStore() = default;

  /// Everything that was written and has not ended. Messages that cannot be read (another key, a scheme this build does not have)
  /// are left out and counted. Errors: environment.
  struct Loaded {
    broker::Restored restored;
    std::size_t unreadable = 0;
  };
  virtual Result<Loaded> load(Now now) = 0;

  /// A change that can never be written, whatever the disk does. It was left out, and with it all that was known of its session
  /// (0: it belongs to none).
  struct Refused {
    broker::Number session;
    std::string cause;
  };
  /// All or nothing but what is refused, and on the disk when it answers. Errors: environment; then nothing was written, and the
  /// same may be tried again.
  virtual Result<std::vector<Refused>> write(const std::vector<const broker::Batch*>& group, Now now) = 0;
};

/// Makes the file (0600) if it is missing. `key` and `random` outlive the store; the key is used on the thread that calls.
/// Another key for stored messages is made after `messages_per_key`. Errors: environment.
Result<std::unique_ptr<SessionStore>> open_session_store(const std::string& path, KeyStore& key, Random& random,
                                                         std::uint64_t messages_per_key = MessageKeys::messages_per_key);

}  // namespace sealmq::server
