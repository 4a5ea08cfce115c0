// Message: an application message inside the core, immutable and shared by whoever still has to deliver it.
#pragma once

#include <memory>
#include <string>

#include "broker/limits/budget.h"
#include "broker/policy/logins.h"
#include "mqtt/packet.h"
#include "sealmq/ports.h"

namespace sealmq::broker {

/// A message as views, before anybody needs it longer than the present call: the QoS 0 path copies nothing.
struct MessageView {
  std::string_view topic;
  Bytes payload;  ///< what the author said
  Bytes wire;     ///< as it came in; the same as payload where nothing was wrapped
  mqtt::QoS qos = mqtt::QoS::at_most_once;
  bool retain = false;
  std::uint8_t scheme = 0;                       ///< the index it came in by
  LoginMark login{};                             ///< of its author, who brought it
  std::string_view author;                       ///< name of the verified author; empty if none
  std::string_view publisher;                    ///< its session's name, for No Local
  const mqtt::Properties* properties = nullptr;  ///< those that travel with a message; null if none
  std::uint64_t expires = UINT64_MAX;            ///< steady milliseconds
  std::uint64_t stamp = 0;                       ///< orders retained messages of one topic between shards
  std::string_view party{};                      ///< whose share of what is retained it takes; not kept with the message
};

/// Bytes of the texts among the properties that travel with a message.
std::size_t text_size(const mqtt::Properties& properties);

class Message {
 public:
  /// `number` names it in a store; 0: in none.
  explicit Message(const MessageView& view, std::uint64_t number = 0, Budget* budget = nullptr);
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  const MessageView& view() const { return view_; }
  std::uint64_t number() const { return number_; }
  std::size_t size() const { return storage_.size() + sizeof(Message) + properties_size(properties_.get()); }
  /// What is known of it before a scheme has opened it: what it will at least be.
  static std::size_t size_of(std::string_view topic, Bytes payload, const mqtt::Properties& properties) {
    return topic.size() + payload.size() + text_size(properties) + sizeof(Message) +
           (properties.user.empty() ? 0 : properties_size(&properties));
  }
  bool is_counted() const { return charge_.bytes() != 0; }
  /// From now on, if not before; of one that a store has kept. Before others have it.
  void count_in(Budget* budget) const {
    if (charge_.bytes() == 0) charge_ = Charge(budget, size());
  }

 private:
  static std::size_t properties_size(const mqtt::Properties* p) {
    return p == nullptr ? 0 : sizeof(mqtt::Properties) + p->user.size() * sizeof(mqtt::UserProperty);
  }

  std::string storage_;                           // every view below points into it
  std::unique_ptr<mqtt::Properties> properties_;  // most have none
  MessageView view_;
  std::uint64_t number_;
  mutable Charge charge_;
};

}  // namespace sealmq::broker
