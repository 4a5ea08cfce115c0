#include "keystore/file_access.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/descriptor.h"
#include "base/error_text.h"
#include "base/owned_file.h"
#include "base/try.h"

namespace sealmq {
namespace {

constexpr mode_t others = S_IRWXG | S_IRWXO;

Failure trouble(std::string_view doing, const std::string& path) {
  return fail(Blame::environment, std::string(doing) + " " + path + ": " + error_text(errno));
}

/// The name of a new file is on the disk only when its folder is.
Result<> keep_name(const std::string& path) {
  const Descriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open() || ::fsync(folder.number()) != 0) return trouble("cannot write the folder of", path);
  return {};
}

Result<> write_all(const Descriptor& file, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const auto written = ::write(file.number(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return trouble("cannot write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file.number()) != 0) return trouble("cannot write", path);
  return {};
}

Result<Secret> read_all(const Descriptor& file, const std::string& path, std::size_t longest) {
  Buffer content(longest + 1);  // one allocation, so that no copy of a secret is left behind
  std::size_t size = 0;
  while (size < content.size()) {
    const auto got = ::read(file.number(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return trouble("cannot read", path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  content.resize(size);
  Secret secret(std::move(content));
  if (size > longest) return fail(Blame::caller_misused, path + " is too long to be what it should be");
  return secret;
}

/// So that a service that reads it, by its user or by its group, can go on to.
bool keep_owner(const Descriptor& file, const struct stat& before) {
  struct stat made {};
  if (::fstat(file.number(), &made) != 0) return false;
  const bool is_same = made.st_uid == before.st_uid && made.st_gid == before.st_gid;
  return (is_same || ::fchown(file.number(), before.st_uid, before.st_gid) == 0) &&
         ::fchmod(file.number(), (made.st_mode & 07777) | (before.st_mode & S_IRGRP)) == 0;
}

/// `before`: what it is to take the place of; null: nothing.
Result<> write_new(const std::string& path, std::string_view text, Audience audience, const struct stat* before) {
  const Descriptor file = make_file(path, O_WRONLY, audience == Audience::owner ? 0600 : 0644);
  if (!file.is_open()) {
    if (errno == EEXIST) return fail(Blame::caller_misused, path + " is there already and is not overwritten");
    return trouble("cannot make", path);
  }
  auto written = before == nullptr || keep_owner(file, *before) ? write_all(file, text, path)
                                                                : trouble("cannot keep the owner of what was", path);
  if (written) written = keep_name(path);
  if (!written) ::unlink(path.c_str());  // ours, and nobody has used it yet
  return written;
}

/// After which may_own_private_file() takes it. Root's commands leave it to the service whose folder it is in.
std::string how_to_own(const std::string& path, const std::optional<Owner>& user_of_folder) {
  const bool is_root = ::geteuid() == 0;
  const Owner us{::geteuid(), ::getegid()};
  const Owner& owner = is_root && user_of_folder ? *user_of_folder : us;
  return (is_root ? "chown " : "as root, chown ") + std::to_string(owner.user) + ":" + std::to_string(owner.group) + " " + path;
}

/// Without waiting, should the name be that of a pipe.
Result<Descriptor> open_to_read(const std::string& path, struct stat& found) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open() || ::fstat(file.number(), &found) != 0) return trouble("cannot read", path);
  if (!S_ISREG(found.st_mode)) return fail(Blame::caller_misused, path + " is not a file");
  return file;
}

}  // namespace

Result<> write_new_file(const std::string& path, std::string_view text, Audience audience) {
  return write_new(path, text, audience, nullptr);
}

Result<> replace_file(const std::string& path, std::string_view text, Audience audience) {
  struct stat before {};
  const bool is_there = ::lstat(path.c_str(), &before) == 0 && S_ISREG(before.st_mode);
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  TRY(write_new(fresh, text, audience, is_there ? &before : nullptr));
  if (::rename(fresh.c_str(), path.c_str()) != 0) return trouble("cannot write", path);
  return keep_name(path);
}

Result<Secret> read_private_file(const std::string& path, const WantedFile& wanted, std::size_t longest) {
  struct stat found {};
  const auto file = TRY(open_to_read(path, found));
  const bool is_open = (found.st_mode & others) != 0;
  auto content = read_all(file, path, longest);
  // What it is comes before who may read it: nobody shall close a file that is meant for all.
  if (content) TRY(check_file(path, as_text(content->reveal()), wanted));
  // Whose it is comes before its mode: somebody else's file, closed, could not be read at all.
  const auto user = user_of(folder_of(path));
  if (!may_own_private_file(found.st_uid, user ? user->user : 0, ::geteuid()))
    return fail(Blame::caller_misused, path + " belongs to another user, who can change it\nhint: " + how_to_own(path, user));
  const bool may_close = found.st_uid == ::geteuid() || ::geteuid() == 0;
  if (is_open)
    return fail(Blame::caller_misused, path + " can be read by other users\nhint: " +
                                           (may_close ? "" : how_to_own(path, user) + "; ") + "chmod 600 " + path);
  return content;
}

bool may_own_private_file(unsigned owner, unsigned user_of_folder, unsigned we) {
  return owner == we || owner == 0 || owner == user_of_folder;
}

Result<Secret> read_mounted_file(const std::string& path, const WantedFile& wanted, Audience readers, std::size_t longest) {
  struct stat found {};
  const auto file = TRY(open_to_read(path, found));
  constexpr mode_t writers = S_IWUSR | S_IWGRP | S_IWOTH;
  if (found.st_uid != 0 && found.st_uid != ::geteuid() && ::geteuid() != 0)
    return fail(Blame::caller_misused, path + " belongs to another user, who can change it");
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(Blame::caller_misused, "others can change " + path + "\nhint: chmod go-w " + path);
  if ((found.st_mode & S_IROTH) != 0 && (readers != Audience::everybody || (found.st_mode & writers) != 0))
    return fail(Blame::caller_misused, "everybody on this machine can read " + path + "\nhint: chmod o= " + path);
  auto content = read_all(file, path, longest);
  if (content) TRY(check_file(path, as_text(content->reveal()), wanted));
  return content;
}

Result<std::string> read_public_file(const std::string& path, const WantedFile& wanted) {
  struct stat found {};
  const auto file = TRY(open_to_read(path, found));
  const auto content = TRY(read_all(file, path, longest_key_file));
  TRY(check_file(path, as_text(content.reveal()), wanted));
  return std::string(as_text(content.reveal()));
}

bool exists(const std::string& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0;
}

}  // namespace sealmq
