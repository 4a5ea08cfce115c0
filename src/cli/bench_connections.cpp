#include "cli/bench_connections.h"

#include <algorithm>
#include <limits>
#include <random>

#include "base/try.h"

namespace sealmq::load {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

double seconds_between(std::uint64_t from, std::uint64_t to) {
  return static_cast<double>(to - from) / static_cast<double>(second);
}
std::uint64_t in_nanoseconds(double seconds) {
  return static_cast<std::uint64_t>(seconds * static_cast<double>(second));
}

Error refused(mqtt::Reason reason) {
  using mqtt::Reason;
  const bool denied = reason == Reason::not_authorized || reason == Reason::bad_user_name_or_password ||
                      reason == Reason::banned || reason == Reason::bad_authentication_method;
  return Error{denied ? Blame::not_authorised : Blame::environment,
               "the broker refused the connection: " + std::string(mqtt::name(reason))};
}

Error cannot_connect(const Common& options, const Error& error) {
  return Error{error.blame, "cannot connect to " + options.broker.name + ": " + error.what};
}

class SessionOpener {
 public:
  SessionOpener(const Common& options, unsigned count, const std::string& prefix, Poller poller)
      : options_(options),
        count_(count),
        prefix_(prefix),
        poller_(std::move(poller)),
        openings_(std::min(options.parallel, count)) {}

  Result<void> run(std::uint64_t until, const OnSession& on_session) {
    std::uint64_t last_answer = nanoseconds();
    for (std::size_t slot = 0; slot < openings_.size(); ++slot) TRY(start(slot));
    while (opened_ < count_ && nanoseconds() < until) {
      for (const epoll_event& event : poller_.wait(second / 10)) {
        TRY(advance(event, on_session));
        last_answer = nanoseconds();
      }
      if (seconds_between(last_answer, nanoseconds()) > options_.patience) {
        return fail(Blame::environment, "cannot connect to " + options_.broker.name + ": no answer");
      }
    }
    return {};
  }

 private:
  struct Opening {
    std::optional<Link> link;
    unsigned number = 0;
    std::uint64_t started_at = 0;
    std::unique_ptr<ClientLogin> login;
  };

  Result<void> start(std::size_t slot) {
    if (started_ == count_) return {};
    Opening& opening = openings_[slot];
    opening.number = started_++;
    opening.started_at = nanoseconds();
    Result<Link> link = Link::connect(options_.broker);
    if (!link) return Failure(cannot_connect(options_, link.error()));
    const std::string client_id = options_.client_id.empty() ? prefix_ + std::to_string(opening.number) : options_.client_id;
    mqtt::Connect connect;
    connect.version = options_.version;
    connect.keep_alive = 3600;
    connect.client_id = client_id;
    connect.clean_start = !options_.lasting;
    if (options_.lasting && options_.version == mqtt::Version::v5) connect.properties.session_expiry_interval = 3600;
    Buffer login_data;
    if (options_.login) {
      opening.login = TRY(options_.login(client_id));
      login_data = TRY(opening.login->first());
      if (!options_.user_name.empty()) connect.user_name = options_.user_name;
      if (options_.exactly_once) connect.properties.receive_maximum = 1;
      connect.properties.authentication_method = opening.login->method();
      connect.properties.authentication_data = login_data;
    }
    mqtt::encode(connect, link->out());
    poller_.add(link->fd(), slot);
    poller_.watch_writable(link->fd(), slot, true);  // which also tells when it is connected
    opening.link = std::move(*link);
    return {};
  }

  Result<void> advance(const epoll_event& event, const OnSession& on_session) {
    const std::size_t slot = event.data.u64;
    Opening& opening = openings_[slot];
    if ((event.events & EPOLLOUT) != 0) {
      Result<void> sent = opening.link->flush();
      if (!sent) return Failure(cannot_connect(options_, sent.error()));
      poller_.watch_writable(opening.link->fd(), slot, opening.link->pending() > 0);
    }
    if ((event.events & ~EPOLLOUT) == 0) return {};
    std::optional<mqtt::Connack> connack;
    Result<void> received = opening.link->receive(space_, [&](const ScannedPacket& packet) -> Result<void> {
      if (packet.type() == mqtt::PacketType::auth && opening.login != nullptr) return answer(slot, packet.body);
      if (packet.type() != mqtt::PacketType::connack) return fail(Blame::peer_misbehaved, "expected CONNACK");
      connack = TRY(mqtt::decode_connack(packet.body, options_.version));
      return {};
    });
    if (!received) return Failure(cannot_connect(options_, received.error()));
    if (!connack) return {};
    if (is_error(connack->reason)) return Failure(refused(connack->reason));
    if (opening.login != nullptr) TRY(opening.login->finish(connack->properties.authentication_data.value_or(Bytes{}), {}));
    ++opened_;
    poller_.remove(opening.link->fd());
    TRY(on_session(opening.number, std::move(*opening.link), *connack, opening.started_at));
    opening.link.reset();
    return start(slot);
  }

  Result<void> answer(std::size_t slot, Bytes body) {
    Opening& opening = openings_[slot];
    const mqtt::Auth challenge = TRY(mqtt::decode_auth(body));
    const Buffer data = TRY(opening.login->answer(challenge.properties.authentication_data.value_or(Bytes{})));
    mqtt::Auth proof;
    proof.reason = mqtt::Reason::continue_authentication;
    proof.properties.authentication_method = opening.login->method();
    proof.properties.authentication_data = data;
    mqtt::encode(proof, options_.version, opening.link->out());
    TRY(opening.link->flush());
    poller_.watch_writable(opening.link->fd(), slot, opening.link->pending() > 0);
    return {};
  }

  const Common& options_;
  unsigned count_;
  std::string prefix_;
  Poller poller_;
  ReceiveSpace space_;
  std::vector<Opening> openings_;
  unsigned started_ = 0;
  unsigned opened_ = 0;
};

}  // namespace

std::string name_of_run() {
  constexpr std::string_view letters = "abcdefghijkmnpqrstuvwxyz23456789";
  std::random_device chance;
  std::string name;
  for (int i = 0; i < 5; ++i) name += letters[chance() % letters.size()];
  return name;
}

Result<void> open_sessions(const Common& options, unsigned count, const std::string& prefix, std::uint64_t until,
                           const OnSession& on_session) {
  if (options.parallel == 0) return fail(Blame::caller_misused, "at least one connection must be opened at a time");
  SessionOpener opener(options, count, prefix, TRY(Poller::open()));
  return opener.run(until, on_session);
}

std::optional<double> HoldReport::kib_per_connection() const {
  if (!resident_before_kib || !resident_kib) return std::nullopt;
  return (static_cast<double>(*resident_kib) - static_cast<double>(*resident_before_kib)) / connections;
}

Result<HoldReport> run_hold(const HoldOptions& options, const Progress& progress) {
  if (options.connections == 0) return fail(Blame::caller_misused, "nothing to hold");
  TRY(allow_open_files(options.connections));
  std::optional<ProcessMeter> meter;
  if (options.pid) meter = TRY(ProcessMeter::of(*options.pid));

  HoldReport report;
  report.connections = options.connections;
  if (meter) report.resident_before_kib = meter->resident_kib();
  std::vector<Link> held;
  std::uint64_t said = nanoseconds();
  const std::uint64_t begin = said;
  TRY(open_sessions(options, options.connections, "hold-" + name_of_run() + "-", never,
                    [&](unsigned, Link link, const mqtt::Connack&, std::uint64_t) -> Result<void> {
                      held.push_back(std::move(link));
                      if (nanoseconds() - said >= second) {
                        said = nanoseconds();
                        progress(std::to_string(held.size()) + " of " + std::to_string(options.connections) +
                                 " connections open");
                      }
                      return {};
                    }));
  report.seconds = seconds_between(begin, nanoseconds());

  Poller nothing = TRY(Poller::open());  // a poller without links only waits
  progress("holding " + std::to_string(held.size()) + " connections");
  nothing.wait(in_nanoseconds(options.settle));
  if (meter) report.resident_kib = meter->resident_kib();
  nothing.wait(in_nanoseconds(options.seconds));
  return report;
}

Result<ChurnReport> run_churn(const ChurnOptions& options, const Progress& progress) {
  if (options.connects == 0) return fail(Blame::caller_misused, "nothing to connect");
  TRY(allow_open_files(options.parallel));
  std::optional<ProcessMeter> meter;
  if (options.pid) meter = TRY(ProcessMeter::of(*options.pid));

  ChurnReport report;
  Buffer disconnect;
  mqtt::encode(mqtt::Disconnect{}, options.version, disconnect);
  const std::uint64_t cpu_before = meter ? meter->cpu_nanoseconds() : 0;
  const std::uint64_t begin = nanoseconds();
  std::uint64_t said = begin;
  TRY(open_sessions(options, options.connects, "churn-" + name_of_run() + "-", begin + in_nanoseconds(options.seconds),
                    [&](unsigned, Link link, const mqtt::Connack&, std::uint64_t started) -> Result<void> {
                      const std::uint64_t now = nanoseconds();
                      report.latency.record(now - started);
                      ++report.connects;
                      append(link.out(), disconnect);
                      if (now - said >= second) {
                        said = now;
                        progress(std::to_string(report.connects) + " connects");
                      }
                      return link.flush();  // then closed
                    }));
  report.seconds = seconds_between(begin, nanoseconds());
  if (meter) report.broker_cpu = seconds_between(cpu_before, meter->cpu_nanoseconds());
  return report;
}

}  // namespace sealmq::load
