#include "net/tls_files.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/descriptor.h"
#include "base/error_text.h"
#include "base/text.h"
#include "base/try.h"

namespace sealmq::net {

Secret read_secret_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (!file.is_open() || ::fstat(file.number(), &about) != 0 || about.st_size < 0) return {};
  Buffer bytes(static_cast<std::size_t>(about.st_size));  // at once: what grows leaves copies behind
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t count = ::read(file.number(), bytes.data() + size, bytes.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    size += static_cast<std::size_t>(count);
  }
  bytes.resize(size);
  return Secret(std::move(bytes));
}

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
  const Secret text = read_secret_file(path);
  const auto checked = check_file(path, as_text(text.reveal()), wanted);
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

}  // namespace sealmq::net
