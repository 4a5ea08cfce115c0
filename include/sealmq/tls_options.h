// TlsOptions: how a client knows its broker, and itself, on mqtts:// and wss://.
#pragma once

#include <string>
#include <vector>

#pragma GCC visibility push(default)
namespace sealmq {

struct TlsOptions {
  std::string
      ca_file{};  ///< PEM: who may have signed the broker's certificate; neither this nor ca_folder: whom the system trusts
  std::string ca_folder{};  ///< as c_rehash makes it
  std::string cert{};       ///< of this client, PEM, the chain after it; empty: none
  std::string key{};        ///< its private key; nobody but owner and group may be able to read it
  bool insecure = false;    ///< the name in the broker's certificate is not checked, only who signed it
  /// SHA-256 of the SubjectPublicKeyInfo of the broker's certificate or of one that signed it, as 64 hexadecimal digits or
  /// `sha256//` and base64. One of them must be met, beside everything else. Empty: none is asked for.
  std::vector<std::string> pins{};
  std::string ocsp{};          ///< what the authority says of the certificate now, from the broker: "off" (or empty), "prefer",
                               ///< "require"
  std::string psk{};           ///< a pre-shared key, hexadecimal, instead of certificates
  std::string psk_identity{};  ///< goes with it
  bool psk_is_raw = false;     ///< it is used as it is, as other programs do, not with a key derived for each version of TLS
  std::string version{};       ///< the least: "tlsv1.2" or "tlsv1.3"; empty: 1.2
  std::string groups{};        ///< of the key exchange: "default" (or empty), "both", "classic"; see docs/operations.md
  std::string alpn{};          ///< name of the protocol inside; empty: `mqtt`, or `http/1.1` on wss://
  bool operator==(const TlsOptions&) const = default;
};

}  // namespace sealmq
#pragma GCC visibility pop
