// What a file is, told by its content: so that a mix-up of files is called by its name, and no error repeats what a file holds.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "sealmq/result.h"

namespace sealmq {

enum class FileKind : std::uint8_t {
  unknown,           ///< or plain text, such as a password
  private_keys,      ///< NAME.key, broker.key, authority.key
  key_reference,     ///< NAME.key that says in which token or card the keys are
  rabin_keys,        ///< rabin.key
  topic_key,         ///< of a folder of topic keys
  exported_key,      ///< topic keys in JSON
  card,              ///< what a simulated card keeps
  other_secret,      ///< a SEALMQ-…-KEY- of a later version
  public_identity,   ///< NAME.pub, authority.pub
  broker_identity,   ///< broker.pub
  pem_private_key,   ///< alone or beside certificates
  pem_certificates,  ///< of any number
  pem_revocations,   ///< a CRL
  pem_other,         ///< a public key, parameters, a request
  evidence,          ///< of a message, or a complaint about one
  database,          ///< of SQLite
};

FileKind kind_of_file(std::string_view content);

/// Whether whoever reads it could act in somebody's name, or read what is not meant for him.
bool is_secret(FileKind kind);

/// What an option takes.
struct WantedFile {
  std::string_view words;  ///< "--broker-key wants the broker's broker.pub"
  std::array<FileKind, 4> kinds{};

  bool takes(FileKind kind) const;
};

inline constexpr WantedFile wants_private_keys{"--key wants NAME.key", {FileKind::private_keys, FileKind::key_reference}};
inline constexpr WantedFile wants_public_identity{"NAME.pub of an identity is wanted", {FileKind::public_identity}};
inline constexpr WantedFile wants_broker_identity{"--broker-key wants the broker's broker.pub", {FileKind::broker_identity}};
inline constexpr WantedFile wants_rabin_keys{"rabin.key is wanted", {FileKind::rabin_keys}};
inline constexpr WantedFile wants_topic_key{"a topic key is wanted", {FileKind::topic_key}};
inline constexpr WantedFile wants_card{"the file of a simulated card is wanted", {FileKind::card}};
inline constexpr WantedFile wants_evidence{"evidence of a message, or a complaint, is wanted", {FileKind::evidence}};
inline constexpr WantedFile wants_certificate{"a certificate in PEM is wanted",
                                              {FileKind::pem_certificates, FileKind::pem_private_key}};
inline constexpr WantedFile wants_revocations{"a revocation list in PEM is wanted", {FileKind::pem_revocations}};
inline constexpr WantedFile wants_tls_key{"a private key of TLS, in PEM, is wanted", {FileKind::pem_private_key}};
inline constexpr WantedFile wants_password{"a password is wanted, its first line", {}};
inline constexpr WantedFile wants_password_list{"the file that sealmq identity password writes is wanted", {}};
inline constexpr WantedFile wants_psk_list{"lines of identity:key are wanted", {}};
inline constexpr WantedFile wants_pin{"a PIN is wanted, its first line", {}};
inline constexpr WantedFile wants_ticket{"the code of a ticket is wanted, its first line", {}};
inline constexpr WantedFile wants_token{"a token of one word is wanted", {}};
inline constexpr WantedFile wants_configuration{"a configuration in TOML is wanted", {}};
/// What options of schemes may be: keys of others' software, in PEM.
inline constexpr WantedFile wants_scheme_option{"what the scheme's README asks for is wanted",
                                                {FileKind::pem_private_key, FileKind::pem_other, FileKind::pem_certificates}};
inline constexpr WantedFile wants_text{"plain text is wanted", {}};

/// Errors: caller_misused, if `content` is of a kind that is known and not wanted: "dev.key holds private keys; …".
Result<> check_file(const std::string& path, std::string_view content, const WantedFile& wanted);

/// For what is sent or sealed. Errors: caller_misused, if `content` is a secret.
Result<> check_no_secret(const std::string& path, std::string_view content);

}  // namespace sealmq
