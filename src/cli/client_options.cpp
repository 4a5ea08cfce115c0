#include "cli/client_options.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <limits>
#include <utility>

#include "base/text.h"
#include "base/try.h"
#include "cli/ask_pin.h"
#include "cli/command.h"
#include "cli/key_options.h"
#include "client/open_scheme.h"
#include "keystore/file_access.h"
#include "net/address.h"
#include "net/url.h"
#include "sealmq/scheme.h"

namespace sealmq::cli {
namespace {

Result<mqtt::Version> version_from(std::string_view text) {
  if (text == "5" || text == "mqttv5") return mqtt::Version::v5;
  if (text == "311" || text == "3.1.1" || text == "mqttv311") return mqtt::Version::v3_1_1;
  if (text == "31" || text == "3.1" || text == "mqttv31") return mqtt::Version::v3_1;
  return fail_with_hint(Blame::caller_misused, "unknown version " + printable(text), "-V 5, -V 311 or -V 31");
}

void warn_of_hazards(const std::string& name) {
  const Scheme* scheme = find_scheme(name);
  if (scheme == nullptr || scheme->info->profile != Profile::paper) return;
  std::string text = "warning: " + name + " is for study, not for use";
  for (auto hazard : scheme->info->hazards) text.append("\n  - ").append(hazard);
  notice(text);
}

std::vector<Named> named_by(const ClientOptions& options) {
  std::vector<Named> named;
  if (!options.key.empty()) named.push_back(Named::key);
  if (!options.broker_key.empty()) named.push_back(Named::broker_key);
  if (!options.peers.empty()) named.push_back(options.peers_option == "--to" ? Named::readers : Named::authors);
  if (options.names_topic_keys) named.push_back(Named::topic_keys);
  return named;
}

/// NAME=@FILE, by name.
Result<SchemeOptions> scheme_options(const ClientOptions& options) {
  SchemeOptions read;
  for (const auto& option : options.scheme_options) {
    const auto equals = option.find("=@");
    if (equals == option.npos)
      return fail(Blame::caller_misused, "--scheme-option is NAME=@FILE, not " + printable(option.substr(0, option.find('='))));
    const Secret value = TRY(read_private_file(option.substr(equals + 2), wants_scheme_option, 64 * 1024));
    read[option.substr(0, equals)] = trimmed(as_text(value.reveal()));
  }
  return read;
}

Result<Secret> password_of(const ClientOptions& options) {
  if (options.password_file.empty()) return Secret(as_bytes(options.password));
  const Secret text = TRY(read_private_file(options.password_file, wants_password));
  const auto line = as_text(text.reveal());
  return Secret(as_bytes(line.substr(0, line.find_first_of("\r\n"))));
}

HopWish hop_wish(std::string_view text) {
  if (text == "none") return HopWish::none;
  if (text == "hpp1") return HopWish::hpp1;
  if (text == "ratchet") return HopWish::ratchet;
  return text == "hrl1" ? HopWish::hrl1 : HopWish::automatic;
}

bool is_here(const ClientOptions& options) {
  if (!options.unix_socket.empty()) return true;
  const auto url = net::parse_url(url_of(options));
  return url && (url->transport == net::Transport::unix_socket || url->host == "localhost" || net::is_loopback(url->host));
}

/// The broker does not tell why it refuses; these are the usual causes, the most frequent first.
std::string hint_of_refusal(const ClientOptions& options, bool is_login) {
  const bool is_plain = options.scheme.empty() || options.scheme == "plain";
  const bool has_name = !options.user_name.empty() || options.url.find('@') != std::string::npos;
  const Scheme* scheme = find_scheme(options.scheme);
  const bool is_login_of_scheme =
      scheme != nullptr && !options.plain_login && (scheme->info->has_login || !scheme->info->needs_login.empty());
  if (is_login && has_name && is_login_of_scheme)
    return "is the name on the broker's list, with these keys? sealmq identity list, at the broker; or its password is wrong, or "
           "--broker-key is of another broker";
  if (is_login && has_name) return "is the password right? sealmq identity password NAME, at the broker, sets it";
  if (is_login && is_plain) return "this listener wants a login: -u NAME --password-file FILE, or --scheme NAME --key FILE";
  if (is_plain && has_name)
    return "sealmq identity list, at the broker, shows what each name may do; its policy may want --scheme NAME --key FILE";
  if (is_plain) return "the broker may want --scheme NAME --key FILE for this topic, or be started with --allow-plain";
  if (scheme != nullptr && scheme->info->claims.confidentiality == Confidentiality::end_to_end)
    return "does a [[topic]] row of the broker's configuration take " + options.scheme +
           " there? whoever logs in needs rights too: sealmq identity list, at the broker";
  return "is this machine's clock right (date -u; 30 s off is too much)? else its rights: sealmq identity list, at the broker; "
         "or --broker-key is of another broker";
}

}  // namespace

std::string url_of(const ClientOptions& options) {
  if (!options.url.empty()) return options.url;
  if (!options.unix_socket.empty()) return std::string(net::prefix(net::Transport::unix_socket)) + options.unix_socket;
  constexpr std::uint16_t tls_port = 8883;
  const bool with_tls = options.port == tls_port || options.tls != TlsOptions();
  const std::uint16_t port = options.port != 0 ? options.port : with_tls ? tls_port : 1883;
  const std::string host = options.host.find(':') == options.host.npos ? options.host : "[" + options.host + "]";
  return std::string(net::prefix(with_tls ? net::Transport::tls : net::Transport::tcp)) + host + ":" + std::to_string(port);
}

void add_address_options(Command& command, ClientOptions& options) {
  command.heading("Connection");
  auto* host = command.option("-h,--host", options.host, "HOST", "the broker")->capture_default_str();
  auto* port = command.option("-p,--port", options.port, "PORT", "its port: 1883, or 8883 with TLS")->check(within(1, 65535));
  auto* url = command.option("-L,--url", options.url, "URL",
                             "mqtt://USER:PASSWORD@HOST:PORT/TOPIC instead of -h, -p, -u, -P and -t; mqtts:// with TLS, "
                             "ws://HOST:PORT/mqtt and wss:// over WebSocket, unix:/PATH for a socket of this machine");
  auto* local = command.option("--unix", options.unix_socket, "FILE", "the same as -L unix:FILE");
  command
      .option("--proxy", options.proxy, "URL",
              "connects by this SOCKS5 proxy: socks5h://USER:PASSWORD@HOST:PORT, user and password if it wants them; socks5:// "
              "where names are looked up here")
      ->envname("SEALMQ_PROXY");
  for (auto* other : {host, port, local}) url->excludes(other);
  command.take_profile();
}

void add_tls_options(Command& command, ClientOptions& options) {
  command.heading("TLS");
  command.option("--cafile", options.tls.ca_file, "FILE",
                 "who may have signed the broker's certificate; on mqtts:// and wss:// without it: whom this system trusts");
  command.option("--capath", options.tls.ca_folder, "DIR", "the same, a folder of such certificates");
  command.option("--tls-cert,--cert", options.tls.cert, "FILE", "your certificate (--key is NAME.key here, not its key)");
  command.option("--tls-key", options.tls.key, "FILE", "its private key");
  command.flag("--insecure", options.tls.insecure, "does not check that the certificate is for this host");
  command.option("--pin", options.tls.pins, "SHA256",
                 "hash of the broker's public key, or of one that signed it, in hexadecimal or as curl writes it; one of those "
                 "given must be met, so name the next key too");
  command.choice("--ocsp", options.tls.ocsp, {"off", "prefer", "require"},
                 "whether the broker's certificate must come with its authority's word that it is not revoked (off)");
  command.option("--psk", options.tls.psk, "HEX", "a pre-shared key instead of certificates")->envname("SEALMQ_PSK");
  command.option("--psk-identity", options.tls.psk_identity, "NAME", "whose it is");
  command.flag("--psk-raw", options.tls.psk_is_raw, "the key as it is, as brokers other than SealMQ want it");
  command.choice("--tls-groups", options.tls.groups, {"default", "both", "classic"},
                 "of the key exchange: with ML-KEM-768 where OpenSSL has it, with both shares at once, or without it");
  command.choice("--tls-version", options.tls.version, {"tlsv1.2", "tlsv1.3"}, "at least this one (tlsv1.2)");
  command.option("--tls-alpn", options.tls.alpn, "NAME", "the protocol to name (mqtt; http/1.1 on wss://)");
}

void add_client_options(Command& command, ClientOptions& options, const char* peers) {
  add_address_options(command, options);
  command.option("-A", options.bind_address, "ADDRESS", "an address of this machine to connect from, where it has several");
  command.option("-i,--id", options.client_id, "ID", "client id; without, the broker chooses one");
  command.option("-k,--keepalive", options.keep_alive, "SECONDS", "keep-alive")->capture_default_str();
  command.option("-V,--protocol-version", options.version, "5|311|31", "MQTT version")->capture_default_str();

  command.heading("Protection");
  command.option("--scheme", options.scheme, "SCHEME", "protects every message by this scheme; without, plain MQTT");
  command.option("--key", options.key, "NAME.key",
                 "your private keys; or where they are, pkcs11:URI or pcsc:READER as in sealmq identity new --keystore");
  command.option("--broker-key", options.broker_key, "broker.pub", "tells the broker from others");
  command.option(peers, options.peers, "NAME.pub",
                 std::string_view(peers) == "--from"
                     ? "the other end, for end-to-end schemes; for others a publisher to accept, all others being refused"
                     : "the other end, for end-to-end schemes");
  add_topic_keys_option(command, options.topic_keys);
  options.peers_option = peers;
  add_unproved_option(command, options.unproved);
  command.option("--authority", options.authority, "authority.pub",
                 "a revocation authority, whose log is followed: what it has revoked or replaced counts no more");
  command.option("--max-age", options.max_age, "TIME", "how old its last word may be: s, m, h; 24h at most (10m)")
      ->needs("--authority")
      ->transform(time_span(1));
  command.option("--authority-log", options.authority_log, "DIR", "where it is kept how far that log had come")
      ->capture_default_str()
      ->envname("SEALMQ_AUTHORITY_LOG");
  command.option("--scheme-option", options.scheme_options, "NAME=@FILE",
                 "what a scheme's README asks for, such as sl2.capability, in a file for its owner only");

  add_tls_options(command, options);

  command.heading("Login");
  command.option("-u,--username", options.user_name, "NAME", "user name");
  auto* password = command.option("-P,--pw", options.password, "PASSWORD", "password; this machine's other users can see it")
                       ->envname("SEALMQ_PASSWORD");
  command.option("--password-file", options.password_file, "FILE", "the password is its first line; for its owner only")
      ->excludes(password);
  command.flag("--plain-login", options.plain_login,
               "user name and password go to the broker as MQTT has them, also with a scheme that logs in itself");
  command.choice(
      "--hop", options.hop, {"none", "hpp1", "ratchet", "hrl1"},
      "what protects the connection after such a login: nothing, the payloads of messages, each of them under a key of "
      "its own, or everything (hrl1, unless TLS does)");

  command.parse_complete_callback(
      [password, psk = command.option("--psk"), topic_keys = command.option("--topic-keys"), &command, &options] {
        options.names_topic_keys = command.is_typed(topic_keys);
        if (command.is_typed(psk))
          notice("warning: other users of this machine can read a key on the command line\nhint: set SEALMQ_PSK");
        if (command.is_typed(password))
          notice("warning: other users of this machine can read a password on the command line\nhint: set SEALMQ_PASSWORD");
      });
}

void add_session_options(Command& command, ClientOptions& options) {
  command.take_protection_from_profile();
  command.heading("Session");
  command.flag("-c,--no-clean,--disable-clean-session", options.no_clean, "keeps the session when disconnecting; needs -i");
  command.option("-x,--session-expiry-interval", options.session_expiry, "SECONDS", "how long the broker keeps the session")
      ->check(within(0, std::numeric_limits<std::uint32_t>::max()));
  command.heading("Will");
  command.option("--will-topic", options.will_topic, "TOPIC", "where the broker publishes if the connection is lost");
  auto* payload = command.option("--will-payload", options.will_payload, "TEXT", "what it publishes there");
  auto* qos = command.option("--will-qos", options.will_qos, "0|1|2", "with which quality of service")->check(within(0, 2));
  auto* retain = command.flag("--will-retain", options.will_retain, "and whether it keeps it");
  for (auto* of_will : {payload, qos, retain}) of_will->needs("--will-topic");
}

void add_habits(Command& command, Habits& habits, ClientOptions& options) {
  command.heading("Habits of mosquitto");
  command.option("-I,--id-prefix", options.client_id_prefix, "PREFIX", "client id: PREFIX and the number of this process")
      ->excludes(command.option("-i"));
  command.flag("-d,--debug", habits.debug, "says on standard error what it does, once the broker has answered");
  command.flag("--quiet", habits.quiet, "no messages of errors; the exit code tells");
  command.flag("--nodelay", habits.no_delay, "small packets are not held back; they never are");
}

int finish_client(const Error& error, const ClientOptions& options, const Habits& habits) {
  return habits.quiet ? exit_code_for(error.blame) : tell(with_hint(error, options).value());
}

void print_refused(const RefusedMessage& refused, bool json) {
  if (json)
    std::cerr << "{\"refused\":" + json_quoted(refused.topic) + ",\"why\":" + json_quoted(refused.why) + "}\n";
  else
    std::cerr << "refused: " + printable(refused.topic, 200) + ": " + refused.why + "\n";
}

Result<ConnectOptions> connect_options(const ClientOptions& options) {
  ConnectOptions connect;
  connect.url = url_of(options);
  connect.bind_address = options.bind_address;
  connect.tls = options.tls;
  connect.proxy = options.proxy;
  connect.client_id =
      options.client_id_prefix.empty() ? options.client_id : options.client_id_prefix + std::to_string(::getpid());
  connect.version = TRY(version_from(options.version));
  connect.keep_alive = std::chrono::seconds(options.keep_alive);
  connect.clean_start = !options.no_clean;
  if (options.no_clean && connect.client_id.empty())
    return fail_with_hint(Blame::caller_misused, "a session that is kept needs a name to be found by", "-i ID");
  const bool is_v5 = connect.version == mqtt::Version::v5;
  if (options.session_expiry >= 0 && !is_v5)
    return fail_with_hint(Blame::caller_misused, "-x is of MQTT 5; in MQTT 3 the broker decides how long it keeps a session",
                          "-V 5, or -c alone");
  if (options.session_expiry >= 0)
    connect.session_expiry = std::chrono::seconds(options.session_expiry);
  else if (options.no_clean && is_v5)
    connect.session_expiry = std::chrono::seconds(std::numeric_limits<std::uint32_t>::max());  // for ever
  connect.user_name = options.user_name;
  connect.password = TRY(password_of(options));
  connect.plain_login = options.plain_login;
  connect.hop = hop_wish(options.hop);
  if (!options.will_topic.empty())
    connect.will = WillMessage{options.will_topic, to_buffer(as_bytes(options.will_payload)),
                               static_cast<mqtt::QoS>(options.will_qos), options.will_retain};
  connect.scheme = options.scheme;
  connect.key_file = options.key;
  connect.ask_pin = pin_asker();
  connect.broker_key_file = options.broker_key;
  if (options.unproved && !options.broker_key.empty()) connect.broker = TRY(read_broker_identity(options.broker_key, true));
  connect.topic_keys = options.topic_keys;
  if (const Scheme* scheme = find_scheme(options.scheme); scheme == nullptr || !scheme->info->has_topic_keys)
    connect.topic_keys.clear();  // the usual folder
  for (const auto& file : options.peers) connect.peers.push_back(TRY(read_public_identity(file, options.unproved)));
  if (!options.authority.empty()) connect.authority = TRY(read_authority(options.authority));
  connect.max_age = std::chrono::seconds(options.max_age);
  if (connect.authority) connect.authority_log = options.authority_log;
  connect.on_notice = [](const std::string& line) { notice(line); };
  connect.scheme_options = TRY(scheme_options(options));
  TRY(check_uses(options.scheme, named_by(options), connect.scheme_options));
  warn_of_hazards(options.scheme);
  return connect;
}

Result<ConnectOptions> plain_connect_options(ClientOptions options, const std::vector<std::string_view>& own) {
  const auto take = [&](const char* name, auto& value) -> Result<> {
    const bool is_given = !std::exchange(value, {}).empty();
    if (!is_given || std::ranges::find(own, name) != own.end()) return {};
    return fail(Blame::caller_misused, std::string("this command has no use for ") + name);
  };
  TRY(take("--scheme", options.scheme));
  TRY(take("--key", options.key));
  TRY(take("--broker-key", options.broker_key));
  TRY(take(options.peers_option.c_str(), options.peers));
  TRY(take("--authority", options.authority));
  TRY(take("--scheme-option", options.scheme_options));
  std::string topic_keys = options.names_topic_keys ? options.topic_keys : "";
  TRY(take("--topic-keys", topic_keys));
  options.names_topic_keys = false;
  return connect_options(options);
}

Result<std::string> topic_of_url(const ClientOptions& options) {
  if (options.url.empty()) return std::string();
  const net::Url url = TRY(net::parse_url(options.url));
  const bool is_topic = url.transport == net::Transport::tcp || url.transport == net::Transport::tls;
  return is_topic ? url.path : std::string();
}

Failure with_hint(const Error& error, const ClientOptions& options) {
  auto hinted = [&](std::string_view hint) {
    Error told = error;
    told.what.append("\nhint: ").append(hint);
    return Failure(std::move(told));
  };
  const auto says = [&](std::string_view words) { return error.what.find(words) != std::string::npos; };
  if (says("\n")) return Failure(error);
  if (says("mismatch")) return hinted("the certificate is for another name: -h and -L take one that stands in it");
  if (says("certificate verify failed")) return hinted("--cafile FILE names who signed the broker's certificate");
  if (says("ended the handshake") || says("wrong version number"))
    return hinted("does this port speak TLS? without --cafile and -L mqtts:// plain MQTT is tried");
  if (says("closed the connection before any answer")) return hinted("is this a TLS port? --cafile FILE, or -L mqtts://HOST");
  if (error.what.starts_with("cannot connect to "))
    return hinted(is_here(options) ? "is a broker running there? sealmq broker starts one"
                                   : "is a broker running there, on this port?");
  if (error.what.starts_with("MQTT 3 has no ")) return hinted("-V 5");
  if (error.what.starts_with("no scheme is called ")) return hinted("sealmq version lists the schemes");
  if (error.blame == Blame::not_authorised) return hinted(hint_of_refusal(options, says("refused the connection")));
  return Failure(error);
}

}  // namespace sealmq::cli
