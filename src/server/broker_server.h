// BrokerServer: the broker as it runs: listeners, one thread for each shard, and the maintenance thread.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "authority/audit_log.h"
#include "registry/data_folder.h"
#include "sealmq/keystore.h"
#include "sealmq/registry.h"
#include "server/authority_requests.h"
#include "server/configuration.h"
#include "server/connection_gate.h"
#include "server/doors.h"
#include "server/followed_version.h"
#include "server/log_guard.h"
#include "server/login_throttle.h"
#include "server/maintenance.h"
#include "server/operations.h"
#include "server/password_file.h"
#include "server/rabin_renewal.h"
#include "server/readiness.h"
#include "server/recoverable_passwords.h"
#include "server/refusal_log.h"
#include "server/registrar.h"
#include "server/shard_thread.h"
#include "server/storage_thread.h"
#include "server/worker_pool.h"

namespace sealmq::server {

/// What a broker works with; it owns them while it runs.
struct Parts {
  std::vector<std::unique_ptr<KeyStore>> keys;  ///< the broker's own, once for each shard: a store takes one call at a time
  std::unique_ptr<KeyStore> asking_key;         ///< the same once more, if the authority is to be asked about misuse
  std::unique_ptr<KeyStore> watched_key;        ///< the same once more, if it can be lost: asked each second whether it is there
  std::unique_ptr<Registry> registry;
  std::unique_ptr<ReplayMemory> replays;
  StoredReplayMemory* stored_replays = nullptr;        ///< the same, if it wants to be maintained
  std::unique_ptr<SessionStore> sessions;              ///< null: nothing outlives the process
  std::vector<std::shared_ptr<TopicKeys>> topic_keys;  ///< once for each shard; or none, where no scheme needs them
  std::unique_ptr<RabinRenewal> rabin;                 ///< null: no scheme needs it
  std::optional<BrokerParameters::Authority> authority;
  std::unique_ptr<LogGuard> log_guard;       ///< of that authority
  std::string recoverable_passwords;         ///< empty: there are none
  std::string password_file;                 ///< empty: user names and passwords mean nothing
  std::optional<authority::AuditLog> audit;  ///< of what it has carried out
  std::optional<DataFolderLock> lock;
};

/// What lies in a data folder, which is locked by this. Errors: environment; caller_misused for a malformed file.
/// `keystore`: the address of a token for the broker's keys, if they are to be made.
Result<Parts> open_parts(const DataFolder& folder, const Configuration& configuration, Random& random,
                         const std::string& keystore = {}, const PinAsker& asker = {});
/// For tests and the tour: nothing is left behind.
/// `rsa_bits`: of an RSA key besides; 0: none.
Parts make_volatile_parts(std::size_t shards, Random& random, unsigned rsa_bits = 0);

class BrokerServer final {
 public:
  /// Listens, and serves on threads of its own until stop(). `parts` are for shard_count(configuration) shards; `random` and
  /// `log` outlive it. Errors: environment (a port is taken, the registry cannot be read); caller_misused (policy).
  static Result<std::unique_ptr<BrokerServer>> start(
      const Configuration& configuration, Parts parts, Random& random, Log& log,
      std::shared_ptr<const ServiceNotify> service = std::make_shared<ServiceNotify>());
  ~BrokerServer();

  /// `mqtts://127.0.0.1:8883`, with the ports that were picked; `unix:/run/sealmq.sock`.
  std::vector<std::string> urls() const;
  /// Where the monitoring is to be found; empty if there is none.
  std::string admin_url() const { return operations_.admin_url(); }
  Registry& registry() { return *parts_.registry; }

  /// Takes over what can change while it runs, reads the files of TLS again, and tells the log all that differs; TLS files that
  /// are broken leave a listener as it was. Errors: as make_policy; nothing changed then.
  Result<> reload(const Configuration& configuration);
  /// Sends every client away and ends all threads; takes about two seconds at most, and some more when the
  /// registry does not answer. May be called twice.
  void stop();

 private:
  BrokerServer(const Configuration& configuration, Parts parts, Log& log, std::shared_ptr<const ServiceNotify> service);

  BrokerPorts scheme_ports(std::size_t shard, Random& random);
  void publish_parameters();
  void renew_rabin();
  void make_registrar();
  void ask_authority();
  Result<> load_sessions();
  void restore_sessions();
  Result<> listen(const std::vector<Listener>& listeners);
  void reload_certificates();
  void look_at_responses();
  /// On the thread of operations_.
  void report_certificates(Readiness& readiness);
  void look_at_proofs();
  void look_at_passwords();

  Configuration configuration_;
  broker::Budget budget_;  // before whatever holds messages
  Parts parts_;
  Log& log_;
  std::shared_ptr<const ServiceNotify> service_;
  RefusalLog refusals_;
  KeyExchanges key_exchanges_;
  ConnectionGate gate_;
  LoginThrottle throttle_;
  AuthorityRequests requests_;
  std::atomic<std::size_t> lasting_subscriptions_ = 0;
  broker::Interest interest_;
  std::unique_ptr<RecoverablePasswords> recoverable_passwords_;
  std::unique_ptr<PasswordFile> passwords_;     // null: user names and passwords mean nothing
  std::uint64_t password_changes_ = 0;          // that were looked at
  std::unique_ptr<broker::Restored> restored_;  // what the store held, until the shards have it
  std::unique_ptr<StorageThread> storage_;      // null: nothing outlives the process
  Readiness readiness_;
  std::vector<std::unique_ptr<ShardThread>> shards_;
  Doors doors_;  // leads to the shards
  FollowedVersion followed_;
  std::unique_ptr<RegistryRegistrar> registrar_;
  Maintenance maintenance_;
  std::string certificate_trouble_;  // told last
  Operations operations_;
  std::chrono::steady_clock::time_point rabin_due_{};
  std::atomic<std::chrono::steady_clock::time_point> proofs_due_{};
  Workers workers_;  // its work ends in the loops of the shards
  std::jthread renewal_;
  bool running_ = false;
};

}  // namespace sealmq::server
