#include "server/session_loader.h"

#include <algorithm>
#include <map>

#include "base/reader.h"
#include "base/try.h"
#include "sealmq/scheme.h"
#include "server/message_record.h"
#include "server/session_tables.h"

namespace sealmq::server {
namespace {

using broker::Message;
using broker::Number;
using Loaded = SessionStore::Loaded;
using Messages = std::unordered_map<Number, std::shared_ptr<const Message>>;

std::shared_ptr<const std::string> shared_text(std::string text) {
  return text.empty() ? nullptr : std::make_shared<const std::string>(std::move(text));
}

std::shared_ptr<const Message> find(const Messages& messages, Number number) {
  if (number == no_message) return nullptr;
  const auto at = messages.find(number);
  return at == messages.end() ? nullptr : at->second;
}

std::uint8_t index_of(const Scheme* scheme) {
  return static_cast<std::uint8_t>(scheme - all_schemes().data());
}

class Loader {
 public:
  Loader(sqlite::Database& database, MessageKeys& keys, Now now) : database_(database), keys_(keys), now_(now) {}

  Result<Loaded> load() {
    Loaded loaded;
    const auto messages = TRY(load_messages(loaded));
    std::map<Number, broker::Restored::Session> sessions;
    TRY(load_sessions(sessions, messages, loaded));
    for (auto& [number, session] : sessions) loaded.restored.sessions.push_back(std::move(session));
    TRY(load_rest(messages, loaded));
    auto key = TRY(database_.prepare("SELECT first, second FROM shard_key_1"));
    while (TRY(key.step())) loaded.restored.shard_key = {key.number(0), key.number(1)};
    return loaded;
  }

 private:
  Result<Messages> load_messages(Loaded& loaded) {
    auto keys = TRY(keys_.earlier(database_));
    Messages messages;
    auto rows = TRY(database_.prepare("SELECT number, epoch, iv, sealed FROM message_1"));
    while (TRY(rows.step())) {
      const Number number = rows.number(0);
      loaded.restored.last_number = std::max(loaded.restored.last_number, number);
      const auto record = MessageKeys::open(keys, number, rows.number(1), rows.number(2), rows.blob(3));
      auto message = record ? decode_record(*record, number, now_) : tl::unexpected(record.error());
      if (message)
        messages.emplace(number, *std::move(message));
      else
        ++loaded.unreadable;
    }
    return messages;
  }

  Result<> load_sessions(std::map<Number, broker::Restored::Session>& sessions, const Messages& messages, Loaded& loaded) {
    auto rows =
        TRY(database_.prepare("SELECT number, client_id, owner, expiry_interval, expires, will, will_delay FROM session_1"));
    while (TRY(rows.step())) {
      auto& saved = sessions[rows.number(0)].saved;
      saved = {rows.number(0),
               rows.text(1),
               rows.text(2),
               static_cast<std::uint32_t>(rows.number(3)),
               steady_of(rows.number(4), now_),
               find(messages, rows.number(5)),
               static_cast<std::uint32_t>(rows.number(6)),
               {}};
      loaded.restored.last_number = std::max(loaded.restored.last_number, saved.session);
    }
    auto speakers = TRY(database_.prepare("SELECT session, identity FROM speaker_1"));
    while (TRY(speakers.step())) {
      const auto session = sessions.find(speakers.number(0));
      if (session == sessions.end()) continue;
      const std::string only = speakers.text(1);
      if (only.empty())
        session->second.saved.speakers = broker::Speakers::several();
      else
        session->second.saved.speakers.add(only);
    }
    auto subscriptions =
        TRY(database_.prepare("SELECT session, filter, options, identifier, scheme, subscriber FROM subscription_1"));
    while (TRY(subscriptions.step())) {
      const auto session = sessions.find(subscriptions.number(0));
      const Scheme* scheme = find_scheme(subscriptions.text(4));
      if (session == sessions.end() || scheme == nullptr) continue;
      session->second.subscriptions.push_back({session->first, subscriptions.text(1), unpack(subscriptions.number(2)),
                                               static_cast<std::uint32_t>(subscriptions.number(3)), index_of(scheme),
                                               shared_text(subscriptions.text(5)),
                                               (subscriptions.number(2) & owes_retained) != 0});
    }
    auto deliveries =
        TRY(database_.prepare("SELECT session, number, message, qos, retain, scheme, packet_id, subscriber, identifiers, "
                              "share FROM delivery_2 ORDER BY session, number"));
    while (TRY(deliveries.step())) {
      const auto session = sessions.find(deliveries.number(0));
      const Scheme* scheme = find_scheme(deliveries.text(5));
      loaded.restored.last_number = std::max(loaded.restored.last_number, deliveries.number(1));
      const auto message = find(messages, deliveries.number(2));
      const bool was_sent = deliveries.number(6) != 0;  // then it may have become a mere packet identifier
      const bool lost = message == nullptr && (deliveries.number(2) != no_message || !was_sent);
      if (session == sessions.end() || scheme == nullptr || lost) continue;
      broker::DeliverySaved saved{session->first,
                                  deliveries.number(1),
                                  message,
                                  static_cast<mqtt::QoS>(deliveries.number(3)),
                                  deliveries.number(4) != 0,
                                  index_of(scheme),
                                  static_cast<std::uint16_t>(deliveries.number(6)),
                                  shared_text(deliveries.text(7)),
                                  {},
                                  shared_text(deliveries.text(9))};
      Reader identifiers(deliveries.blob(8));
      while (identifiers.remaining() >= 4) saved.identifiers.push_back(identifiers.u32());
      session->second.deliveries.push_back(std::move(saved));
    }
    auto incoming = TRY(database_.prepare("SELECT session, packet_id FROM incoming_1"));
    while (TRY(incoming.step())) {
      const auto session = sessions.find(incoming.number(0));
      if (session != sessions.end()) session->second.incoming.push_back(static_cast<std::uint16_t>(incoming.number(1)));
    }
    return {};
  }

  Result<> load_rest(const Messages& messages, Loaded& loaded) {
    auto retained = TRY(database_.prepare("SELECT message FROM retained_1"));
    while (TRY(retained.step()))
      if (auto message = find(messages, retained.number(0))) loaded.restored.retained.push_back(std::move(message));
    auto transits =
        TRY(database_.prepare("SELECT transit, message, shard, shards, session, filter FROM transit_1 ORDER BY transit"));
    while (TRY(transits.step())) {
      loaded.restored.last_number = std::max(loaded.restored.last_number, transits.number(0));
      if (auto message = find(messages, transits.number(1)))
        loaded.restored.in_transit.push_back(
            {transits.number(0), std::move(message), static_cast<std::uint32_t>(transits.number(2)),
             static_cast<std::uint32_t>(transits.number(3)), transits.number(4), transits.text(5)});
    }
    return {};
  }

  sqlite::Database& database_;
  MessageKeys& keys_;
  Now now_;
};

}  // namespace

Result<Loaded> load_sessions(sqlite::Database& database, MessageKeys& keys, Now now) {
  return Loader(database, keys, now).load();
}

}  // namespace sealmq::server
