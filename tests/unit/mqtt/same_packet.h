// Equality of packets by content, member by member. Only tests ask for it.
#pragma once

#include <algorithm>

#include "mqtt/packet.h"

namespace sealmq::mqtt::test {

inline bool same(Bytes a, Bytes b) {
  return std::ranges::equal(a, b);
}
inline bool same(const std::optional<Bytes>& a, const std::optional<Bytes>& b) {
  return a.has_value() == b.has_value() && (!a || same(*a, *b));
}

inline bool same(const std::optional<Will>& a, const std::optional<Will>& b) {
  if (!a || !b) return !a && !b;
  return a->topic == b->topic && same(a->payload, b->payload) && a->qos == b->qos && a->retain == b->retain &&
         a->properties == b->properties;
}
inline bool same(const Connect& a, const Connect& b) {
  return a.version == b.version && a.bridge == b.bridge && a.clean_start == b.clean_start && a.keep_alive == b.keep_alive &&
         a.client_id == b.client_id && same(a.will, b.will) && a.user_name == b.user_name && same(a.password, b.password) &&
         a.properties == b.properties;
}
inline bool same(const Connack& a, const Connack& b) {
  return a.session_present == b.session_present && a.reason == b.reason && a.properties == b.properties;
}
inline bool same(const Publish& a, const Publish& b) {
  return a.dup == b.dup && a.qos == b.qos && a.retain == b.retain && a.topic == b.topic && a.packet_id == b.packet_id &&
         same(a.payload, b.payload) && a.properties == b.properties;
}
template <PacketType type>
bool same(const Acknowledgement<type>& a, const Acknowledgement<type>& b) {
  return a.packet_id == b.packet_id && a.reason == b.reason && a.properties == b.properties;
}
inline bool same(const Subscribe& a, const Subscribe& b) {
  auto equal = [](const SubscribeEntry& x, const SubscribeEntry& y) { return x.filter == y.filter && x.options == y.options; };
  return a.packet_id == b.packet_id && a.properties == b.properties && std::ranges::equal(a.entries, b.entries, equal);
}
inline bool same(const Suback& a, const Suback& b) {
  return a.packet_id == b.packet_id && a.properties == b.properties && a.reasons == b.reasons;
}
inline bool same(const Unsubscribe& a, const Unsubscribe& b) {
  return a.packet_id == b.packet_id && a.properties == b.properties && a.filters == b.filters;
}
inline bool same(const Unsuback& a, const Unsuback& b) {
  return a.packet_id == b.packet_id && a.properties == b.properties && a.reasons == b.reasons;
}
inline bool same(const Pingreq&, const Pingreq&) {
  return true;
}
inline bool same(const Pingresp&, const Pingresp&) {
  return true;
}
inline bool same(const Disconnect& a, const Disconnect& b) {
  return a.reason == b.reason && a.properties == b.properties;
}
inline bool same(const Auth& a, const Auth& b) {
  return a.reason == b.reason && a.properties == b.properties;
}

inline bool same(const Packet& a, const Packet& b) {
  return std::visit(
      [](const auto& x, const auto& y) {
        if constexpr (std::is_same_v<decltype(x), decltype(y)>)
          return same(x, y);
        else
          return false;
      },
      a, b);
}

}  // namespace sealmq::mqtt::test
