// Who owns what is made in a folder. An administrator's commands run as root, and a service that is not root has to be able to
// work on with what they leave behind: whatever root makes belongs to the user of the folder in which it lies.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

#include "base/descriptor.h"

namespace sealmq {

struct Owner {
  uid_t user;
  gid_t group;
};
/// Whose a folder is: its owner's. Where its group may write, and not everybody, as in the volume of a container whose user has
/// another number each time, whose the `broker.key` in it is; then empty: whoever makes that.
std::optional<Owner> user_of(const std::string& folder);

/// `a/b` lies in `a/`, and `b` in `.`.
std::string folder_of(const std::string& path);

/// As open() with O_CREAT | O_EXCL, and errno: something that is there already, a link included, is EEXIST.
Descriptor make_file(const std::string& path, int flags, mode_t mode = 0600);
/// A file that is there is opened as it is, unless it is a link; its owner stays.
Descriptor open_or_make_file(const std::string& path, int flags);
/// 0700. False with errno; one that is there already is as good.
bool make_folder(const std::string& path);

}  // namespace sealmq
