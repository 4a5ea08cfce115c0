// TlsOptions: how a client knows its broker, and itself, on mqtts:// and wss://.
#pragma once

#include <string>

#pragma GCC visibility push(default)
namespace sealmq {

struct TlsOptions {
  std::string
      ca_file{};  ///< PEM: who may have signed the broker's certificate; neither this nor ca_folder: whom the system trusts
  std::string ca_folder{};     ///< as c_rehash makes it
  std::string cert{};          ///< of this client, PEM, the chain after it; empty: none
  std::string key{};           ///< its private key; nobody but owner and group may be able to read it
  bool insecure = false;       ///< the name in the broker's certificate is not checked, only who signed it
  std::string psk{};           ///< a pre-shared key, hexadecimal, instead of certificates
  std::string psk_identity{};  ///< goes with it
  std::string version{};       ///< the least: "tlsv1.2" or "tlsv1.3"; empty: 1.2
  std::string alpn{};          ///< name of the protocol inside; empty: none is named
  bool operator==(const TlsOptions&) const = default;
};

}  // namespace sealmq
#pragma GCC visibility pop
