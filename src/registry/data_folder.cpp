#include "registry/data_folder.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/error_text.h"
#include "base/owned_file.h"
#include "base/try.h"

namespace sealmq {
namespace {

Failure trouble(const std::string& what) {
  return fail(Blame::environment, what + ": " + error_text(errno));
}

/// Locks of the open file, not of the process: they can be looked for without taking them, and two brokers in one process see
/// each other.
struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// As it can be typed: by its number where it has no name, as in a container.
std::string run_as(uid_t user) {
  passwd entry{};
  passwd* found = nullptr;
  char text[4096];
  if (::getpwuid_r(user, &entry, text, sizeof text, &found) == 0 && found != nullptr)
    return "runuser -u " + std::string(found->pw_name) + " -- sealmq …";
  return "setpriv --reuid " + std::to_string(user) + " --clear-groups sealmq …";
}

/// What somebody else leaves here would be closed to the broker. Root gives away what it makes.
Result<> need_its_user(const DataFolder& folder) {
  const uid_t me = ::geteuid();
  const auto user = user_of(folder.path);
  if (me == 0 || !user || me == user->user) return {};
  return fail(Blame::environment, folder.path + " belongs to another user\nhint: as root, or " + run_as(user->user));
}

}  // namespace

Result<DataFolder> open_data_folder(const std::string& path) {
  if (!make_folder(path)) return trouble("cannot make the data folder " + path);
  return find_data_folder(path);
}

Result<DataFolder> find_data_folder(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return trouble("cannot use the data folder " + path);
  if (!S_ISDIR(found.st_mode)) return fail(Blame::environment, path + " is not a folder");
  DataFolder folder{path};
  TRY(need_its_user(folder));
  return folder;
}

Result<DataFolderLock> lock_file(const std::string& path, const std::string& taken) {
  Descriptor file = open_or_make_file(path, O_RDWR);
  if (!file.is_open()) return trouble("cannot open " + path);
  auto lock = whole_file();
  if (::fcntl(file.number(), F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) return fail(Blame::environment, taken);
    return trouble("cannot lock " + path);
  }
  return DataFolderLock(std::move(file));
}

bool is_locked(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!file.is_open()) return false;
  auto lock = whole_file();
  return ::fcntl(file.number(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

Result<DataFolderLock> lock_data_folder(const DataFolder& folder) {
  return lock_file(folder.lock(), "another broker works in " + folder.path);
}

bool broker_runs(const DataFolder& folder) {
  return is_locked(folder.lock());
}

}  // namespace sealmq
