// The load generator behind `sealmq bench`: publishers and subscribers in one thread, much cheaper than the broker they load.
//
// Every message carries in its first 16 bytes when it was sent and its number, so a subscriber knows its latency and sees
// losses and repeats. Everything is bounded: in time, in connections and in messages on their way.
#pragma once

#include <functional>
#include <optional>

#include "cli/bench_histogram.h"
#include "cli/bench_link.h"
#include "mqtt/types.h"
#include "sealmq/login.h"
#include "sealmq/result.h"

namespace sealmq::load {

struct Common {
  Endpoint broker;
  mqtt::Version version = mqtt::Version::v3_1_1;
  std::optional<pid_t> pid;   ///< the broker's process, to be measured
  unsigned parallel = 32;     ///< connections being opened at the same time
  double patience = 5;        ///< seconds to wait for an answer before giving up
  bool lasting = false;       ///< sessions are meant to outlive their connections
  std::string user_name{};    ///< who logs in, by `login`; MQTT 5
  std::string client_id{};    ///< that the login wants, of one connection at a time; empty: each has its own
  bool exactly_once = false;  ///< what the login wants of CONNECT, as SchemeInfo says
  /// Begins the login of the connection with this client identifier. Empty: nobody logs in.
  std::function<Result<std::unique_ptr<ClientLogin>>(const std::string& client_id)> login{};
};

struct TrafficOptions : Common {
  unsigned publishers = 1;
  unsigned subscribers = 1;
  bool pairs = false;  ///< publisher n and subscriber n have a topic of their own; otherwise all share one
  mqtt::QoS qos = mqtt::QoS::at_most_once;
  std::size_t size = 64;  ///< bytes of payload, at least 16
  double rate = 0;  ///< messages/s by all publishers, latency counts from when each was due; 0: as fast as the window allows
  unsigned window = 1000;   ///< messages on their way in all; with a rate it bounds the unacknowledged ones of QoS 1 and 2
  double warm_up = 0.5;     ///< seconds before measuring
  double seconds = 5;       ///< of measuring
  bool busy = false;        ///< never sleep: for a generator with a core of its own
  std::string topic;        ///< of all; empty: made up for this run
  bool persistent = false;  ///< the subscribers' sessions outlive their connections, until the run ends
};

struct TrafficReport {
  double seconds = 0;                ///< measured interval
  std::uint64_t deliveries = 0;      ///< messages received in it, by all subscribers
  Histogram latency;                 ///< nanoseconds, of those deliveries
  double generator_cpu = 0;          ///< our own CPU seconds in it
  std::optional<double> broker_cpu;  ///< CPU seconds of `pid` in it

  // Of the whole run, with warm-up and the wait for the last messages:
  std::uint64_t sent = 0;      ///< messages published
  std::uint64_t received = 0;  ///< deliveries, each counted once
  std::uint64_t lost = 0;      ///< deliveries that did not come
  std::uint64_t repeated = 0;  ///< deliveries that came again, or behind a later message of the same publisher
  std::uint64_t refused = 0;   ///< messages that the broker acknowledged with an error
  std::uint64_t unsent = 0;    ///< messages that were due by their rate and could not be sent

  double per_second() const { return static_cast<double>(deliveries) / seconds; }
  std::optional<double> broker_cpu_per_million() const;
};

struct HoldOptions : Common {
  unsigned connections = 1000;
  double settle = 2;   ///< seconds until memory is read
  double seconds = 0;  ///< to go on holding afterwards
};

struct HoldReport {
  unsigned connections = 0;
  double seconds = 0;  ///< it took to open them
  std::optional<std::uint64_t> resident_before_kib;
  std::optional<std::uint64_t> resident_kib;

  std::optional<double> kib_per_connection() const;
};

struct ChurnOptions : Common {
  unsigned connects = 3000;
  double seconds = 10;  ///< at most
};

struct ChurnReport {
  std::uint64_t connects = 0;
  double seconds = 0;
  Histogram latency;  ///< nanoseconds from opening the socket to CONNACK
  std::optional<double> broker_cpu;

  double per_second() const { return static_cast<double>(connects) / seconds; }
};

/// Called about once a second while a run lasts, with a line that says how far it is.
using Progress = std::function<void(const std::string& line)>;

/// Errors of all three: caller_misused for impossible options, environment when the broker cannot be reached or does not answer,
/// not_authorised when it refuses a connection or subscription, peer_misbehaved when it breaks the protocol.
Result<TrafficReport> run_traffic(const TrafficOptions& options, const Progress& progress);
Result<HoldReport> run_hold(const HoldOptions& options, const Progress& progress);
Result<ChurnReport> run_churn(const ChurnOptions& options, const Progress& progress);

/// What one subscriber has seen of one publisher, whose messages are numbered 0, 1, 2 …
struct Arrivals {
  std::uint64_t expected = 0;
  std::uint64_t distinct = 0;
  std::uint64_t repeated = 0;

  /// How many messages are no longer on their way: this one and those it overtook, which MQTT's order makes lost. None for a
  /// repeat; one that comes late counts as a repeat too, so it cannot hide a loss. [MQTT-4.6.0-6]
  std::uint64_t saw(std::uint64_t number) {
    if (number < expected) {
      ++repeated;
      return 0;
    }
    ++distinct;
    const std::uint64_t passed = number + 1 - expected;
    expected = number + 1;
    return passed;
  }
};

}  // namespace sealmq::load
