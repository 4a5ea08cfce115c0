// Files as the key store wants them: made once and never overwritten, for the owner only when they hold a secret, and small.
#pragma once

#include <string>
#include <string_view>

#include "base/file_kind.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq {

enum class Audience { owner, everybody };

inline constexpr std::size_t longest_key_file = 16 * 1024;

/// On the disk when it returns. Errors: caller_misused if something is there under this name, a link included; environment.
Result<> write_new_file(const std::string& path, std::string_view text, Audience audience);
/// In one step: whoever reads the file sees the old text or the new one. The owner and the group stay. Errors: environment.
Result<> replace_file(const std::string& path, std::string_view text, Audience audience);

/// Errors: caller_misused if the file is one of another kind (check_file()), if others may read or write it, if it belongs to
/// somebody else (may_own_private_file()), or if it is longer than `longest`; environment.
Result<Secret> read_private_file(const std::string& path, const WantedFile& wanted, std::size_t longest = longest_key_file);
/// As services get what their operator mounts, often through a link: the group may read it too, and with Audience::everybody, for
/// what only hashes protect, anybody, if nobody may write it. It is root's or our own. Errors: as read_private_file.
Result<Secret> read_mounted_file(const std::string& path, const WantedFile& wanted, Audience readers = Audience::owner,
                                 std::size_t longest = longest_key_file);
/// As read_private_file; it may be read by others.
Result<std::string> read_public_file(const std::string& path, const WantedFile& wanted);

/// Whose private files are taken: our own, root's, and those of whose the folder is that they are in (user_of()): a service's,
/// for root. Whoever else owns one can change it at will. Numbers of users.
bool may_own_private_file(unsigned owner, unsigned user_of_folder, unsigned we);

bool exists(const std::string& path);

}  // namespace sealmq
