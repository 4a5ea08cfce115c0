#include <mutex>
#include <thread>

#include "base/try.h"
#include "registry/postgres.h"
#include "registry/postgres_schema.h"
#include "registry/sql_registry.h"

namespace sealmq {
namespace {

using postgres::Address;
using postgres::Connection;
using postgres::Trouble;

constexpr int attempts = 8;  // of a transaction that conflicts with others

Result<Connection> connect(const Address& address) {
  auto connection = TRY(Connection::open(address));
  TRY(postgres::prepare_registry(connection));
  return connection;
}

Result<std::uint64_t> read_version(Connection& on) {
  const auto rows = TRY(on.query("SELECT version FROM sealmq.state"));
  return rows.number(0, 0);
}

/// What the work of a transaction answers.
template <class Work>
using Answer = std::invoke_result_t<const Work&, Connection&>;

class PostgresStore {
 public:
  using Session = Connection;

  static constexpr const char* moment = "clock_timestamp()";
  // A clock that was set back makes a silence of less than nothing.
  static constexpr const char* silence =
      "CASE WHEN seen IS NOT NULL THEN greatest(0, extract(epoch FROM clock_timestamp() - seen) * 1000)::bigint END";

  PostgresStore(Address address, Connection connection) : address_(std::move(address)), connection_(std::move(connection)) {}

  // Nobody else writes between the first statement and the commit; readers are not held up. What slips past the lock, such as a
  // change by hand, is found out by the isolation level, and the transaction done again.
  template <class Work>
  Answer<Work> write(const Work& work) {
    return transaction("BEGIN ISOLATION LEVEL SERIALIZABLE; LOCK TABLE sealmq.state IN EXCLUSIVE MODE", work);
  }
  template <class Work>
  Answer<Work> read(const Work& work) {
    return transaction("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY", work);
  }

  template <class Work>
  Answer<Work> write_lightly(const Work& work) {
    return write(work);
  }

  Result<std::uint64_t> version() { return read(read_version); }

  // The connection that listens is asked for the version, and not what the notice says: everybody may notify. It is asked at the
  // end of the wait too, because a connection can be cut off, or go through something that passes no notices on.
  Result<std::uint64_t> wait_for_change(std::uint64_t seen, std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    const std::lock_guard lock(listener_mutex_);
    auto result = wait_on_listener(seen, end);
    if (!result && listener_ && listener_->trouble() != Trouble::none) listener_.reset();
    return result;
  }

 private:
  Result<std::uint64_t> wait_on_listener(std::uint64_t seen, std::chrono::steady_clock::time_point end) {
    if (!listener_) {
      listener_.emplace(TRY(connect(address_)));
      TRY(listener_->execute("LISTEN sealmq"));
    }
    while (true) {
      const auto now = TRY(read_version(*listener_));
      if (now != seen || std::chrono::steady_clock::now() >= end) return now;
      TRY(listener_->wait_for_notice(end));
    }
  }

  template <class Work>
  Answer<Work> transaction(const char* begin, const Work& work) {
    const std::lock_guard lock(mutex_);
    for (int attempt = 1;; ++attempt) {
      const bool is_new = !connection_;
      if (is_new) connection_.emplace(TRY(connect(address_)));
      bool is_committing = false;
      auto result = attempt_transaction(*connection_, begin, work, is_committing);
      if (result) return result;
      const Trouble trouble = connection_->trouble();
      // It is kept only when it is certain that no transaction is open on it.
      if (trouble == Trouble::lost || !connection_->execute("ROLLBACK")) connection_.reset();
      if (trouble == Trouble::lost && is_committing)
        return fail(Blame::environment, result.error().what + "; it is not known whether the change was made");
      // One that was lost while it lay idle is found out only now.
      const bool was_idle = trouble == Trouble::lost && !is_new;
      if (!was_idle && (trouble != Trouble::conflict || attempt == attempts)) return result;
      if (!was_idle) std::this_thread::sleep_for(std::chrono::milliseconds(2 << attempt));
    }
  }

  template <class Work>
  static Answer<Work> attempt_transaction(Connection& on, const char* begin, const Work& work, bool& is_committing) {
    TRY(on.execute(begin));
    auto result = work(on);
    if (!result) return result;
    is_committing = true;
    TRY(on.execute("COMMIT"));
    return result;
  }

  const Address address_;
  std::mutex mutex_;
  std::optional<Connection> connection_;
  std::mutex listener_mutex_;
  std::optional<Connection> listener_;
};

}  // namespace

Result<std::unique_ptr<Registry>> open_postgres_registry(const std::string& url) {
  auto address = TRY(Address::parse(url));
  auto connection = TRY(connect(address));
  return std::make_unique<sql::SqlRegistry<PostgresStore>>(std::move(address), std::move(connection));
}

}  // namespace sealmq
