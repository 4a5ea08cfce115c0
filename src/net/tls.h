// TLS 1.2 and 1.3 as channels. Both ends' settings are made once from files and shared by all their connections; connections
// that exist keep the settings they began with.
//
// There is no menu of ciphers: forward secrecy and authenticated encryption, for pre-shared keys also what small devices have.
// Renegotiation, compression and early data are off. Session tickets are on, except where pre-shared keys are taken: a ticket
// does not say whose key it was. The key of the tickets lives as long as the settings, so that after a reload nobody comes back
// with a ticket on a certificate that has been revoked meanwhile.
#pragma once

#include <memory>
#include <string>

#include "net/channel.h"
#include "sealmq/tls_options.h"

namespace sealmq::net {

struct TlsServerFiles {
  std::string cert;  ///< PEM, the chain after it; may be empty if psk_file is not
  std::string key;   ///< PEM; nobody but owner and group may be able to read it
  std::string client_ca;
  std::string client_crl;  ///< for the clients' own certificates
  bool require_certificate = false;
  std::string psk_file;  ///< `identity:hex` on each line, '#' begins a comment
  bool operator==(const TlsServerFiles&) const = default;
};

/// Whether these go together; none of them is looked into. Errors: caller_misused.
Result<> check_together(const TlsServerFiles& files);

/// Any thread.
class TlsServer {
 public:
  /// Errors: environment (a file cannot be read), caller_misused (it holds something else, or does not fit).
  static Result<std::shared_ptr<const TlsServer>> load(const TlsServerFiles& files);
  virtual ~TlsServer() = default;
  virtual std::unique_ptr<Channel> accept() const = 0;
};

/// Any thread.
class TlsClient {
 public:
  /// Errors: as TlsServer::load.
  static Result<std::shared_ptr<const TlsClient>> load(const TlsOptions& options);
  virtual ~TlsClient() = default;
  /// `host` is what the broker's certificate has to be for: a name or an address.
  virtual std::unique_ptr<Channel> connect(const std::string& host) const = 0;
};

}  // namespace sealmq::net
