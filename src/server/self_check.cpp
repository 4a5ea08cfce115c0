#include "server/self_check.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/error_text.h"
#include "base/owned_file.h"
#include "base/text.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "net/address.h"
#include "registry/data_folder.h"
#include "registry/open_registry.h"
#include "registry/sqlite_schema.h"
#include "sealmq/keystore.h"
#include "sealmq/scheme.h"
#include "server/admin_listener.h"
#include "server/broker_topic_keys.h"
#include "server/clock.h"
#include "server/entrance.h"
#include "server/password_file.h"

namespace sealmq::server {
namespace {

constexpr mode_t others = S_IRWXG | S_IRWXO;
constexpr std::uint64_t little_space = 100u << 20;

void keep(std::vector<Problem>& problems, const Error& error, std::string next = {}) {
  problems.push_back({error.blame, error.what, std::move(next)});
}

/// A file that only its owner may get at; one that is missing is made at the first start.
void check_closed(std::vector<Problem>& problems, const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno != ENOENT) problems.push_back({Blame::environment, "cannot look at " + path + ": " + error_text(errno), ""});
    return;
  }
  if (!S_ISREG(found.st_mode)) problems.push_back({Blame::caller_misused, path + " is not a file", ""});
  if ((found.st_mode & others) != 0)
    problems.push_back({Blame::caller_misused, path + " can be read by other users", "chmod 600 " + path});
  const auto user = user_of(folder_of(path));
  if (user && user->user != found.st_uid)
    problems.push_back({Blame::environment, path + " does not belong to the user of its folder, who cannot work with it",
                        "chown " + std::to_string(user->user) + ":" + std::to_string(user->group) + " " + path});
  else if (::access(path.c_str(), R_OK | W_OK) != 0)
    problems.push_back({Blame::environment, "cannot work with " + path + ": " + error_text(errno), ""});
}

void check_passwords(std::vector<Problem>& problems, const std::string& path) {
  if (const auto passwords = read_passwords(path); !passwords) return keep(problems, passwords.error());
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0 && (found.st_mode & S_IROTH) != 0)
    problems.push_back(
        {Blame::caller_misused, "everybody on this machine can read the password hashes in " + path, "chmod 440 " + path, true});
}

/// Whether a certificate counts now; one that cannot be read is told by whoever loads it.
void check_term(std::vector<Problem>& problems, const std::string& path) {
  const auto term = net::read_term(path);
  const auto now = static_cast<std::int64_t>(system_now().wall / 1000);
  const std::string why = term ? net::why_not_now(path, *term, now) : std::string();
  if (!why.empty()) problems.push_back({Blame::environment, why, "", true});
}

void check_certificates(std::vector<Problem>& problems, const Listener& listener) {
  if (const auto tls = load_tls(listener); !tls) return keep(problems, tls.error());
  for (const std::string& path : certificates_of(listener)) check_term(problems, path);
}

void check_bridge_certificate(std::vector<Problem>& problems, const BridgeSettings& bridge) {
  if (bridge.cert.empty()) return;
  if (const auto term = net::read_term(bridge.cert); !term) return keep(problems, term.error());
  check_term(problems, bridge.cert);
}

void check_admin(std::vector<Problem>& problems, const Admin& admin) {
  if (admin.url.empty()) return;
  const auto address = parse_admin_url(admin.url);
  if (!address) keep(problems, address.error());
  if (!admin.token_file.empty()) {
    if (const auto token = read_token_file(admin.token_file); !token) keep(problems, token.error());
  } else if (address && !net::is_loopback(address->host)) {
    problems.push_back({Blame::caller_misused, "[admin] listens beyond this machine and needs a token_file",
                        "(umask 077; openssl rand -hex 32 > admin.token)"});
  }
}

/// Whether the broker learns who somebody is, by a message or by a login.
bool tells_identities(const Configuration& configuration) {
  const auto names_one = [&](const Scheme& scheme) {
    const SchemeInfo& its = *scheme.info;
    return (its.claims.revocable || its.names_ends || !its.needs_login.empty() || its.login_protects) &&
           is_named(configuration, its);
  };
  const auto asks = [&](const Listener& listener) { return !lets_in_anonymous(configuration, listener); };
  return std::ranges::any_of(all_schemes(), names_one) || std::ranges::any_of(configuration.listeners, asks);
}

void check_authority(std::vector<Problem>& problems, const Configuration& configuration) {
  if (configuration.authority.empty()) return;
  if (const auto authority = read_authority(configuration.authority); !authority) return keep(problems, authority.error());
  if (const auto file = read_identity_file(configuration.authority); file && file->proof.empty())
    problems.push_back({Blame::caller_misused, configuration.authority + " does not prove that its maker holds its keys",
                        "sealmq authority new, where the authority is, adds the proof to its authority.pub", true});
  if (const auto policy = make_policy(configuration); policy && !configuration.complaints.empty()) {
    const auto* rule = (*policy)->find(configuration.complaints);
    if (rule == nullptr || !rule->subscribe.contains(all_schemes().size() - 1))
      problems.push_back({Blame::caller_misused,
                          "nobody can read what the broker asks the authority: no [[topic]] row lets " +
                              printable(configuration.complaints) + " leave as plain MQTT",
                          "", true});
  }
  if (!tells_identities(configuration))
    problems.push_back(
        {Blame::caller_misused,
         "nothing would carry out the orders of the authority: no [[topic]] row names a scheme by which the broker "
         "learns who publishes, and no listener asks who its clients are",
         "sealmq version lists the schemes that are revocable", true});
}

/// What is asked of those on the list. One of an older program is left alone: looking would migrate it.
void check_list(std::vector<Problem>& problems, const Configuration& configuration) {
  const DataFolder folder{configuration.data};
  const bool is_ours = ::access(folder.registry().c_str(), R_OK | W_OK) == 0;  // else it is told of already
  if (!configuration.registry.empty() || !is_ours || !sqlite::has_present_schema(folder.registry())) return;
  const auto registry = open_sqlite_registry(folder.registry());
  if (!registry) return keep(problems, registry.error());
  const auto identities = (*registry)->list();
  if (!identities) return keep(problems, identities.error());
  std::set<std::string> with_password;
  const std::string path = configuration.password_file.empty() ? folder.passwords() : configuration.password_file;
  if (exists(path))
    if (const auto passwords = read_passwords(path))  // else it is told of already
      for (const auto& entry : *passwords) with_password.insert(entry.first);
  for (std::string& line : warnings_about(*identities, with_password, configuration))
    problems.push_back({Blame::caller_misused, std::move(line), "", true});
}

}  // namespace

std::vector<Problem> find_problems_in(const std::string& data_folder) {
  std::vector<Problem> problems;
  struct stat found {};
  if (::stat(data_folder.c_str(), &found) != 0) {
    if (errno != ENOENT) problems.push_back({Blame::environment, "cannot look at " + data_folder + ": " + error_text(errno), ""});
    return problems;  // the first start makes it
  }
  if (!S_ISDIR(found.st_mode)) {
    problems.push_back({Blame::environment, data_folder + " is not a folder", ""});
    return problems;
  }
  const bool is_shared = (found.st_mode & S_IWGRP) != 0 && (found.st_mode & S_IRWXO) == 0;
  if (is_shared)
    problems.push_back(
        {Blame::caller_misused, "its group can replace what lies in " + data_folder, "chmod 700 " + data_folder, true});
  else if ((found.st_mode & others) != 0)
    problems.push_back({Blame::caller_misused, "others can look into " + data_folder, "chmod 700 " + data_folder});
  if (::access(data_folder.c_str(), R_OK | W_OK | X_OK) != 0)
    problems.push_back({Blame::environment, "cannot work in " + data_folder + ": " + error_text(errno), ""});
  struct statvfs disk {};
  if (::statvfs(data_folder.c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize < little_space)
    problems.push_back(
        {Blame::environment, "less than 100 MiB are free where " + data_folder + " lies", "df -h " + data_folder, true});

  const DataFolder folder{data_folder};
  for (const std::string& path :
       {folder.registry(), folder.registry() + "-wal", folder.registry() + "-shm", folder.sessions(), folder.broker_key(),
        folder.rabin_key(), folder.audit_log(), folder.audit_log() + ".head", folder.recoverable_passwords()})
    check_closed(problems, path);
  const bool has_key = exists(folder.broker_key());
  if (has_key && !exists(folder.broker_pub()))
    problems.push_back({Blame::environment, folder.broker_pub() + " is missing, which devices need", ""});
  if (exists(folder.broker_pub()))
    if (const auto broker = read_broker_identity(folder.broker_pub(), true); !broker) keep(problems, broker.error());
  return problems;
}

std::vector<Problem> find_problems(const Configuration& configuration) {
  std::vector<Problem> problems = find_problems_in(configuration.data);
  check_admin(problems, configuration.admin);
  check_authority(problems, configuration);
  if (!configuration.registry.empty())
    if (const auto url = check_registry_url(configuration.registry); !url) keep(problems, url.error());
  const DataFolder folder{configuration.data};
  if (!configuration.password_file.empty())
    check_passwords(problems, configuration.password_file);
  else if (exists(folder.passwords()))
    check_passwords(problems, folder.passwords());
  check_list(problems, configuration);
  crypto::OsRandom random;
  if (const auto keys = open_broker_topic_keys(configuration, 1, random); !keys) keep(problems, keys.error());
  for (const Listener& listener : configuration.listeners) check_certificates(problems, listener);
  if (const auto keys = check_bridge_keys(configuration); !keys) keep(problems, keys.error());
  for (const BridgeSettings& bridge : configuration.bridges) {
    if (!bridge.password_file.empty())
      if (const auto password = read_mounted_file(bridge.password_file, wants_password); !password)
        keep(problems, password.error());
    if (!bridge.cafile.empty() && ::access(bridge.cafile.c_str(), R_OK) != 0)
      problems.push_back({Blame::environment, "cannot read " + bridge.cafile + ": " + error_text(errno), ""});
    check_bridge_certificate(problems, bridge);
  }
  return problems;
}

}  // namespace sealmq::server
