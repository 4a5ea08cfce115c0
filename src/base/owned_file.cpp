#include "base/owned_file.h"

#include <fcntl.h>

#include <cerrno>

namespace sealmq {
namespace {

struct Place {
  Descriptor folder;
  std::string name;
};

std::string without_slashes(const std::string& path) {
  return path.substr(0, path.find_last_not_of('/') + 1);
}

/// Held open, so that the folder whose owner is looked up is the one in which something is made.
Place place_of(const std::string& path) {
  return {Descriptor(::open(folder_of(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), path.substr(path.rfind('/') + 1)};
}

/// False: errno says why.
bool find_user(const Descriptor& folder, std::optional<Owner>& user) {
  struct stat found {
  }, key{};
  if (::fstat(folder.number(), &found) != 0) return false;
  // Where everybody may write, a `broker.key` tells nothing.
  const bool is_shared = (found.st_mode & (S_IWGRP | S_IWOTH)) == S_IWGRP;
  if (!is_shared)
    user = {found.st_uid, found.st_gid};
  else if (::fstatat(folder.number(), "broker.key", &key, AT_SYMLINK_NOFOLLOW) == 0)
    user = {key.st_uid, key.st_gid};
  return true;
}

/// `made` has just been made in `folder`. What is nobody's yet stays root's.
bool give_to_user(const Descriptor& folder, const Descriptor& made) {
  std::optional<Owner> user;
  if (::geteuid() != 0) return true;
  return find_user(folder, user) && (!user || ::fchown(made.number(), user->user, user->group) == 0);
}

/// Takes away what could not be given; errno stays.
Descriptor take_back(const Place& at, int flags) {
  const int error = errno;
  ::unlinkat(at.folder.number(), at.name.c_str(), flags);
  errno = error;
  return {};
}

}  // namespace

std::optional<Owner> user_of(const std::string& folder) {
  std::optional<Owner> user;
  const Descriptor opened(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (opened.is_open()) find_user(opened, user);
  return user;
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

Descriptor make_file(const std::string& path, int flags, mode_t mode) {
  const Place at = place_of(path);
  if (!at.folder.is_open()) return {};
  Descriptor file(::openat(at.folder.number(), at.name.c_str(), flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  return !file.is_open() || give_to_user(at.folder, file) ? std::move(file) : take_back(at, 0);
}

Descriptor open_or_make_file(const std::string& path, int flags) {
  for (;;) {
    Descriptor file(::open(path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC));
    if (file.is_open() || errno != ENOENT) return file;
    file = make_file(path, flags);
    if (file.is_open() || errno != EEXIST) return file;
  }
}

bool make_folder(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0) return true;
  const Place at = place_of(without_slashes(path));
  if (!at.folder.is_open()) return false;
  if (::mkdirat(at.folder.number(), at.name.c_str(), 0700) != 0) return errno == EEXIST;
  const Descriptor made(::openat(at.folder.number(), at.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (made.is_open() && give_to_user(at.folder, made)) return true;
  take_back(at, AT_REMOVEDIR);
  return false;
}

}  // namespace sealmq
