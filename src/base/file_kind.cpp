#include "base/file_kind.h"

#include <algorithm>

#include "base/text.h"

namespace sealmq {
namespace {

struct Mark {
  std::string_view start;  ///< of a line
  FileKind kind;
};

/// Whatever stands at one of these marks its file, the first of them that is found. What goes wrong with a secret comes first.
constexpr Mark marks[] = {
    {"SEALMQ-SECRET-KEY-", FileKind::private_keys}, {"SEALMQ-RABIN-KEY-", FileKind::rabin_keys},
    {"SEALMQ-TOPIC-KEY-", FileKind::topic_key},     {"SEALMQ-CARD-", FileKind::card},
    {"keystore ", FileKind::key_reference},         {"sealmq-identity ", FileKind::public_identity},
};

bool has_line(std::string_view content, std::string_view start) {
  for (auto at = content.find(start); at != content.npos; at = content.find(start, at + 1))
    if (at == 0 || content[at - 1] == '\n') return true;
  return false;
}

/// SEALMQ-…-KEY- and so on, as every file with a secret has it (keystore/secret_text.h).
bool has_other_secret(std::string_view content) {
  LineReader lines(content);
  while (const auto line = lines.next())
    if (line->starts_with("SEALMQ-") && line->substr(0, line->find(' ')).find("-KEY-") != line->npos) return true;
  return false;
}

/// A frame of the framework's, hardened or as published (schemes/malina/revocation.h).
bool is_evidence(std::string_view content) {
  return content.starts_with("\x02\x53") || content.starts_with("\x02\x51") || content.starts_with("EVID_");
}

FileKind kind_of_pem(std::string_view content) {
  constexpr std::string_view begin = "-----BEGIN ";
  FileKind kind = FileKind::pem_other;
  LineReader lines(content);
  while (const auto line = lines.next()) {
    if (!line->starts_with(begin)) continue;
    if (line->find("PRIVATE KEY") != line->npos) return FileKind::pem_private_key;
    if (line->find("CERTIFICATE-----") != line->npos) kind = FileKind::pem_certificates;
    if (line->find("CRL") != line->npos && kind == FileKind::pem_other) kind = FileKind::pem_revocations;
  }
  return kind;
}

std::string_view described(FileKind kind) {
  switch (kind) {
    case FileKind::unknown:
      return "something else";
    case FileKind::private_keys:
      return "private keys";
    case FileKind::key_reference:
      return "the address of private keys";
    case FileKind::rabin_keys:
      return "the broker's private Rabin keys";
    case FileKind::topic_key:
    case FileKind::exported_key:
      return "the secret key of a topic";
    case FileKind::card:
      return "the secrets of a simulated card";
    case FileKind::other_secret:
      return "a secret of a kind that this version does not know";
    case FileKind::public_identity:
      return "the public keys of an identity";
    case FileKind::broker_identity:
      return "the public keys of a broker";
    case FileKind::pem_private_key:
      return "a private key in PEM, as TLS takes it";
    case FileKind::pem_certificates:
      return "certificates in PEM, as TLS takes them";
    case FileKind::pem_revocations:
      return "a revocation list in PEM, as TLS takes it";
    case FileKind::pem_other:
      return "something in PEM that is neither a certificate nor a private key";
    case FileKind::evidence:
      return "evidence of a message";
    case FileKind::database:
      return "a database";
  }
  return "something else";
}

}  // namespace

FileKind kind_of_file(std::string_view content) {
  if (is_evidence(content)) return FileKind::evidence;
  if (content.starts_with("SQLite format 3")) return FileKind::database;
  for (const Mark& mark : marks)
    if (has_line(content, mark.start)) return mark.kind;
  if (has_line(content, "-----BEGIN ")) return kind_of_pem(content);
  if (has_line(content, "broker ") && has_line(content, "ecdsa-p256 ")) return FileKind::broker_identity;
  if (content.starts_with("{\"filter\":\"") && content.find("\"key\":\"") != content.npos) return FileKind::exported_key;
  return has_other_secret(content) ? FileKind::other_secret : FileKind::unknown;
}

bool is_secret(FileKind kind) {
  switch (kind) {
    case FileKind::private_keys:
    case FileKind::rabin_keys:
    case FileKind::topic_key:
    case FileKind::exported_key:
    case FileKind::card:
    case FileKind::other_secret:
    case FileKind::pem_private_key:
      return true;
    default:
      return false;
  }
}

bool WantedFile::takes(FileKind kind) const {
  return kind == FileKind::unknown || std::ranges::find(kinds, kind) != kinds.end();
}

Result<> check_file(const std::string& path, std::string_view content, const WantedFile& wanted) {
  const FileKind kind = kind_of_file(content);
  if (wanted.takes(kind)) return {};
  return fail(Blame::caller_misused, path + " holds " + std::string(described(kind)) + "; " + std::string(wanted.words));
}

Result<> check_no_secret(const std::string& path, std::string_view content) {
  const FileKind kind = kind_of_file(content);
  if (!is_secret(kind)) return {};
  return fail(Blame::caller_misused, path + " holds " + std::string(described(kind)) +
                                         ", which is for nobody else\nhint: " + "standard input is not looked at: < " + path);
}

}  // namespace sealmq
