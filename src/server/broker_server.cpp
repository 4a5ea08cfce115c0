#include "server/broker_server.h"

#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "base/try.h"
#include "broker/own_topics.h"
#include "keystore/file_access.h"
#include "registry/open_registry.h"
#include "registry/sqlite.h"
#include "server/broker_topic_keys.h"
#include "server/thread_priority.h"

namespace sealmq::server {
namespace {

// For logins and other slow work. Where two of them share a processor, a shard's thread that wakes up there may find the other
// one in the place of the first until the next tick of the scheduler. Not more, as each password in work takes 128 MiB.
std::size_t worker_threads() {
  return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 2, 3) - 1;
}
constexpr std::uint32_t store_delay = 2;  // milliseconds; a wait for a disk is seldom shorter

/// Half of the machine's memory where nothing else is said.
std::size_t memory_bound(const Configuration& configuration) {
  if (configuration.maximum_memory != 0) return configuration.maximum_memory;
  const long pages = ::sysconf(_SC_PHYS_PAGES), size = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(size) / 2 : 0;
}

/// One store for several shards, which take turns.
class SharedKeys final : public KeyStore {
 public:
  struct Store {
    std::unique_ptr<KeyStore> keys;
    std::mutex mutex;
  };
  explicit SharedKeys(std::shared_ptr<Store> store) : store_(std::move(store)) {}

  const PublicIdentity& identity() const override { return store_->keys->identity(); }
  Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes> elements) override {
    const std::lock_guard lock(store_->mutex);
    return store_->keys->sign_schnorr(elements);
  }
  Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes message) override {
    const std::lock_guard lock(store_->mutex);
    return store_->keys->sign_ecdsa(message);
  }
  Result<Secret> agree(const std::array<std::uint8_t, 33>& peer) override {
    const std::lock_guard lock(store_->mutex);
    return store_->keys->agree(peer);
  }
  Result<Buffer> sign_rsa_pss(Bytes message) override {
    const std::lock_guard lock(store_->mutex);
    return store_->keys->sign_rsa_pss(message);
  }
  Result<Buffer> seal_rsa(Bytes message) override {
    const std::lock_guard lock(store_->mutex);
    return store_->keys->seal_rsa(message);
  }
  Result<Secret> decrypt_rsa(Bytes ciphertext, std::size_t length) override {
    const std::lock_guard lock(store_->mutex);
    return store_->keys->decrypt_rsa(ciphertext, length);
  }
  SequenceCounter& sequence() override { return store_->keys->sequence(); }

 private:
  std::shared_ptr<Store> store_;
};

/// A token may take its time, and its absence too: whatever uses it waits on a worker, never on a shard.
Result<> check_token(const Configuration& configuration) {
  const auto names = schemes_signing_on_shards(configuration);
  if (names.empty()) return {};
  return fail(Blame::caller_misused,
              "the broker's keys live in a token, and " + names +
                  " sign single messages with them, which no token is fast enough for\nhint: let the rows "
                  "[[topic]] of the configuration name other schemes (docs/cards.md), or keep the broker's keys in a file");
}

Result<> check_key(const Configuration& configuration, const KeyStore& key) {
  return key.may_be_lost() ? check_token(configuration) : Result<>();
}

/// A broker that would refuse everybody does not start.
Result<> check_passwords(const Configuration& configuration, const std::string& path) {
  const bool may_be_absent = configuration.password_file.empty() && !exists(path);
  return may_be_absent ? Result<>() : read_passwords(path).map([](const PasswordEntries&) {});
}

/// Tells this broker from others.
std::string short_name(const PublicKeys& keys) {
  return to_hex(is_there(keys.schnorr) ? Bytes(keys.schnorr).first(8) : Bytes(keys.ecdsa).subspan(1, 8));
}

/// What to do about a damaged sessions.db.
template <class T>
Result<T> with_hint(const std::string& file, Result<T> opened) {
  if (!opened && sqlite::found_damage(opened.error()))
    opened.error().what +=
        "\nhint: put back a copy of " + file +
        ", or move it away and all files whose names begin like its own: the broker then begins without sessions, what was "
        "queued and retained, and no longer knows which messages it has seen, which somebody might send again";
  return opened;
}

}  // namespace

Result<Parts> open_parts(const DataFolder& folder, const Configuration& configuration, Random& random,
                         const std::string& keystore, const PinAsker& asker) {
  const std::size_t shards = shard_count(configuration);
  Parts parts;
  parts.lock = TRY(lock_data_folder(folder));
  if (!keystore.empty() && !exists(folder.broker_key())) TRY(check_token(configuration));  // before there are keys in it
  if (needs_rsa(configuration)) {
    TRY(open_or_create_broker_key(folder.path, random, keystore, asker));
    constexpr unsigned bits = 2048;
    TRY(add_broker_rsa_key(folder.path, bits, random));
  }
  for (std::size_t i = 0; i < shards; ++i)
    parts.keys.push_back(TRY(open_or_create_broker_key(folder.path, random, keystore, asker)));
  if (parts.keys.front()->may_be_lost()) parts.watched_key = TRY(open_or_create_broker_key(folder.path, random, keystore, asker));
  parts.registry = TRY(open_registry(folder, configuration.registry));
  parts.audit.emplace(folder, parts.keys.front()->identity().name);
  if (!configuration.authority.empty()) {
    const PublicIdentity authority = TRY(read_authority(configuration.authority));
    parts.authority = {authority.keys.ecdsa, authority.keys.agreement};
    parts.log_guard = std::make_unique<LogGuard>(authority, parts.keys.front()->identity().keys.ecdsa);
  }
  if (!configuration.complaints.empty()) parts.asking_key = TRY(open_or_create_broker_key(folder.path, random, keystore, asker));
  parts.topic_keys = TRY(open_broker_topic_keys(configuration, shards, random));
  if (needs_rabin(configuration))
    parts.rabin = TRY(RabinRenewal::open(folder.path, *parts.keys.front(), parts.authority, system_now().wall));
  auto replays = TRY(with_hint(folder.sessions(), open_replay_memory(folder.sessions())));
  parts.stored_replays = replays.get();
  parts.replays = std::move(replays);
  parts.password_file = configuration.password_file.empty() ? folder.passwords() : configuration.password_file;
  parts.recoverable_passwords = folder.recoverable_passwords();
  if (configuration.durability == "disk")
    parts.sessions = TRY(with_hint(folder.sessions(), open_session_store(folder.sessions(), *parts.keys.front(), random)));
  return parts;
}

Parts make_volatile_parts(std::size_t shards, Random& random, unsigned rsa_bits) {
  Parts parts;
  const auto store = std::make_shared<SharedKeys::Store>();
  store->keys = make_memory_keys("broker", Kind::broker, random, rsa_bits);
  for (std::size_t i = 0; i < shards; ++i) parts.keys.push_back(std::make_unique<SharedKeys>(store));
  parts.registry = make_memory_registry();
  parts.replays = make_volatile_replay_memory();
  return parts;
}

Result<std::unique_ptr<BrokerServer>> BrokerServer::start(const Configuration& configuration, Parts parts, Random& random,
                                                          Log& log, std::shared_ptr<const ServiceNotify> service) {
  const auto policy = TRY(make_policy(configuration));
  TRY(check_key(configuration, *parts.keys.front()));
  TRY(check_passwords(configuration, parts.password_file));
  TRY(check_bridge_keys(configuration));
  const std::string& id = parts.keys.front()->identity().name;
  TRY(parts.registry->heartbeat(id));  // first: what is revoked from now on is an order for this broker
  const auto directory = TRY(load_directory(*parts.registry, configuration.roles));
  const std::size_t count = shard_count(configuration);

  std::unique_ptr<BrokerServer> server(new BrokerServer(configuration, std::move(parts), log, std::move(service)));
  if (!server->parts_.password_file.empty())
    server->passwords_ =
        std::make_unique<PasswordFile>(server->parts_.password_file, random, !configuration.password_file.empty());
  if (!server->parts_.recoverable_passwords.empty())
    server->recoverable_passwords_ = std::make_unique<RecoverablePasswords>(server->parts_.recoverable_passwords);
  if (server->parts_.stored_replays != nullptr) server->parts_.stored_replays->count_in(server->budget_);
  broker::Settings settings = configuration.limits;
  settings.durable = server->parts_.sessions != nullptr;
  settings.store_delay = store_delay;
  if (settings.durable) TRY(server->load_sessions());
  settings.shard_key = settings.durable ? server->restored_->shard_key : make_hash_key();
  if (settings.durable || server->parts_.stored_replays != nullptr)
    server->storage_ = std::make_unique<StorageThread>(
        std::move(server->parts_.sessions), server->parts_.stored_replays, log,
        [&shards = server->shards_](std::size_t shard, std::uint64_t batch) { shards[shard]->stored(batch); },
        [&shards = server->shards_](broker::Number session) {
          for (const auto& shard : shards) shard->post([session](broker::Shard& its, Now now) { its.lose(session, now); });
        },
        &server->budget_);
  server->make_registrar();
  for (std::size_t index = 0; index < count; ++index) {
    broker::Ports ports{{}, *server->parts_.replays, server->refusals_, random};
    ports.gate = &server->throttle_;
    if (server->parts_.asking_key != nullptr) ports.misuse = &server->requests_;
    ports.guard = server->parts_.log_guard.get();
    ports.lasting_subscriptions = &server->lasting_subscriptions_;
    ports.interest = &server->interest_;
    ports.budget = &server->budget_;
    if (server->passwords_ != nullptr)
      ports.password_login = [passwords = server->passwords_.get()](LoginRequest& request, Now now) {
        return passwords->begin(request, now);
      };
    if (server->passwords_ != nullptr)
      ports.password_changes = [passwords = server->passwords_.get()](std::string_view name) {
        return passwords->changes_of(name);
      };
    for (const Scheme& scheme : all_schemes()) ports.schemes.push_back(scheme.broker_side(server->scheme_ports(index, random)));
    server->shards_.push_back(std::make_unique<ShardThread>(index, server->shards_, settings, std::move(ports), policy, directory,
                                                            count, server->storage_.get(), server->workers_, server->gate_,
                                                            server->key_exchanges_));
  }
  TRY(server->listen(configuration.listeners));
  server->restore_sessions();
  TRY(server->operations_.listen(configuration.admin));
  server->operations_.set_policy(*policy);
  TRY(server->operations_.add_bridges(configuration.bridges, short_name(server->parts_.keys.front()->identity().keys), log));
  if (server->storage_ != nullptr) server->storage_->start();

  server->doors_.open_all();
  for (const auto& shard : server->shards_) shard->start();
  server->publish_parameters();
  server->maintenance_.set_roles(configuration.roles);
  server->maintenance_.start();
  server->operations_.start(configuration.sys_interval, [its = server.get(), storage = server->storage_.get(),
                                                         is_durable = settings.durable](Readiness& readiness) {
    its->renew_rabin();
    its->look_at_responses();
    its->report_certificates(readiness);
    its->ask_authority();
    its->look_at_passwords();
    if (std::chrono::steady_clock::now() >= its->proofs_due_.load()) its->look_at_proofs();
    if (KeyStore* key = its->parts_.watched_key.get(); key != nullptr) {
      const auto there = key->check();
      readiness.report("broker key", there.has_value(),
                       there ? "the token is there" : "nobody new can log in: " + there.error().what);
    }
    if (storage == nullptr) return;
    const bool sessions = !storage->in_trouble(), replays = !storage->replays_in_trouble();
    if (is_durable) readiness.report("storage", sessions, sessions ? "works" : "cannot be written; acknowledgements wait for it");
    readiness.report("replay memory", replays, replays ? "works" : "works, but is not safe from a loss of power");
  });
  server->running_ = true;
  return server;
}

BrokerServer::BrokerServer(const Configuration& configuration, Parts parts, Log& log,
                           std::shared_ptr<const ServiceNotify> service)
    : configuration_(configuration),
      budget_(memory_bound(configuration)),
      parts_(std::move(parts)),
      log_(log),
      service_(std::move(service)),
      refusals_(log),
      gate_(configuration.gate, budget_, refusals_),
      throttle_([&log](const std::string& name) {
        log.warning("many passwords have been tried for " + printable(name) +
                    ": from where it has not logged in lately, one try in two seconds is worked on");
      }),
      maintenance_(*parts_.registry, followed_, parts_.keys.front()->identity().name, parts_.audit ? &*parts_.audit : nullptr,
                   refusals_, readiness_, log, shards_),
      operations_(readiness_, *service_, shards_, refusals_, key_exchanges_),
      workers_(worker_threads()) {}

BrokerServer::~BrokerServer() {
  stop();
}

BrokerPorts BrokerServer::scheme_ports(std::size_t shard, Random& random) {
  BrokerPorts ports{*parts_.keys[shard], random};
  if (parts_.rabin != nullptr) ports.rabin = [rabin = parts_.rabin.get()] { return rabin->keys(); };
  if (parts_.authority) ports.authority = parts_.authority->agreement;
  if (shard < parts_.topic_keys.size()) ports.topic_keys = parts_.topic_keys[shard];
  ports.options = configuration_.scheme_options;
  ports.registrar = registrar_.get();
  if (passwords_ != nullptr)
    ports.passwords.record = [file = passwords_.get()](std::string_view name) { return file->find(name); };
  if (passwords_ != nullptr)
    ports.passwords.some_cost = [file = passwords_.get()](std::uint64_t draw) { return file->some_cost(draw); };
  if (recoverable_passwords_ != nullptr)
    ports.passwords.recoverable = [file = recoverable_passwords_.get()](std::string_view name) { return file->find(name); };
  return ports;
}

/// An order that was taken is retained, for subscribers who have pinned a publisher.
void BrokerServer::make_registrar() {
  std::optional<std::array<std::uint8_t, 33>> authority;
  if (parts_.authority) authority = parts_.authority->ecdsa;
  registrar_ = std::make_unique<RegistryRegistrar>(
      *parts_.registry, followed_, authority, parts_.audit ? &*parts_.audit : nullptr, log_,
      [this](const KeyHash& key, Bytes frame) {
        shards_.front()->post([topic = std::string(broker::orders_topic) + "/" + to_hex(key), frame = to_buffer(frame)](
                                  broker::Shard& its, Now now) { its.publish_own(topic, as_text(frame), now); });
      });
}

/// Of the last second. Not retained: whoever goes on is told of again.
void BrokerServer::ask_authority() {
  if (parts_.asking_key == nullptr) return;
  auto requests = requests_.sign(*parts_.asking_key, system_now());
  if (!requests) return log_.error("the authority is not asked about a misuse: " + requests.error().what);
  for (Buffer& request : *requests) {
    log_.info("asks the authority about an author who publishes what it may not");
    shards_.front()->post([topic = configuration_.complaints, request = std::move(request)](broker::Shard& its, Now now) {
      its.publish_own(topic, as_text(request), now, false);
    });
  }
}

/// For clients whose broker.pub is older than the present Rabin key.
void BrokerServer::publish_parameters() {
  if (parts_.rabin == nullptr) return;
  const BrokerIdentity identity = parts_.rabin->identity();
  shards_.front()->post([bytes = encode(*identity.parameters, identity)](broker::Shard& its, Now now) {
    its.publish_own(broker::parameters_topic, as_text(bytes), now);
  });
}

/// Once an hour: a new key takes seconds, so somebody else makes it.
void BrokerServer::renew_rabin() {
  const auto now = std::chrono::steady_clock::now();
  if (parts_.rabin == nullptr || now < rabin_due_) return;
  rabin_due_ = now + std::chrono::hours(1);
  renewal_ = std::jthread([this] {
    give_way();
    const auto renewed = parts_.rabin->renew(system_now().wall);
    if (!renewed) return log_.error("the Rabin key is not renewed: " + renewed.error().what);
    if (!*renewed) return;
    log_.info("a new Rabin key is in force; its parameters are in broker.pub");
    publish_parameters();
  });
}

Result<> BrokerServer::load_sessions() {
  auto loaded = TRY(with_hint("sessions.db", parts_.sessions->load(system_now())));
  if (loaded.unreadable > 0)
    log_.error(std::to_string(loaded.unreadable) + " stored messages cannot be read with this key and build; they are left out");
  restored_ = std::make_unique<broker::Restored>(std::move(loaded.restored));
  return {};
}

void BrokerServer::restore_sessions() {
  if (restored_ == nullptr) return;
  std::size_t sessions = 0;
  for (const auto& shard : shards_) sessions += shard->restore(*restored_);
  for (const auto& shard : shards_) shard->take_mail();
  for (const auto& shard : shards_) shard->restore_transits(*restored_);
  if (sessions + restored_->retained.size() > 0)
    log_.info("restored " + std::to_string(sessions) + " sessions and " + std::to_string(restored_->retained.size()) +
              " retained messages");
  restored_.reset();
}

Result<> BrokerServer::listen(const std::vector<Listener>& listeners) {
  for (const Listener& listener : listeners) {
    const bool shares_port =
        std::ranges::any_of(listeners, [&](const Listener& other) { return shares_port_with(listener, other); });
    doors_.add(TRY(
        Entrance::open(doors_.loop(), listener, lets_in_anonymous(configuration_, listener), shares_port, shards_, gate_, log_)));
  }
  return {};
}

std::vector<std::string> BrokerServer::urls() const {
  std::vector<std::string> urls;
  for (const auto& entrance : doors_.all())
    for (std::string& url : entrance->urls()) urls.push_back(std::move(url));
  return urls;
}

void BrokerServer::reload_certificates() {
  for (const auto& entrance : doors_.all()) {
    if (!needs_tls(entrance->listener())) continue;
    if (const Result<> read = entrance->reload(); !read)
      log_.error(entrance->urls().front() + " keeps its certificates and keys: " + read.error().what);
    else
      log_.info("reloaded: certificates and keys of " + entrance->urls().front());
  }
  look_at_proofs();
}

/// Whoever has come in by a certificate or key that would no longer be taken.
void BrokerServer::look_at_proofs() {
  proofs_due_ = std::chrono::steady_clock::now() + std::chrono::minutes(10);
  for (const auto& shard : shards_) shard->post([](broker::Shard& its, Now now) { its.look_at_proofs(now); });
}

/// Whoever has come in by a password that was changed ends, as with mosquitto, without waiting for SIGHUP.
void BrokerServer::look_at_passwords() {
  if (passwords_ == nullptr) return;
  const std::uint64_t changes = passwords_->changes();
  if (std::exchange(password_changes_, changes) != changes) look_at_proofs();
}

void BrokerServer::report_certificates(Readiness& readiness) {
  if (std::ranges::none_of(doors_.all(), [](const auto& entrance) { return !certificates_of(entrance->listener()).empty(); }))
    return;
  const auto now = static_cast<std::int64_t>(system_now().wall / 1000);
  std::string why;
  for (const auto& entrance : doors_.all())
    if (why.empty()) why = entrance->why_not_now(now);
  readiness.report("certificates", why.empty(), why.empty() ? "count" : why);
  if (!why.empty() && why != certificate_trouble_) log_.warning(why);
  certificate_trouble_ = std::move(why);
}

void BrokerServer::look_at_responses() {
  for (const auto& entrance : doors_.all())
    if (const Result<> looked = entrance->look_at_responses(); !looked)
      log_.error(entrance->urls().front() + " keeps what its authority said before: " + looked.error().what);
}

Result<> BrokerServer::reload(const Configuration& configuration) {
  const auto policy = TRY(make_policy(configuration));
  TRY(check_key(configuration, *parts_.keys.front()));
  TRY(check_passwords(configuration, configuration.password_file.empty() ? parts_.password_file : configuration.password_file));
  if (needs_topic_keys(configuration) && parts_.topic_keys.empty())
    return fail(Blame::caller_misused, "messages that the broker opens need topic_keys, which count from the next start on");
  const SchemeOptions options = changed_options(configuration_.scheme_options, configuration.scheme_options);
  for (const auto& shard : shards_)
    shard->post([policy, options](broker::Shard& its, Now now) {
      its.set_policy(policy, now);
      its.set_options(options, now);
    });
  operations_.set_policy(*policy);
  maintenance_.set_roles(configuration.roles);
  const auto found = differences(configuration_, configuration);
  if (found.empty()) log_.info("reloaded: nothing has changed");
  for (const Difference& difference : found) {
    const LogField fields[] = {{"change", difference.what}, {"needs_restart", difference.needs_restart ? "true" : "false"}};
    log_.event(Severity::info, "reloaded", fields,
               "reloaded: " + difference.what + (difference.needs_restart ? " (from the next start on)" : ""));
  }
  reload_certificates();
  // The rest stays as it runs, so that it is named again at the next reload.
  configuration_.topics = configuration.topics;
  configuration_.scheme_options = options;
  configuration_.roles = configuration.roles;
  return {};
}

void BrokerServer::stop() {
  if (!std::exchange(running_, false)) return;
  followed_.stop();
  maintenance_.stop();
  operations_.stop();

  doors_.close();
  workers_.stop();
  if (renewal_.joinable()) renewal_.join();
  for (const auto& shard : shards_) shard->begin_stop();
  for (const auto& shard : shards_) shard->join();
  if (storage_ != nullptr) storage_->stop();
}

}  // namespace sealmq::server
