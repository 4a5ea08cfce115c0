// Operations: the thread that looks at the broker from outside: it gathers figures, publishes $SYS topics, answers the monitoring
// over HTTP, reassures the watchdog, and runs the bridges. Nothing here holds up a shard.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/admin_listener.h"
#include "server/bridge.h"
#include "server/configuration.h"
#include "server/log.h"
#include "server/readiness.h"
#include "server/service_notify.h"
#include "server/shard_thread.h"
#include "server/statistics.h"

namespace sealmq::server {

class Operations {
 public:
  /// All outlive it; the shards' threads run as long as this one.
  Operations(Readiness& readiness, const ServiceNotify& service, const std::vector<std::unique_ptr<ShardThread>>& shards,
             const RefusalLog& refusals, const KeyExchanges& key_exchanges);
  ~Operations();

  /// Listens where the configuration says. Errors: environment; caller_misused if the address is not this machine's own and there
  /// is no token.
  Result<> listen(const Admin& admin);
  /// `broker` tells this broker from others. Errors: as Bridge::make.
  Result<> add_bridges(const std::vector<BridgeSettings>& bridges, const std::string& broker, Log& log);
  /// `look` is called each second and reports of components that do not do so themselves.
  void start(std::uint32_t sys_interval, std::function<void(Readiness&)> look);
  /// Returns when the thread has ended.
  void stop();

  /// Empty without an admin listener.
  std::string admin_url() const;
  /// A policy came into force. Any thread.
  void set_policy(const broker::Policy& policy);

 private:
  void each_second();
  void publish_sys_topics();
  void watch();
  Page page(std::string_view path) const;
  std::vector<ComponentState> components() const;
  std::vector<BridgeState> bridge_states() const;

  Readiness& readiness_;
  const ServiceNotify& service_;
  const std::vector<std::unique_ptr<ShardThread>>& shards_;
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_{loop_.get_executor()};
  Statistics statistics_;
  boost::asio::steady_timer watchdog_;
  std::unique_ptr<AdminListener> admin_;
  std::vector<std::unique_ptr<Bridge>> bridges_;
  std::uint32_t sys_interval_ = 0;  // seconds; 0: off
  std::uint32_t sys_waited_ = 0;
  std::function<void(Readiness&)> look_;
  std::atomic<bool> sys_readable_ = false;
  std::map<std::string, std::string> sys_published_;  // what subscribers have been told
  bool stopping_ = false;
  std::future<void> ended_;
  std::jthread thread_;
};

}  // namespace sealmq::server
