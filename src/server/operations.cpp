#include "server/operations.h"

#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <future>

#include "base/error_text.h"
#include "base/try.h"
#include "base/version.h"
#include "net/address.h"
#include "net/url.h"
#include "server/metrics.h"
#include "server/sys_topics.h"

namespace sealmq::server {
namespace {

constexpr std::chrono::seconds longest_goodbye{3};  // of a bridge whose other side does not listen
constexpr const char* json = "application/json";
constexpr const char* prometheus_text = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace

Operations::Operations(Readiness& readiness, const ServiceNotify& service,
                       const std::vector<std::unique_ptr<ShardThread>>& shards, const RefusalLog& refusals,
                       const KeyExchanges& key_exchanges)
    : readiness_(readiness),
      service_(service),
      shards_(shards),
      statistics_(loop_, shards, refusals, key_exchanges),
      watchdog_(loop_) {}

Operations::~Operations() {
  stop();
}

Result<> Operations::listen(const Admin& admin) {
  if (admin.url.empty()) return {};
  const AdminAddress address = TRY(parse_admin_url(admin.url));
  Secret token;
  if (!admin.token_file.empty())
    token = TRY(read_token_file(admin.token_file));
  else if (!net::is_loopback(address.host))
    return fail(Blame::caller_misused, "[admin] listens beyond this machine and needs a token_file");
  admin_ = TRY(AdminListener::open(loop_, address.host, address.port, std::move(token),
                                   [this](std::string_view path) { return page(path); }));
  return {};
}

Result<> Operations::add_bridges(const std::vector<BridgeSettings>& bridges, const std::string& broker, Log& log) {
  for (const BridgeSettings& bridge : bridges) {
    // Who reads on the way to the other broker reads what is passed on to it.
    const auto url = TRY(net::parse_url(bridge.url));
    const bool is_hidden = net::uses_tls(url.transport) || url.transport == net::Transport::unix_socket;
    // The other end is a connection like any other: the shard that owns its client identifier takes it over by itself.
    const auto open_local = [this, is_hidden]() -> Result<int> {
      int ends[2];
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return fail(Blame::environment, std::string("cannot make a socket: ") + error_text(errno));
      broker::Peer peer{.address = "bridge", .is_own = true, .is_hidden = is_hidden};
      shards_.front()->adopt({Descriptor(ends[0]), {}, nullptr, {}}, std::move(peer), {});
      return ends[1];
    };
    bridges_.push_back(TRY(Bridge::make(loop_, bridge, broker, open_local, log)));
  }
  return {};
}

void Operations::start(std::uint32_t sys_interval, std::function<void(Readiness&)> look) {
  sys_interval_ = sys_interval;
  look_ = std::move(look);
  boost::asio::post(loop_, [this] {
    statistics_.start([this] { each_second(); });
    if (admin_ != nullptr) admin_->start();
    for (const auto& bridge : bridges_) bridge->start();
    watch();
  });
  std::promise<void> end;
  ended_ = end.get_future();
  thread_ = std::jthread([this, end = std::move(end)]() mutable {
    loop_.run();
    end.set_value();
  });
}

void Operations::stop() {
  if (!thread_.joinable()) return;
  boost::asio::post(loop_, [this] {
    stopping_ = true;
    statistics_.stop();
    watchdog_.cancel();
    if (admin_ != nullptr) admin_->close();
    for (const auto& bridge : bridges_) bridge->stop();
    keep_running_.reset();
  });
  if (ended_.wait_for(longest_goodbye) != std::future_status::ready) loop_.stop();
  thread_.join();
}

std::string Operations::admin_url() const {
  return admin_ == nullptr ? std::string() : admin_->url();
}

void Operations::set_policy(const broker::Policy& policy) {
  sys_readable_ = sys_topics_are_readable(policy);
}

// -- on its thread

void Operations::each_second() {
  look_(readiness_);
  if (sys_interval_ == 0 || ++sys_waited_ < sys_interval_) return;
  sys_waited_ = 0;
  publish_sys_topics();
}

// What has not changed is retained anyway.
void Operations::publish_sys_topics() {
  if (!sys_readable_ || stopping_) return;
  auto all = sys_topics(statistics_.totals(), statistics_.loads(), program_version);
  for (auto& of_bridge : sys_topics(bridge_states())) all.push_back(std::move(of_bridge));
  std::vector<std::pair<std::string, std::string>> changed;
  for (auto& [topic, text] : all) {
    std::string& told = sys_published_[topic];
    if (told == text) continue;
    told = text;
    changed.emplace_back(std::move(topic), std::move(text));
  }
  shards_.front()->post([changed = std::move(changed)](broker::Shard& shard, Now now) {
    for (const auto& [topic, text] : changed) shard.publish_own(topic, text, now);
  });
}

// Only while every shard answers: a watchdog that a stuck broker reassures is none.
void Operations::watch() {
  const auto every = service_.alive_every();
  if (!every || stopping_) return;
  if (statistics_.answering() == statistics_.count()) service_.alive();
  watchdog_.expires_after(*every);
  watchdog_.async_wait([this](const boost::system::error_code& error) {
    if (!error) watch();
  });
}

std::vector<ComponentState> Operations::components() const {
  const std::size_t answering = statistics_.answering(), count = statistics_.count();
  std::vector<ComponentState> states{
      {"shards", answering == count, std::to_string(answering) + " of " + std::to_string(count) + " answer"}};
  for (ComponentState& state : readiness_.all()) states.push_back(std::move(state));
  return states;
}

std::vector<BridgeState> Operations::bridge_states() const {
  std::vector<BridgeState> states;
  for (const auto& bridge : bridges_) states.push_back(bridge->state());
  return states;
}

Page Operations::page(std::string_view path) const {
  if (path == "/metrics")
    return {200, prometheus_text,
            metrics_text(statistics_.totals(), read_process_figures(), statistics_.count(), statistics_.answering(), components(),
                         bridge_states(), program_version)};
  if (path == "/healthz") {
    const ComponentState shards = components().front();
    return {shards.ok ? 200U : 503U, json, readiness_json({shards})};
  }
  if (path == "/readyz") {
    const auto states = components();
    return {all_ok(states) ? 200U : 503U, json, readiness_json(states)};
  }
  if (path == "/version") return {200, Page().content_type, std::string(program_version) + "\n"};
  return {404, Page().content_type, "there are /metrics, /healthz, /readyz and /version\n"};
}

}  // namespace sealmq::server
