#include "server/statistics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>

namespace sealmq::server {
namespace {

constexpr std::chrono::seconds between_rounds{1};
constexpr std::uint64_t patience = 2000;  // steady milliseconds for an answer

}  // namespace

std::uint64_t resident_bytes() {
  std::uint64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

ProcessFigures read_process_figures() {
  ProcessFigures figures;
  figures.resident_bytes = resident_bytes();
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    figures.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.maximum_descriptors = limit.rlim_cur;
  const auto entries_of = [](const char* folder) {
    std::error_code error;
    std::uint64_t count = 0;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) ++count;
    return count;
  };
  figures.open_descriptors = entries_of("/proc/self/fd");
  figures.threads = entries_of("/proc/self/task");
  return figures;
}

void Load::update(std::uint64_t total, double seconds) {
  if (seconds <= 0) return;
  const double rate = static_cast<double>(total - std::min(last_, total)) * 60 / seconds;
  last_ = total;
  constexpr std::array<double, 3> windows{60, 300, 900};
  for (std::size_t i = 0; i < windows.size(); ++i)
    per_minute_[i] = rate + std::exp(-seconds / windows[i]) * (per_minute_[i] - rate);
}

std::uint64_t sum_of_drops(const broker::Counters& counters) {
  return std::accumulate(counters.dropped.begin(), counters.dropped.end(), std::uint64_t{0});
}

std::uint64_t clients_of(const broker::Counters& counters) {
  return counters.logins - std::accumulate(counters.ended.begin(), counters.ended.end(), std::uint64_t{0});
}

void add(broker::Counters& sum, const broker::Counters& shard) {
  using broker::Counters;
  for (auto member : {&Counters::connections, &Counters::sessions, &Counters::subscriptions, &Counters::inflight,
                      &Counters::queued, &Counters::queued_bytes, &Counters::bytes_received, &Counters::bytes_sent,
                      &Counters::published, &Counters::published_bytes, &Counters::delivered, &Counters::delivered_bytes,
                      &Counters::logins, &Counters::slowed_logins, &Counters::expired_sessions})
    sum.*member += shard.*member;
  sum.retained = std::max(sum.retained, shard.retained);
  sum.retained_bytes = std::max(sum.retained_bytes, shard.retained_bytes);
  const auto add_all = [](auto& into, const auto& from) {
    for (std::size_t i = 0; i < into.size(); ++i) into[i] += from[i];
  };
  add_all(sum.packets.received, shard.packets.received);
  add_all(sum.packets.sent, shard.packets.sent);
  add_all(sum.published_by_qos, shard.published_by_qos);
  add_all(sum.delivered_by_qos, shard.delivered_by_qos);
  add_all(sum.ended, shard.ended);
  add_all(sum.dropped, shard.dropped);
}

Statistics::Statistics(boost::asio::io_context& loop, const std::vector<std::unique_ptr<ShardThread>>& shards,
                       const RefusalLog& refusals, const KeyExchanges& key_exchanges)
    : loop_(loop), shards_(shards), refusals_(refusals), key_exchanges_(key_exchanges), timer_(loop) {}

void Statistics::start(std::function<void()> each_second) {
  each_second_ = std::move(each_second);
  latest_.resize(shards_.size());
  questions_.resize(shards_.size());
  const Now now = system_now();
  begun_ = summed_up_ = now.steady;
  totals_.started = now.wall;
  round();
}

void Statistics::stop() {
  timer_.cancel();
}

void Statistics::round() {
  sum_up();
  for (std::size_t index = 0; index < shards_.size(); ++index) ask(index);
  each_second_();
  timer_.expires_after(between_rounds);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) round();
  });
}

// A shard that is busy is not asked twice.
void Statistics::ask(std::size_t index) {
  Question& question = questions_[index];
  if (question.open) return;
  question = {true, system_now().steady};
  shards_[index]->post([this, index](broker::Shard& shard, Now) {
    boost::asio::post(loop_, [this, index, counters = shard.counters()] {
      latest_[index] = counters;
      questions_[index].open = false;
    });
  });
}

void Statistics::sum_up() {
  totals_.refused = refusals_.counts();
  totals_.key_exchanges = key_exchanges_.counts();
  broker::Counters sum;
  for (const broker::Counters& counters : latest_) add(sum, counters);
  totals_.counters = sum;
  totals_.clients = clients_of(sum);
  totals_.maximum_clients = std::max(totals_.maximum_clients, totals_.clients);
  totals_.maximum_resident_bytes = std::max(totals_.maximum_resident_bytes, resident_bytes());
  const std::uint64_t now = system_now().steady;
  totals_.uptime = (now - begun_) / 1000;
  const double seconds = static_cast<double>(now - summed_up_) / 1000;
  summed_up_ = now;

  const auto packets = [](const auto& counts) { return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}); };
  loads_.messages_received.update(packets(sum.packets.received), seconds);
  loads_.messages_sent.update(packets(sum.packets.sent), seconds);
  loads_.publish_received.update(sum.packets.received[static_cast<std::size_t>(mqtt::PacketType::publish)], seconds);
  loads_.publish_sent.update(sum.packets.sent[static_cast<std::size_t>(mqtt::PacketType::publish)], seconds);
  loads_.publish_dropped.update(sum_of_drops(sum), seconds);
  loads_.bytes_received.update(sum.bytes_received, seconds);
  loads_.bytes_sent.update(sum.bytes_sent, seconds);
  loads_.sockets.update(sum.logins, seconds);
  loads_.connections.update(sum.packets.received[static_cast<std::size_t>(mqtt::PacketType::connect)], seconds);
}

std::size_t Statistics::answering() const {
  const std::uint64_t now = system_now().steady;
  return static_cast<std::size_t>(std::ranges::count_if(
      questions_, [&](const Question& question) { return !question.open || now - question.asked < patience; }));
}

}  // namespace sealmq::server
