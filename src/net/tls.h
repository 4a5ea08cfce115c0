// TLS 1.2 and 1.3 as channels. Both ends' settings are made once from files and shared by all their connections; connections
// that exist keep the settings they began with.
//
// There is no menu of ciphers: forward secrecy and authenticated encryption, for pre-shared keys also what small devices have,
// if that is asked for. Renegotiation, compression and early data are off; TLS 1.2 needs the extended master secret. Session
// tickets are on, except where pre-shared keys are taken: they travel as names of such keys. Their key changes every twelve
// hours, belongs to one listener, and lives no longer than the settings. A ticket does not outlive the certificate it was given
// for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/channel.h"
#include "sealmq/tls_options.h"

namespace sealmq::net {

/// Names of files. PEM, if nothing else is said.
struct TlsCertificateFiles {
  std::string cert;           ///< the chain after it
  std::string key;            ///< nobody but owner and group may be able to read it
  std::string ocsp_response;  ///< DER: what the authority says of it, for clients who ask; empty: none
  bool operator==(const TlsCertificateFiles&) const = default;
};

/// Which key exchanges are offered, the first that the library knows: with ML-KEM-768 beside X25519, both shares at once, or
/// without ML-KEM.
enum class TlsGroups : std::uint8_t { standard, both, classic };
Result<TlsGroups> parse_groups(std::string_view word);

struct TlsServerSettings {
  std::vector<TlsCertificateFiles> certificates{};  ///< the one for the host that the client names, or else the first
  bool strict_names = false;                        ///< a name that none of them is for is refused
  std::string client_ca{};
  std::string client_crl{};  ///< for the clients' own certificates
  bool require_certificate = false;
  bool any_certificate = false;  ///< clients' certificates are taken for their keys alone, whoever signed them
  std::string psk_file{};        ///< `identity:hex` on each line, ` raw` behind it; '#' begins a comment
  bool legacy_psk_suites = false;
  std::string protocol = "mqtt";  ///< which a client that names protocols (ALPN) must name
  bool require_protocol = false;  ///< it must name some
  bool least_is_13 = false;       ///< TLS 1.2 is refused
  TlsGroups groups = TlsGroups::standard;
  bool operator==(const TlsServerSettings&) const = default;
};

/// Whether these go together; no file is looked into. Errors: caller_misused.
Result<> check_together(const TlsServerSettings& settings);

/// What is named (ALPN) where MQTT is not: on wss://.
inline constexpr const char* web_protocol = "http/1.1";

/// Any thread.
class TlsServer {
 public:
  /// Errors: environment (a file cannot be read), caller_misused (it holds something else, or does not fit).
  static Result<std::shared_ptr<TlsServer>> load(const TlsServerSettings& settings);
  virtual ~TlsServer() = default;
  virtual std::unique_ptr<Channel> accept() const = 0;
  /// Whether it would still be taken: the certificate has not run out, is on no list and is signed by who is trusted now, the
  /// pre-shared key is in the file, under its name.
  virtual bool still_counts(const TlsProof& proof) const = 0;
  /// Reads OCSP responses again that have changed. Errors: as load(); what was there before stays.
  virtual Result<> look_at_responses() = 0;
  /// The list of groups that this library took.
  virtual const char* groups() const = 0;
};

/// Any thread.
class TlsClient {
 public:
  /// `protocol` is what is named (ALPN) where the options do not. Errors: as TlsServer::load.
  static Result<std::shared_ptr<const TlsClient>> load(const TlsOptions& options, std::string_view protocol = "mqtt");
  virtual ~TlsClient() = default;
  /// `host` is what the broker's certificate has to be for: a name or an address.
  virtual std::unique_ptr<Channel> connect(const std::string& host) const = 0;
};

}  // namespace sealmq::net
