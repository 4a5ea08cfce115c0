// Operations: the thread that looks at the broker from outside: it gathers figures, publishes $SYS topics, answers the monitoring
// over HTTP, reassures the watchdog, and runs the bridges. Nothing here holds up a shard.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/admin_listener.h"
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
  Operations(const Readiness& readiness, const ServiceNotify& service, const std::vector<std::unique_ptr<ShardThread>>& shards);
  ~Operations();

  /// Listens where the configuration says. Errors: environment; caller_misused if the address is not this machine's own and there
  /// is no token.
  Result<> listen(const Admin& admin);
  void start(std::uint32_t sys_interval);
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

  const Readiness& readiness_;
  const ServiceNotify& service_;
  const std::vector<std::unique_ptr<ShardThread>>& shards_;
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_{loop_.get_executor()};
  Statistics statistics_;
  boost::asio::steady_timer watchdog_;
  std::unique_ptr<AdminListener> admin_;
  std::uint32_t sys_interval_ = 0;  // seconds; 0: off
  std::uint32_t sys_waited_ = 0;
  std::atomic<bool> sys_readable_ = false;
  std::map<std::string, std::string> sys_published_;  // what subscribers have been told
  bool stopping_ = false;
  std::jthread thread_;
};

}  // namespace sealmq::server
