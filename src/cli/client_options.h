// The options of commands that connect, spelled as mosquitto_pub and mosquitto_sub spell them.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "sealmq/client_types.h"

namespace sealmq::cli {

struct ClientOptions {
  std::string url;
  std::string host = "localhost";
  std::uint16_t port = 0;  // not given
  std::string unix_socket;
  std::string proxy;
  std::string bind_address;
  TlsOptions tls;
  std::string client_id;
  std::string client_id_prefix;
  std::uint16_t keep_alive = 60;
  std::string version = "5";
  int qos = 0;
  bool no_clean = false;
  std::int64_t session_expiry = -1;  // not given
  std::string user_name;
  std::string password;
  std::string password_file;
  bool plain_login = false;
  std::string hop;
  std::string will_topic;
  std::string will_payload;
  int will_qos = 0;
  bool will_retain = false;
  std::string scheme;
  std::string key;
  std::string broker_key;
  std::string topic_keys;
  bool names_topic_keys = false;   // otherwise it is the usual folder, or that of the environment
  std::vector<std::string> peers;  // NAME.pub files
  std::string peers_option;        // --to or --from
  bool unproved = false;           // those files may be without a proof
  std::string authority;           // authority.pub
  std::uint64_t max_age = 600;     // seconds
  std::string authority_log = "./sealmq-log";
  std::vector<std::string> scheme_options;
};

/// -h, -p, -L and --unix.
void add_address_options(Command& command, ClientOptions& options);
void add_tls_options(Command& command, ClientOptions& options);
/// Options of TLS ask for TLS, and so does its port, as they do with mosquitto_pub.
std::string url_of(const ClientOptions& options);
/// `peers` is what the subcommand calls the other ends: "--to" or "--from".
void add_client_options(Command& command, ClientOptions& options, const char* peers);
/// What mosquitto_pub and mosquitto_sub take beside, and the two of mosquitto that ask for less noise or more.
struct Habits {
  bool debug = false;
  bool quiet = false;
  bool no_delay = false;
};
void add_habits(Command& command, Habits& habits, ClientOptions& options);
/// The exit code of an error of Client, which is told unless quiet.
int finish_client(const Error& error, const ClientOptions& options, const Habits& habits);

/// Of those whose sessions last: whether the broker keeps it, and the Will.
void add_session_options(Command& command, ClientOptions& options);

/// Reads the files that are named, and warns about what is unsafe. Errors: caller_misused, also for what the scheme has no use
/// for.
Result<ConnectOptions> connect_options(const ClientOptions& options);
/// For commands whose messages protect themselves: without a scheme. `own`: options that go with a scheme elsewhere and that the
/// command has its own use for; others are errors, caller_misused.
Result<ConnectOptions> plain_connect_options(ClientOptions options, const std::vector<std::string_view>& own = {});

/// The topic in a -L URL; empty if it names none.
Result<std::string> topic_of_url(const ClientOptions& options);

/// A line on standard error; with `json` it is an object.
void print_refused(const RefusedMessage& refused, bool json);

/// An error of Client, with what a person can do about it.
Failure with_hint(const Error& error, const ClientOptions& options);

}  // namespace sealmq::cli
