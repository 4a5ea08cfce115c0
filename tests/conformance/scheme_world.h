// A broker in memory, an author and a reader who meet under one scheme, and everybody else who may want something of them. What
// tests do with them is the same for every scheme; what differs is the scheme's fixture (scheme_fixture.h).
#pragma once

#include <deque>

#include "support/wired_client.h"

namespace sealmq::testing {

class SchemeFixture;
class World;

/// An identity with its keys and its client, which others may attack on the wire.
class Party : public WiredClient {
 public:
  Party(World& world, std::string its_name, bool it_reads);

  void connect();
  void reconnect() {
    cut();
    connect();
  }
  /// The messages that its application has got, and what they say.
  std::vector<ReceivedMessage> messages;
  std::vector<std::string> texts() const;
  std::size_t count(std::string_view text) const;
  /// Takes over what has come.
  void collect();

  const std::string name;
  const bool reads;  ///< else it writes
  std::unique_ptr<KeyStore> keys;
  std::shared_ptr<TopicKeys> topic_keys;
  std::vector<PublicIdentity> peers;
  bool is_hidden = false;  ///< nobody reads along on its connection: TLS, or a socket of this machine
  std::string proves;      ///< who it is, by its transport: a certificate's name; empty: nobody

 private:
  World& world_;
};

/// How a test wants the scheme to be set up, where that can be chosen.
enum class Strength : std::uint8_t {
  usual,    ///< as its README recommends
  weakest,  ///< with as little protection as it allows: what it does not claim does not hold here
};

class World {
 public:
  static constexpr const char* author_name = "BOILER07";
  static constexpr const char* reader_name = "CONTROL1";
  static constexpr const char* topic = "plant/7/temp";
  static constexpr const char* other_topic = "plant/8/temp";

  /// `keys_of`: the same broker's key, parties' keys and keys of topics, taken out of a world that is over; what else it knew is
  /// forgotten, and whatever is drawn at random differs. It begins at the same time.
  explicit World(std::string_view scheme_name, mqtt::Version its_version = mqtt::Version::v5, Strength strength = Strength::usual,
                 World* keys_of = nullptr);
  ~World();

  /// One more, who has all that the author or the reader has, except for its own keys.
  Party& add_reader(const std::string& name) { return add(name, true, true); }
  Party& add_author(const std::string& name) { return add(name, false, true); }
  /// The same, but not on the list.
  Party& add_stranger(const std::string& name) { return add(name, false, false); }

  /// All that anybody has to say is said.
  void run();
  void advance(std::uint64_t milliseconds);
  /// The broker ends without a word and comes back with what it has stored; the parties connect again.
  void restart_broker();

  /// The broker's answer, or why there was none.
  struct Answer {
    std::optional<mqtt::Reason> reason;
    std::string why;
    bool is_good() const { return reason && !mqtt::is_error(*reason); }
  };
  Answer publish(Party& from, std::string_view to, std::string_view text, const PublishOptions& options = at_least_once());
  Answer subscribe(Party& who, std::string_view filter, mqtt::QoS qos = mqtt::QoS::exactly_once);
  static PublishOptions at_least_once() {
    PublishOptions options;
    options.qos = mqtt::QoS::at_least_once;
    return options;
  }
  /// After another connection, if its session does not do it by itself.
  void subscribe_again(Party& who);
  /// They have met, and a first message has gone from the author to the reader. Throws if that does not come about.
  void meet();

  /// Lets the author publish, and keeps the message from the broker: the packet that carries it (a record, if the connection is
  /// protected whole). Throws if none is sent.
  Buffer intercept(std::string_view to, std::string_view text);
  /// The same on its way from the broker to the reader.
  Buffer intercept_delivery(std::string_view to, std::string_view text);

  /// All octets that somebody on the wire sees of this party's connections.
  static Buffer seen_of(const Party& party);

  const Scheme& scheme;
  const mqtt::Version version;
  const Strength strength;
  std::unique_ptr<SchemeFixture> fixture;
  BrokerBench broker{2};

 private:
  std::deque<Party> parties_;

 public:
  Party& author;
  Party& reader;

 private:
  Party& add(const std::string& name, bool reads, bool is_listed);
  void set_policy();
  [[noreturn]] void fail_to_meet(const std::string& why) const;
  void enroll(const Party& party);
  void equip(Party& party);
  Buffer catch_one(WiredClient::Meddle& wire, std::string_view to, std::string_view text);
};

/// Whether the packet brings a message or a request: PUBLISH, or a record.
bool carries(const Buffer& packet);
/// Where its scheme's protection stands: the payload of a PUBLISH, a record whole.
std::pair<std::size_t, std::size_t> protected_part(const Buffer& packet, mqtt::Version version);
/// The topic that the packet names; empty: it is a record.
std::string topic_of(const Buffer& packet, mqtt::Version version);
/// The same packet with another topic.
Buffer with_topic(const Buffer& packet, std::string_view to, mqtt::Version version);
/// The same with the topic that its alias stands for, as one of these packets has said it.
Buffer with_full_topic(const Buffer& packet, const WiredClient::Packets& before, mqtt::Version version);
/// The same with another identifier, and not called a copy; QoS 0 and records as they are.
Buffer with_packet_id(const Buffer& packet, std::uint16_t id, mqtt::Version version);

bool holds(Bytes all, Bytes some);

}  // namespace sealmq::testing
