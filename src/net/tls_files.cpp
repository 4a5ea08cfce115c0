#include "net/tls_files.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/descriptor.h"
#include "base/error_text.h"
#include "base/text.h"
#include "base/try.h"

namespace sealmq::net {
namespace {

constexpr std::size_t least_psk = 16, most_psk = 64;
constexpr std::size_t longest_identity = 128;  // that OpenSSL hands on

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Result<> check_readable(const std::string& path, bool is_secret) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return fail(Blame::environment, "cannot read " + path + ": " + error_text(errno));
  struct stat about {};
  if (::fstat(file.number(), &about) != 0) return fail(Blame::environment, "cannot read " + path + ": " + error_text(errno));
  if (is_secret && (about.st_mode & S_IROTH) != 0)
    return fail(Blame::environment, "everybody on this machine can read " + path + "\nhint: chmod o= " + path);
  return {};
}

Failure not_taken(const std::string& path, const WantedFile& wanted, const std::string& otherwise) {
  const std::string text = read_file(path);
  const auto checked = check_file(path, text, wanted);
  return checked ? tls_failure(Blame::caller_misused, otherwise) : Failure(checked.error());
}

Result<> use_certificate(SSL_CTX* context, const std::string& cert, const std::string& key) {
  TRY(check_readable(cert, false));
  TRY(check_readable(key, true));
  // Without this a key with a password would be asked for at the terminal.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, cert.c_str()) != 1)
    return not_taken(cert, wants_certificate, cert + " is no certificate in PEM");
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(context) != 1)
    return not_taken(key, wants_tls_key, key + " is not the private key for " + cert + ", in PEM and without a password");
  return {};
}

Result<Secret> parse_psk(std::string_view hex) {
  const auto key = from_hex(hex);
  if (!key || key->size() < least_psk || key->size() > most_psk)
    return fail(Blame::caller_misused, "a pre-shared key is " + std::to_string(2 * least_psk) + " to " +
                                           std::to_string(2 * most_psk) + " hexadecimal digits");
  return Secret(*key);
}

Result<PskTable> parse_psk_file(std::string_view text, const std::string& path) {
  PskTable keys;
  LineReader lines(text);
  while (const auto whole = lines.next()) {
    const std::string_view line = trimmed(*whole);
    if (line.empty() || line.starts_with('#')) continue;

    const auto refused = [&](const std::string& why) {
      return fail(Blame::caller_misused,
                  std::string(path).append(":").append(std::to_string(lines.number())).append(": ").append(why));
    };
    const std::size_t colon = line.rfind(':');
    if (colon == line.npos || colon == 0 || colon > longest_identity || !is_mqtt_utf8(line.substr(0, colon)))
      return refused("expected identity:key");
    auto key = parse_psk(line.substr(colon + 1));
    if (!key) return refused(key.error().what);
    if (!keys.emplace(line.substr(0, colon), *std::move(key)).second) return refused("this identity has a key already");
  }
  if (keys.empty()) return fail(Blame::caller_misused, path + " holds no identity:key");
  return keys;
}

Result<PskTable> read_psk_file(const std::string& path) {
  TRY(check_readable(path, true));
  const Secret text(as_bytes(read_file(path)));
  TRY(check_file(path, as_text(text.reveal()), wants_psk_list));
  return parse_psk_file(as_text(text.reveal()), path);
}

}  // namespace sealmq::net
