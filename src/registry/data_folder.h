// The broker's data folder: what lies where, and whether a broker works in it.
#pragma once

#include <string>

#include "base/descriptor.h"
#include "sealmq/result.h"

namespace sealmq {

struct DataFolder {
  std::string path;

  std::string registry() const { return path + "/registry.db"; }
  std::string sessions() const { return path + "/sessions.db"; }
  std::string broker_key() const { return path + "/broker.key"; }
  std::string rabin_key() const { return path + "/rabin.key"; }
  std::string passwords() const { return path + "/passwords"; }
  std::string recoverable_passwords() const { return path + "/passwords-recoverable"; }
  std::string broker_pub() const { return path + "/broker.pub"; }
  std::string audit_log() const { return path + "/audit.log"; }
  std::string configuration() const { return path + "/sealmq.toml"; }
  std::string lock() const { return path + "/broker.lock"; }
};

/// Makes the folder (0700) if it is missing. Errors: environment.
Result<DataFolder> open_data_folder(const std::string& path);
/// Refuses a folder that is missing: for commands that only make sense where a broker has data. Errors: environment.
Result<DataFolder> find_data_folder(const std::string& path);

/// Held by a running broker, and let go by the system however the process ends.
class DataFolderLock {
 public:
  explicit DataFolderLock(Descriptor file) : file_(std::move(file)) {}

 private:
  Descriptor file_;
};

/// Makes the file (0600) if it is missing. An error, in the words of `taken`, if somebody holds it, also in this process.
Result<DataFolderLock> lock_file(const std::string& path, const std::string& taken);
/// Only looks.
bool is_locked(const std::string& path);

/// An error if another broker works in this folder, also one in this process.
Result<DataFolderLock> lock_data_folder(const DataFolder& folder);

/// Only looks: never keeps a broker from starting.
bool broker_runs(const DataFolder& folder);

}  // namespace sealmq
