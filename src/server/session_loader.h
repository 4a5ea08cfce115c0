// What a session store holds, read after a start.
#pragma once

#include "registry/sqlite.h"
#include "server/message_keys.h"
#include "server/session_store.h"

namespace sealmq::server {

/// Of a store in which every message is named by some row. Errors: environment.
Result<SessionStore::Loaded> load_sessions(sqlite::Database& database, MessageKeys& keys, Now now);

}  // namespace sealmq::server
