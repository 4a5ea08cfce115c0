// What a store answers at a start, as text to compare.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "support/memory_store.h"

namespace sealmq::testing {

inline std::string text(const std::shared_ptr<const broker::Message>& message) {
  if (message == nullptr) return "-";
  const auto& v = message->view();
  std::string all = std::to_string(message->number()) + ":" + std::string(v.topic) + "=" + std::string(as_text(v.payload)) + "/" +
                    std::string(as_text(v.wire)) + "/" + std::string(v.author) + "/" + std::string(v.publisher) + "/" +
                    std::to_string(static_cast<int>(v.qos)) + std::to_string(v.retain) + std::to_string(v.scheme) + "/" +
                    std::to_string(v.expires) + "/" + std::to_string(v.stamp);
  if (v.properties != nullptr)
    for (const auto& user : v.properties->user) all += "," + std::string(user.name) + "=" + std::string(user.value);
  return all;
}
inline std::string text(const std::shared_ptr<const std::string>& name) {
  return name == nullptr ? "-" : *name;
}

/// One line for each thing, sorted.
inline std::vector<std::string> lines(const broker::Restored& restored) {
  std::vector<std::string> all;
  for (const auto& s : restored.sessions) {
    const std::string head = std::to_string(s.saved.session) + " ";
    all.push_back(head + s.saved.client_id + " " + s.saved.owner + " " + std::to_string(s.saved.expiry_interval) + " " +
                  std::to_string(s.saved.expires) + " " + text(s.saved.will) + " " + std::to_string(s.saved.will_delay) + " " +
                  (s.saved.speakers.are_several() ? "*" : s.saved.speakers.only()));
    for (const auto& c : s.subscriptions)
      all.push_back(head + "sub " + c.filter + std::to_string(static_cast<int>(c.options.qos)) +
                    std::to_string(c.options.no_local) + std::to_string(c.options.retain_as_published) +
                    std::to_string(static_cast<int>(c.options.retain_handling)) + " " + std::to_string(c.identifier) + " " +
                    std::to_string(c.scheme) + " " + text(c.subscriber));
    for (const auto& d : s.deliveries) {
      std::string line = head + "owed " + std::to_string(d.delivery) + " " + text(d.message) + " " +
                         std::to_string(static_cast<int>(d.qos)) + std::to_string(d.retain) + " " + std::to_string(d.scheme) +
                         " " + std::to_string(d.packet_id) + " " + text(d.subscriber);
      for (auto identifier : d.identifiers) line += " " + std::to_string(identifier);
      if (d.share != nullptr) line += " by " + text(d.share);
      all.push_back(line);
    }
    for (auto packet_id : s.incoming) all.push_back(head + "incoming " + std::to_string(packet_id));
  }
  for (const auto& message : restored.retained) all.push_back("retained " + text(message));
  for (const auto& t : restored.in_transit)
    all.push_back("transit " + std::to_string(t.transit) + " " + text(t.message) + " " + std::to_string(t.shard) + "/" +
                  std::to_string(t.shards) + " " + std::to_string(t.session) + " " + t.filter);
  std::ranges::sort(all);
  return all;
}

}  // namespace sealmq::testing
