#include "cli/bench_load.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/try.h"
#include "cli/bench_connections.h"
#include "cli/bench_message.h"
#include "mqtt/packet.h"
#include "mqtt/topic.h"

namespace sealmq::load {
namespace {

using mqtt::PacketType;
using mqtt::QoS;

constexpr std::size_t most_pending = 1024 * 1024;           // bytes waiting to be written to one publisher's connection
constexpr std::uint64_t quiet_before_written_off = second;  // QoS 0: what has not come by then will not come
constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

std::uint64_t in_nanoseconds(double seconds) {
  return static_cast<std::uint64_t>(seconds * static_cast<double>(second));
}
double in_seconds(std::uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / static_cast<double>(second);
}

std::uint64_t own_cpu_nanoseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * second + static_cast<std::uint64_t>(now.tv_nsec);
}

/// A connection of the run. `number` is what the poller calls it: subscribers first, then publishers.
struct Party {
  Link link;
  std::uint64_t number;
  bool blocked = false;  // waits for its socket to take more
};

struct Publisher : Party {
  PublishTemplate message;
  std::uint64_t window;  // unfinished messages it may have
  std::uint64_t sent = 0;
  std::uint64_t acknowledged = 0;  // QoS 1 and 2
  std::uint64_t landed = 0;        // deliveries that came or are known to be lost
};

struct Subscriber : Party {
  std::vector<Arrivals> arrivals;  // one for each publisher; for pairs just its own
  bool subscribed = false;
};

class Traffic {
 public:
  Traffic(const TrafficOptions& options, Poller poller, std::optional<ProcessMeter> meter)
      : options_(options),
        poller_(std::move(poller)),
        meter_(meter),
        run_(name_of_run()),
        fan_out_(options.pairs ? 1 : options.subscribers) {}

  Result<TrafficReport> run(const Progress& progress) {
    TRY(open_subscribers());
    TRY(open_publishers());
    TRY(publish_and_measure(progress));
    TRY(wait_for_the_last());
    say_goodbye();
    if (options_.persistent) TRY(end_sessions());
    return summary();
  }

 private:
  // Setting up.

  std::string topic_of(std::size_t number) const {
    const std::string topic = options_.topic.empty() ? "b/" + run_ : options_.topic;
    return options_.pairs ? topic + "/" + std::to_string(number) : topic;
  }
  std::string subscriber_names() const { return "bench-" + run_ + "-s"; }

  Result<void> open_subscribers() {
    subscribers_.reserve(options_.subscribers);
    Common options = options_;
    options.lasting = options_.persistent;
    TRY(open_sessions(options, options_.subscribers, subscriber_names(), never,
                      [&](unsigned, Link link, const mqtt::Connack&, std::uint64_t) -> Result<void> {
                        const std::uint64_t number = subscribers_.size();
                        poller_.add(link.fd(), number);
                        subscribers_.push_back(Subscriber{{std::move(link), number}, {}});
                        subscribers_.back().arrivals.resize(options_.pairs ? 1 : options_.publishers);
                        return {};
                      }));
    for (Subscriber& subscriber : subscribers_) {
      const std::string filter = topic_of(subscriber.number);
      mqtt::SubscribeEntry entry;
      entry.filter = filter;
      entry.options.qos = options_.qos;
      mqtt::Subscribe subscribe;
      subscribe.packet_id = 1;
      subscribe.entries.push_back(entry);
      mqtt::encode(subscribe, options_.version, subscriber.link.out());
      TRY(flush(subscriber));
    }
    const std::uint64_t deadline = nanoseconds() + in_nanoseconds(options_.patience);
    while (subscribed_ < subscribers_.size()) {
      if (nanoseconds() > deadline) return fail(Blame::environment, "the broker did not answer SUBSCRIBE");
      TRY(receive(second / 10));
    }
    return {};
  }

  Result<void> open_publishers() {
    const std::uint64_t share = std::max<std::uint64_t>(1, options_.window / options_.publishers);
    publishers_.reserve(options_.publishers);
    return open_sessions(
        options_, options_.publishers, "bench-" + run_ + "-p", never,
        [&](unsigned, Link link, const mqtt::Connack& connack, std::uint64_t) -> Result<void> {
          const std::uint64_t number = publishers_.size();
          std::uint64_t window = share;
          if (options_.qos != QoS::at_most_once) {  // [MQTT-3.3.4-9]
            window = std::min<std::uint64_t>(window, connack.properties.receive_maximum.value_or(65'535));
          }
          poller_.add(link.fd(), subscribers_.size() + number);
          publishers_.push_back(Publisher{{std::move(link), subscribers_.size() + number},
                                          PublishTemplate(topic_of(number), options_.qos, options_.version, options_.size),
                                          window});
          return {};
        });
  }

  // The run.

  Result<void> publish_and_measure(const Progress& progress) {
    begin_ = nanoseconds();
    last_arrival_ = begin_;
    const std::uint64_t measure_from = begin_ + in_nanoseconds(options_.warm_up);
    std::uint64_t measure_until = measure_from + in_nanoseconds(options_.seconds);
    std::uint64_t cpu_before = 0;
    std::uint64_t own_cpu_before = 0;
    std::uint64_t measured_from = 0;
    std::uint64_t next_line = begin_ + second;
    std::uint64_t arrived_by_last_line = 0;
    std::uint64_t last_turn = begin_;
    for (std::uint64_t now = begin_; now < measure_until; now = nanoseconds()) {
      last_turn = now;
      if (!measuring_ && now >= measure_from) {
        measuring_ = true;
        cpu_before = meter_ ? meter_->cpu_nanoseconds() : 0;
        own_cpu_before = own_cpu_nanoseconds();
        measured_from = now;
        measure_until = now + in_nanoseconds(options_.seconds);
      }
      if (now >= next_line) {
        progress(std::to_string(now / second - begin_ / second) +
                 " s: " + std::to_string((arrived_ - arrived_by_last_line) / 1000) + " thousand deliveries/s");
        arrived_by_last_line = arrived_;
        next_line += second;
      }
      TRY(publish(now));
      TRY(receive(options_.busy ? 0 : sleep_at(now)));
      TRY(notice_silence(now));
    }
    measuring_ = false;
    const std::uint64_t end = nanoseconds();
    if (meter_) report_.broker_cpu = in_seconds(meter_->cpu_nanoseconds() - cpu_before);
    report_.generator_cpu = in_seconds(own_cpu_nanoseconds() - own_cpu_before);
    report_.seconds = in_seconds(end - measured_from);
    report_.unsent = count_unsent(last_turn);
    return {};
  }

  /// Publishes what the window allows or what has become due.
  Result<void> publish(std::uint64_t now) {
    for (Publisher& publisher : publishers_) {
      std::uint64_t count = room(publisher);
      if (options_.rate > 0) count = std::min(count, due_by(publisher, now) - publisher.sent);
      for (; count > 0 && publisher.link.pending() < most_pending; --count) {
        const std::uint64_t time = options_.rate > 0 ? due_time(publisher, publisher.sent) : now;
        // Acknowledgements come in order [MQTT-4.6.0-2], and a window is no larger than the number of identifiers.
        const auto packet_id = static_cast<std::uint16_t>(publisher.sent % 65'535 + 1);
        publisher.message.append_to(publisher.link.out(), {time - origin_, index(publisher), publisher.sent}, packet_id);
        ++publisher.sent;
      }
      if (publisher.link.pending() > 0) TRY(flush(publisher));
    }
    return {};
  }

  std::uint64_t index(const Publisher& publisher) const { return publisher.number - subscribers_.size(); }

  std::uint64_t room(const Publisher& publisher) const {
    std::uint64_t unfinished = 0;
    if (options_.qos != QoS::at_most_once) unfinished = publisher.sent - publisher.acknowledged;
    if (options_.rate == 0) {
      const std::uint64_t on_their_way = publisher.sent * fan_out_ - std::min(publisher.landed, publisher.sent * fan_out_);
      unfinished = std::max(unfinished, (on_their_way + fan_out_ - 1) / fan_out_);
    } else if (options_.qos == QoS::at_most_once) {
      return std::numeric_limits<std::uint64_t>::max();
    }
    return publisher.window - std::min(unfinished, publisher.window);
  }

  // With a rate the publishers take turns: message j of publisher k is due as the (j * publishers + k)-th of all.
  std::uint64_t due_time(const Publisher& publisher, std::uint64_t number) const {
    const auto position = static_cast<double>(number * options_.publishers + index(publisher));
    return begin_ + in_nanoseconds(position / options_.rate);
  }
  std::uint64_t due_by(const Publisher& publisher, std::uint64_t now) const {
    const double positions = in_seconds(now - begin_) * options_.rate - static_cast<double>(index(publisher));
    const std::uint64_t due = positions < 0 ? 0 : static_cast<std::uint64_t>(positions / options_.publishers) + 1;
    return std::max(due, publisher.sent);
  }
  std::uint64_t count_unsent(std::uint64_t now) const {
    std::uint64_t unsent = 0;
    if (options_.rate > 0) {
      for (const Publisher& publisher : publishers_) unsent += due_by(publisher, now) - publisher.sent;
    }
    return unsent;
  }
  /// How long nothing becomes due; a millisecond at most, so that the run's own times are kept.
  std::uint64_t sleep_at(std::uint64_t now) const {
    constexpr std::uint64_t longest = second / 1000;
    if (options_.rate == 0) return longest;
    const double interval = static_cast<double>(second) / options_.rate;
    const double next = (std::floor(static_cast<double>(now - begin_) / interval) + 1) * interval;
    return std::min(longest, static_cast<std::uint64_t>(next) - std::min(now - begin_, static_cast<std::uint64_t>(next)));
  }

  /// A lost QoS 0 message would stay in the window for ever. Acknowledged ones must come.
  Result<void> notice_silence(std::uint64_t now) {
    if (now < std::max(last_arrival_, written_off_at_) + quiet_before_written_off || everything_landed()) return {};
    if (now > last_arrival_ + in_nanoseconds(options_.patience)) {
      return fail(Blame::environment, "the broker has not delivered anything for " +
                                          std::to_string(static_cast<unsigned>(options_.patience)) +
                                          " s: may plain clients publish and subscribe?");
    }
    if (options_.qos == QoS::at_most_once) {
      for (Publisher& publisher : publishers_) publisher.landed = publisher.sent * fan_out_;
      written_off_at_ = now;
    }
    return {};
  }

  bool everything_landed() const {
    return std::all_of(publishers_.begin(), publishers_.end(), [&](const Publisher& publisher) {
      return publisher.landed >= publisher.sent * fan_out_ &&
             (options_.qos == QoS::at_most_once || publisher.acknowledged == publisher.sent);
    });
  }

  Result<void> wait_for_the_last() {
    const std::uint64_t deadline = nanoseconds() + in_nanoseconds(options_.patience);
    last_arrival_ = nanoseconds();
    while (!everything_landed()) {
      const std::uint64_t now = nanoseconds();
      if (now > deadline || now > last_arrival_ + quiet_before_written_off) break;
      TRY(receive(second / 100));
    }
    return {};
  }

  void say_goodbye() {
    const auto leave = [&](Party& party) {
      mqtt::encode(mqtt::Disconnect{}, options_.version, party.link.out());
      (void)party.link.flush();  // a broker that does not listen any more will see the connection close
    };
    for (Publisher& publisher : publishers_) leave(publisher);
    for (Subscriber& subscriber : subscribers_) leave(subscriber);
  }

  /// A clean session takes the place of each that would outlive the run.
  Result<void> end_sessions() {
    return open_sessions(options_, options_.subscribers, subscriber_names(), never,
                         [&](unsigned, Link link, const mqtt::Connack&, std::uint64_t) -> Result<void> {
                           mqtt::encode(mqtt::Disconnect{}, options_.version, link.out());
                           return link.flush();
                         });
  }

  TrafficReport summary() {
    for (const Publisher& publisher : publishers_) report_.sent += publisher.sent;
    for (const Subscriber& subscriber : subscribers_) {
      for (const Arrivals& arrivals : subscriber.arrivals) {
        report_.received += arrivals.distinct;
        report_.repeated += arrivals.repeated;
      }
    }
    report_.lost = report_.sent * fan_out_ - report_.received;
    return report_;
  }

  // Moving packets.

  Result<void> flush(Party& party) {
    Result<void> written = party.link.flush();
    if (!written) return lost_connection(written.error());
    const bool blocked = party.link.pending() > 0;
    if (blocked != party.blocked) poller_.watch_writable(party.link.fd(), party.number, blocked);
    party.blocked = blocked;
    return {};
  }

  static Failure lost_connection(const Error& error) {
    return fail(error.blame, error.blame == Blame::environment ? "connection lost: " + error.what : error.what);
  }

  Result<void> receive(std::uint64_t wait) {
    for (const epoll_event& event : poller_.wait(wait)) {
      const std::uint64_t number = event.data.u64;
      const bool readable = (event.events & ~EPOLLOUT) != 0;
      const auto serve = [&](auto& party) -> Result<void> {
        received_at_ = 0;
        if (readable) {
          Result<void> received = party.link.receive(space_, [&](const ScannedPacket& packet) { return on(party, packet); });
          if (!received) return lost_connection(received.error());
        }
        return party.link.pending() > 0 || party.blocked ? flush(party) : Result<void>();
      };
      Result<void> served =
          number < subscribers_.size() ? serve(subscribers_[number]) : serve(publishers_[number - subscribers_.size()]);
      if (!served) return served;
    }
    return {};
  }

  Result<void> on(Subscriber& subscriber, const ScannedPacket& packet) {
    switch (packet.type()) {
      case PacketType::publish: {
        const ScannedPublish publish = scan_publish(packet, options_.version);
        if (!publish.valid) return fail(Blame::peer_misbehaved, "the broker sent a malformed PUBLISH");
        if (packet.qos() == QoS::at_least_once) answer(subscriber, 0x40, publish.packet_id);  // PUBACK
        if (packet.qos() == QoS::exactly_once) answer(subscriber, 0x50, publish.packet_id);   // PUBREC
        return arrived(subscriber, publish.payload);
      }
      case PacketType::pubrel:
        answer(subscriber, 0x70, TRY(packet_id_of(packet)));  // PUBCOMP
        return {};
      case PacketType::suback: {
        const mqtt::Suback suback = TRY(mqtt::decode_suback(packet.body, options_.version));
        if (suback.reasons.size() != 1) return fail(Blame::peer_misbehaved, "expected one answer in SUBACK");  // [MQTT-3.9.3-1]
        const mqtt::Reason reason = suback.reasons.front();
        if (is_error(reason)) {
          return fail(Blame::not_authorised, "the broker refused the subscription: " + std::string(mqtt::name(reason)));
        }
        if (static_cast<unsigned>(reason) != static_cast<unsigned>(options_.qos)) {
          return fail(Blame::peer_incompatible, "the broker granted a lower quality of service");
        }
        subscribed_ += subscriber.subscribed ? 0 : 1;
        subscriber.subscribed = true;
        return {};
      }
      default:
        return unless_disconnected(packet);
    }
  }

  Result<void> on(Publisher& publisher, const ScannedPacket& packet) {
    switch (packet.type()) {
      case PacketType::pubrec: {
        const std::uint16_t packet_id = TRY(packet_id_of(packet));
        if (is_refusal(packet)) return acknowledged(publisher, packet);  // no PUBREL follows [MQTT-4.3.3-4]
        answer(publisher, 0x62, packet_id);                              // PUBREL
        return {};
      }
      case PacketType::puback:
      case PacketType::pubcomp:
        TRY(packet_id_of(packet));
        return acknowledged(publisher, packet);
      default:
        return unless_disconnected(packet);
    }
  }

  Result<void> acknowledged(Publisher& publisher, const ScannedPacket& packet) {
    if (publisher.acknowledged == publisher.sent) return fail(Blame::peer_misbehaved, "the broker acknowledged a message twice");
    ++publisher.acknowledged;
    if (is_refusal(packet)) {
      ++report_.refused;
      publisher.landed += fan_out_;
    }
    return {};
  }

  Result<void> arrived(Subscriber& subscriber, Bytes payload) {
    if (payload.size() != options_.size) return foreign_message();
    const auto [sent_at, from, number] = Stamp::read(payload);
    const std::uint64_t time = origin_ + sent_at;
    if (from >= publishers_.size() || (options_.pairs && from != subscriber.number) || number >= publishers_[from].sent) {
      return foreign_message();
    }
    if (received_at_ == 0) received_at_ = nanoseconds();  // one look at the clock for all that one read brought
    last_arrival_ = received_at_;
    publishers_[from].landed += subscriber.arrivals[options_.pairs ? 0 : from].saw(number);
    ++arrived_;
    if (measuring_) {
      ++report_.deliveries;
      report_.latency.record(received_at_ - std::min(time, received_at_));
    }
    return {};
  }

  static Failure foreign_message() { return fail(Blame::peer_misbehaved, "the broker delivered a message that was not sent"); }

  Result<void> unless_disconnected(const ScannedPacket& packet) const {
    if (packet.type() != PacketType::disconnect) return {};
    const mqtt::Disconnect disconnect = TRY(mqtt::decode_disconnect(packet.body, options_.version));
    return fail(Blame::environment, "the broker said DISCONNECT: " + std::string(mqtt::name(disconnect.reason)));
  }

  static Result<std::uint16_t> packet_id_of(const ScannedPacket& packet) {
    if (packet.body.size() < 2) return fail(Blame::peer_misbehaved, "the broker sent a malformed acknowledgement");
    return static_cast<std::uint16_t>(packet.body[0] << 8 | packet.body[1]);
  }
  static bool is_refusal(const ScannedPacket& packet) { return packet.body.size() > 2 && packet.body[2] >= 0x80; }

  static void answer(Party& party, std::uint8_t head, std::uint16_t packet_id) {
    const std::array<std::uint8_t, 4> packet = {head, 2, static_cast<std::uint8_t>(packet_id >> 8),
                                                static_cast<std::uint8_t>(packet_id)};
    append(party.link.out(), packet);
  }

  const TrafficOptions& options_;
  Poller poller_;
  std::optional<ProcessMeter> meter_;
  std::string run_;
  std::uint64_t fan_out_;
  ReceiveSpace space_;
  std::vector<Subscriber> subscribers_;
  std::vector<Publisher> publishers_;
  std::size_t subscribed_ = 0;

  std::uint64_t origin_ = nanoseconds();  // times in messages count from here
  std::uint64_t begin_ = 0;
  std::uint64_t received_at_ = 0;
  std::uint64_t last_arrival_ = 0;
  std::uint64_t written_off_at_ = 0;
  std::uint64_t arrived_ = 0;
  bool measuring_ = false;
  TrafficReport report_;
};

Result<void> check(const TrafficOptions& options) {
  const auto refuse = [](const char* why) { return fail(Blame::caller_misused, why); };
  if (options.publishers == 0 || options.subscribers == 0) return refuse("at least one publisher and one subscriber are needed");
  if (options.pairs && options.publishers != options.subscribers) return refuse("pairs take as many publishers as subscribers");
  if (!options.pairs && std::uint64_t{options.publishers} * options.subscribers > 4'000'000) {
    return refuse("publishers times subscribers may be 4 000 000 at most");
  }
  if (options.size < Stamp::size || options.size > ReceiveSpace::largest_packet / 2) {
    return refuse("the size may be 16 bytes to 1 MiB");
  }
  if (!options.topic.empty() && !mqtt::is_topic_name(options.topic)) return refuse("the topic has to be a topic name");
  if (options.window == 0) return refuse("the window is at least one message");
  if (options.rate < 0 || options.seconds <= 0 || options.warm_up < 0) return refuse("rate and times cannot be negative");
  return {};
}

}  // namespace

std::optional<double> TrafficReport::broker_cpu_per_million() const {
  if (!broker_cpu || deliveries == 0) return std::nullopt;
  return *broker_cpu / static_cast<double>(deliveries) * 1e6;
}

Result<TrafficReport> run_traffic(const TrafficOptions& options, const Progress& progress) {
  TRY(check(options));
  TRY(allow_open_files(std::size_t{options.publishers} + options.subscribers));
  std::optional<ProcessMeter> meter;
  if (options.pid) meter = TRY(ProcessMeter::of(*options.pid));
  return Traffic(options, TRY(Poller::open()), meter).run(progress);
}

}  // namespace sealmq::load
