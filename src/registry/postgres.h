// PostgreSQL through libpq, with two things added: nothing waits for ever, and an answer is read strictly.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

struct pg_conn;
struct pg_result;

namespace sealmq::postgres {

/// How a connection is made: what the URL says, and what we add where it says nothing.
class Address {
 public:
  /// Errors: caller_misused: not a URL that libpq understands, or one that holds a password.
  static Result<Address> parse(const std::string& url);

  std::vector<std::string> words;   ///< of libpq's connection parameters
  std::vector<std::string> values;  ///< of each word
  std::string where;                ///< for people: host and database
};

/// A parameter of a statement, as the server reads it from text.
class Parameter {
 public:
  Parameter(std::string_view text) : text_(text) {}
  Parameter(const std::string& text) : text_(text) {}
  Parameter(const char* text) : text_(text) {}
  Parameter(std::uint64_t number) : text_(std::to_string(number)) {}
  Parameter(Bytes bytes);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// What a statement answered. Reading a field that is not what it is asked for is an error of the environment.
class Rows {
 public:
  explicit Rows(pg_result* result) : result_(result) {}

  int count() const;
  bool is_null(int row, int column) const;
  Result<std::string> text(int row, int column) const;
  Result<std::uint64_t> number(int row, int column) const;
  Result<Buffer> blob(int row, int column) const;

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

/// Why the last statement failed, as far as it decides what to do next.
enum class Trouble : std::uint8_t {
  none,
  conflict,  ///< with another transaction: the whole one may succeed when it is done again
  lost,      ///< there is no connection any more; what was not committed did not happen
  other,
};

/// One connection; one thread at a time. After Trouble::lost it is of no more use.
class Connection {
 public:
  static Result<Connection> open(const Address& address);

  /// One statement with $1, $2, … Errors: environment; caller_misused for a text that no UTF-8 database can hold.
  Result<Rows> run(const char* sql, std::span<const Parameter> parameters = {});
  template <class... Values>
  Result<Rows> query(const char* sql, const Values&... values) {
    const Parameter parameters[] = {Parameter(values)...};
    return run(sql, parameters);
  }
  Result<Rows> query(const char* sql) { return run(sql); }
  /// Several statements without parameters.
  Result<> execute(const char* sql);

  Trouble trouble() const { return trouble_; }

  /// True: somebody has notified a channel that this connection listens to, since the last call. Waits until `end` for it.
  Result<bool> wait_for_notice(std::chrono::steady_clock::time_point end);

 private:
  using Clock = std::chrono::steady_clock;
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  Connection(pg_conn* connection, std::string where) : connection_(connection), where_(std::move(where)) {}

  Result<Rows> answer(bool sent);
  Result<> wait_readable(Clock::time_point end);
  Failure lost(std::string_view what);
  bool take_notices();

  std::unique_ptr<pg_conn, Finish> connection_;
  std::string where_;
  Trouble trouble_ = Trouble::none;
};

}  // namespace sealmq::postgres
