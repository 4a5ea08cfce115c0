// Link: one client's connection to a shard: what each packet of a client means (MQTT 5 section 3, server side).
#pragma once

#include <string>

#include "broker/session.h"
#include "broker/shard.h"
#include "mqtt/connection.h"

namespace sealmq::broker {

class Core;

class Link final : public mqtt::Events {
 public:
  Link(Core& core, ConnectionId id, std::string address, Now now);

  using mqtt::Events::on;

  Result<> on(const mqtt::Connect& packet, Bytes raw) override;
  Result<> on(const mqtt::Publish& packet) override;
  Result<> on(const mqtt::Puback& packet) override;
  Result<> on(const mqtt::Pubrec& packet) override;
  Result<> on(const mqtt::Pubrel& packet) override;
  Result<> on(const mqtt::Pubcomp& packet) override;
  Result<> on(const mqtt::Subscribe& packet) override;
  Result<> on(const mqtt::Unsubscribe& packet) override;
  Result<> on(const mqtt::Disconnect& packet) override;

  bool is_v5() const { return connection.version() == mqtt::Version::v5; }
  /// For the log: the identifier, or the address before there is one.
  std::string_view label() const { return session != nullptr ? std::string_view(session->client_id) : address; }

  mqtt::Connection connection;
  const ConnectionId id;
  const std::string address;
  Session* session = nullptr;
  Now now;                         ///< of the call being handled
  std::uint32_t in_flight = 0;     ///< QoS 1 and 2 messages sent on this connection and not finished
  bool writable_told = false;      ///< stands in Effects::writable
  std::size_t promised = 0;        ///< answers that wait for the store
  TextMap<std::uint16_t> aliases;  ///< topic aliases in use towards the client
  std::uint16_t alias_maximum = 0;
  bool ended = false;  ///< only its last bytes are still to be written
  Buffer moving;       ///< the CONNECT that belongs to another shard
  std::size_t moving_to = 0;
  std::uint32_t failures = 0;        ///< messages that failed verification,
  std::uint64_t failures_since = 0;  ///< since this steady moment

 private:
  void acknowledge(mqtt::PacketType type, std::uint16_t packet_id, mqtt::Reason reason, bool relies);
  template <class Answer>
  void promise(mqtt::PacketType type, const Answer& answer, bool relies);
  Result<> login(const mqtt::Connect& packet);

  Core& core_;
};

}  // namespace sealmq::broker
