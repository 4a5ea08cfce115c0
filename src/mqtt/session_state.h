// Session state that both ends of MQTT keep beyond one connection (MQTT 5 section 4.1): messages sent and not yet acknowledged,
// and packet identifiers of QoS 2 messages received and not yet released. Broker and client share it; M is what each calls a
// message.
//
// One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_set>

#include "mqtt/types.h"

namespace sealmq::mqtt {

enum class Awaiting : std::uint8_t { puback, pubrec, pubcomp };

template <class M>
struct Outgoing {
  std::uint16_t packet_id;
  Awaiting awaiting;
  bool sent;  ///< on the present connection
  M message;  ///< reset once PUBREC came; only the identifier matters then
};

/// QoS 1 and 2 messages on their way to the peer, in the order of their first PUBLISH. [MQTT-4.6.0-1]
template <class M>
class OutgoingState {
 public:
  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  auto begin() { return entries_.begin(); }
  auto end() { return entries_.end(); }

  /// Takes the next free packet identifier. The caller keeps size() below 65535.
  Outgoing<M>& start(M message, QoS qos) {
    std::uint16_t id = free_id();
    entries_.push_back({id, qos == QoS::exactly_once ? Awaiting::pubrec : Awaiting::puback, false, std::move(message)});
    return entries_.back();
  }

  /// Puts back what a store kept of an earlier life; in order, before anything is started.
  void restore(M message, std::uint16_t packet_id, Awaiting awaiting) {
    entries_.push_back({packet_id, awaiting, false, std::move(message)});
    last_id_ = std::max(last_id_, packet_id);
    known_free_ = 65535 - last_id_;
  }

  /// The entry with this identifier.
  Outgoing<M>* find(std::uint16_t packet_id) {
    auto entry = place_of(packet_id);
    return entry != entries_.end() ? &*entry : nullptr;
  }

  /// The entry, if this identifier awaits exactly that packet.
  Outgoing<M>* find(std::uint16_t packet_id, Awaiting awaiting) {
    auto entry = place_of(packet_id);
    return entry != entries_.end() && entry->awaiting == awaiting ? &*entry : nullptr;
  }

  bool in_use(std::uint16_t packet_id) const {
    for (auto& entry : entries_)
      if (entry.packet_id == packet_id) return true;
    return false;
  }

  /// The exchange is over; answers its message.
  M finish(std::uint16_t packet_id) {
    auto entry = place_of(packet_id);
    M message = std::move(entry->message);
    entries_.erase(entry);
    return message;
  }

  template <class Predicate>
  std::size_t erase_if(Predicate predicate) {
    return std::erase_if(entries_, predicate);
  }

 private:
  /// Identifiers rise from entry to entry, so it stands no further from the first one than its number does, and just there unless
  /// others between them are finished. Only a round of all numbers can put it elsewhere.
  auto place_of(std::uint16_t packet_id) {
    if (entries_.empty()) return entries_.end();
    std::size_t distance = static_cast<std::uint16_t>(packet_id - entries_.front().packet_id);
    if (distance < entries_.size() && entries_[distance].packet_id == packet_id)
      return entries_.begin() + static_cast<std::ptrdiff_t>(distance);
    return std::find_if(entries_.begin(), entries_.end(), [&](auto& e) { return e.packet_id == packet_id; });
  }

  std::uint16_t free_id() {
    while (known_free_ == 0) {
      // Looks once how many identifiers after the last one are free; in_use() for each would cost a walk a message.
      known_free_ = 65535 - last_id_;
      for (auto& entry : entries_)
        if (entry.packet_id > last_id_) known_free_ = std::min(known_free_, entry.packet_id - last_id_ - 1);
      if (known_free_ == 0 && ++last_id_ == 65535) last_id_ = 0;  // in use: step over it; [MQTT-2.2.1-2] never 0
    }
    --known_free_;
    return ++last_id_;
  }

  std::deque<Outgoing<M>> entries_;
  std::uint16_t last_id_ = 0;
  int known_free_ = 65535;
};

/// Identifiers of QoS 2 messages that came and await PUBREL: the second PUBLISH with one of them is the same message.
/// [MQTT-4.3.3-10]
class IncomingState {
 public:
  /// True if it is new.
  bool receive(std::uint16_t packet_id) { return ids_.insert(packet_id).second; }
  bool contains(std::uint16_t packet_id) const { return ids_.contains(packet_id); }
  /// True if it was there.
  bool release(std::uint16_t packet_id) { return ids_.erase(packet_id) != 0; }
  std::size_t size() const { return ids_.size(); }

 private:
  std::unordered_set<std::uint16_t> ids_;
};

}  // namespace sealmq::mqtt
