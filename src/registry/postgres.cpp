#include "registry/postgres.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/error_text.h"
#include "base/text.h"
#include "base/try.h"

namespace sealmq::postgres {
namespace {

using namespace std::chrono_literals;

// The server gives up first, and says why; our own patience is for a server that says nothing.
constexpr const char* session_settings =
    "SET statement_timeout = '5s'; SET lock_timeout = '4s'; SET idle_in_transaction_session_timeout = '5s'; "
    "SET standard_conforming_strings = on; SET bytea_output = 'hex'; SET search_path = sealmq";
constexpr auto patience = 7s;

struct Added {
  const char* word;
  const char* value;
};
constexpr Added additions[] = {{"connect_timeout", "3"}, {"tcp_user_timeout", "5000"}, {"application_name", "sealmq"}};

/// libpq ends its messages with a line end, and some have several lines.
std::string one_line(std::string_view message) {
  while (!message.empty() && message.back() == '\n') message.remove_suffix(1);
  std::string text(message);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// Also a list of hosts: each of them.
bool is_loopback(std::string_view hosts) {
  while (true) {
    const auto end = std::min(hosts.find(','), hosts.size());
    const auto host = hosts.substr(0, end);
    const bool is_127 = host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos;
    if (host != "localhost" && host != "::1" && !is_127 && !host.starts_with('/')) return false;
    if (end == hosts.size()) return true;
    hosts.remove_prefix(end + 1);
  }
}

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
struct FreeMemory {
  void operator()(char* memory) const { PQfreemem(memory); }
};

}  // namespace

Result<Address> Address::parse(const std::string& url) {
  // libpq would take anything else for a list of `word=value`.
  if (!url.starts_with("postgresql://") && !url.starts_with("postgres://"))
    return fail(Blame::caller_misused, "a registry is postgresql://USER@HOST/DATABASE");
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(PQconninfoParse(url.c_str(), &message));
  const std::unique_ptr<char, FreeMemory> owned(message);
  if (options == nullptr)
    return fail(Blame::caller_misused, "the URL of the registry: " + one_line(message != nullptr ? message : ""));

  Address address;
  const auto has = [&address](std::string_view word) {
    return std::find(address.words.begin(), address.words.end(), word) != address.words.end();
  };
  std::string host, database;
  bool is_near = true;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view word = option->keyword;
    if (word == "password")
      return fail(Blame::caller_misused,
                  "a password in the URL of the registry would stand in the list of processes\n"
                  "hint: ~/.pgpass holds it, or another file that ?passfile=FILE names");
    if (word == "host") host = option->val;
    if (word == "dbname") database = option->val;
    if ((word == "host" || word == "hostaddr") && !is_loopback(option->val)) is_near = false;
    address.words.emplace_back(word);
    address.values.emplace_back(option->val);
  }
  if (!has("host") && !has("hostaddr")) is_near = false;  // the environment may name one; a Unix domain socket ignores sslmode
  for (const Added& added : additions) {
    if (has(added.word)) continue;
    address.words.emplace_back(added.word);
    address.values.emplace_back(added.value);
  }
  // The last of two counts.
  address.words.emplace_back("client_encoding");
  address.values.emplace_back("UTF8");
  // Who can answer in the database's place decides who may do what. libpq's own default would take any answer.
  if (!is_near && !has("sslmode")) {
    address.words.emplace_back("sslmode");
    address.values.emplace_back("verify-full");
  }
  address.where = "the database " + (database.empty() ? std::string("of this user") : printable(database)) +
                  (host.empty() ? "" : " at " + printable(host));
  return address;
}

Parameter::Parameter(Bytes bytes) : text_("\\x" + to_hex(bytes)) {}

// -- answers -------------------------------------------------------------------------------------------------------------------

void Rows::Clear::operator()(pg_result* result) const {
  PQclear(result);
}

int Rows::count() const {
  return PQntuples(result_.get());
}

bool Rows::is_null(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}

Result<std::string> Rows::text(int row, int column) const {
  if (row >= count() || column >= PQnfields(result_.get()) || is_null(row, column))
    return fail(Blame::environment, "the registry is damaged: nothing where something must be");
  return std::string(PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column)));
}

Result<std::uint64_t> Rows::number(int row, int column) const {
  const auto digits = TRY(text(row, column));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size())
    return fail(Blame::environment, "the registry is damaged: not a number: " + printable(digits));
  return value;
}

Result<Buffer> Rows::blob(int row, int column) const {
  const auto field = TRY(text(row, column));
  auto bytes = field.starts_with("\\x") ? from_hex(std::string_view(field).substr(2)) : std::nullopt;
  if (!bytes) return fail(Blame::environment, "the registry is damaged: not a string of bytes");
  return *std::move(bytes);
}

// -- connections ---------------------------------------------------------------------------------------------------------------

void Connection::Finish::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Result<Connection> Connection::open(const Address& address) {
  std::vector<const char*> words, values;
  for (std::size_t i = 0; i < address.words.size(); ++i) {
    words.push_back(address.words[i].c_str());
    values.push_back(address.values[i].c_str());
  }
  words.push_back(nullptr);
  values.push_back(nullptr);
  Connection made(PQconnectdbParams(words.data(), values.data(), 0), address.where);
  pg_conn* const connection = made.connection_.get();
  if (connection == nullptr) return fail(Blame::environment, "no memory for a connection to " + address.where);
  if (PQstatus(connection) != CONNECTION_OK)
    return fail(Blame::environment, "cannot reach " + address.where + ": " + one_line(PQerrorMessage(connection)));
  PQsetNoticeProcessor(
      connection, [](void*, const char*) {}, nullptr);  // it would print them
  const char* encoding = PQparameterStatus(connection, "server_encoding");
  if (encoding == nullptr || std::string_view(encoding) != "UTF8")
    return fail(Blame::environment, address.where + " is not one of UTF-8");
  if (PQsetnonblocking(connection, 1) != 0) return fail(Blame::environment, "cannot use " + address.where);
  TRY(made.execute(session_settings));
  return made;
}

Failure Connection::lost(std::string_view what) {
  trouble_ = Trouble::lost;
  return fail(Blame::environment, "lost the connection to " + where_ + ": " + std::string(what));
}

Result<Rows> Connection::run(const char* sql, std::span<const Parameter> parameters) {
  std::vector<const char*> values;
  for (const Parameter& parameter : parameters) {
    // It would end there for the server.
    if (parameter.text().find('\0') != std::string::npos) {
      trouble_ = Trouble::other;
      return fail(Blame::caller_misused, "a text with a zero byte");
    }
    values.push_back(parameter.text().c_str());
  }
  return answer(PQsendQueryParams(connection_.get(), sql, static_cast<int>(values.size()), nullptr, values.data(), nullptr,
                                  nullptr, 0) == 1);
}

Result<> Connection::execute(const char* sql) {
  return answer(PQsendQuery(connection_.get(), sql) == 1).map([](const Rows&) {});
}

// All results are fetched, as libpq wants; the first error counts, or else the last result.
Result<Rows> Connection::answer(bool sent) {
  trouble_ = Trouble::none;
  if (!sent) return lost(one_line(PQerrorMessage(connection_.get())));
  const auto end = Clock::now() + patience;
  Rows last(nullptr);
  std::optional<Error> error;
  while (true) {
    while (PQflush(connection_.get()) == 1 || PQisBusy(connection_.get()) == 1) {
      TRY(wait_readable(end));
      if (PQconsumeInput(connection_.get()) != 1) return lost(one_line(PQerrorMessage(connection_.get())));
    }
    pg_result* const result = PQgetResult(connection_.get());
    if (result == nullptr) break;
    Rows rows(result);
    const auto status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
      last = std::move(rows);
      continue;
    }
    if (error) continue;
    const char* const field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string_view state = field != nullptr ? field : "";
    const bool is_conflict = state == "40001" || state == "40P01";
    const bool is_text = state == "22021" || state == "22P05";
    trouble_ = is_conflict ? Trouble::conflict : Trouble::other;
    const char* const primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    error = Error{is_text ? Blame::caller_misused : Blame::environment,
                  "cannot use " + where_ + ": " + one_line(primary != nullptr ? primary : PQresultErrorMessage(result))};
  }
  if (PQstatus(connection_.get()) != CONNECTION_OK)
    return lost(error ? error->what : one_line(PQerrorMessage(connection_.get())));
  if (error) return Failure(*std::move(error));
  return last;
}

Result<> Connection::wait_readable(Clock::time_point end) {
  pollfd socket{PQsocket(connection_.get()), POLLIN, 0};
  // What is still to be sent may wait for room; a second look after a moment is enough.
  const bool has_to_send = PQflush(connection_.get()) == 1;
  if (has_to_send) socket.events |= POLLOUT;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
  if (left <= 0ms) return lost("no answer within seven seconds");
  if (socket.fd < 0 || (::poll(&socket, 1, static_cast<int>(left.count())) < 0 && errno != EINTR)) return lost(error_text(errno));
  return {};
}

bool Connection::take_notices() {
  bool any = false;
  while (PGnotify* const notice = PQnotifies(connection_.get())) {
    PQfreemem(notice);
    any = true;
  }
  return any;
}

Result<bool> Connection::wait_for_notice(Clock::time_point end) {
  while (true) {
    if (PQconsumeInput(connection_.get()) != 1) return lost(one_line(PQerrorMessage(connection_.get())));
    if (take_notices()) return true;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left <= 0ms) return false;
    pollfd socket{PQsocket(connection_.get()), POLLIN, 0};
    if (::poll(&socket, 1, static_cast<int>(left.count())) < 0 && errno != EINTR) return lost(error_text(errno));
  }
}

}  // namespace sealmq::postgres
