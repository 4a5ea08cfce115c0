#include "registry/data_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/error_text.h"

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

}  // namespace

Result<DataFolder> open_data_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return trouble("cannot make the data folder " + path);
  return find_data_folder(path);
}

Result<DataFolder> find_data_folder(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return trouble("cannot use the data folder " + path);
  if (!S_ISDIR(found.st_mode)) return fail(Blame::environment, path + " is not a folder");
  return DataFolder{path};
}

Result<DataFolderLock> lock_file(const std::string& path, const std::string& taken) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
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
