#include "server/session_store.h"

#include <array>
#include <cassert>
#include <deque>
#include <optional>
#include <unordered_set>

#include "base/try.h"
#include "base/writer.h"
#include "registry/sqlite.h"
#include "sealmq/scheme.h"
#include "server/merged_changes.h"
#include "server/message_keys.h"
#include "server/message_record.h"
#include "server/message_references.h"
#include "server/session_loader.h"
#include "server/session_tables.h"

namespace sealmq::server {
namespace {

using broker::Batch;
using broker::Change;
using broker::Message;
using broker::Number;
using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

std::string_view name_of(std::uint8_t scheme) {
  return all_schemes()[scheme].info->name;
}
std::string_view text_of(const std::shared_ptr<const std::string>& text) {
  return text != nullptr ? std::string_view(*text) : std::string_view{};
}

class SqliteStore final : public SessionStore {
 public:
  static Result<std::unique_ptr<SessionStore>> open(const std::string& path, KeyStore& key, Random& random,
                                                    std::uint64_t messages_per_key) {
    auto database = TRY(Database::open(path));
    TRY(database.execute(session_schema));
    TRY(database.execute(repair_of_earlier));
    TRY(make_shard_key(database, random));
    auto statements = TRY(Statements::prepare(database));
    auto store = std::make_unique<SqliteStore>(std::move(database), std::move(statements), key, random, messages_per_key);
    TRY(store->keys_.begin_epoch(store->database_));
    return store;
  }

  Result<Loaded> load(Now now) override {
    TRY(delete_unreferenced());
    return load_sessions(database_, keys_, now);
  }

  Result<std::vector<Refused>> write(const std::vector<const Batch*>& group, Now now) override {
    const MergedChanges merged(group);
    if (merged.left().empty()) return {};
    if (keys_.is_used_up()) TRY(keys_.begin_epoch(database_));
    const auto written = in_transaction([&] { return write_all(merged, now); });
    if (written) return std::vector<Refused>();
    if (written.error().blame == Blame::environment) return Failure(written.error());
    std::vector<Refused> refused;
    const auto rest = in_transaction([&] { return write_one_by_one(merged, now, refused); });
    if (rest) return refused;
    for (const Refused& one : refused) refused_sessions_.erase(one.session);  // nothing was written, its end neither
    return Failure(rest.error());
  }

  struct Statements {
    Statement put_message, drop_message;
    Statement put_session, will_of, drop_session, put_speaker, drop_speaker, drop_subscriptions;
    Statement drop_deliveries, drop_incoming;
    Statement put_subscription, end_subscription;
    Statement put_delivery, start_delivery, receive_delivery, message_of_delivery, end_delivery;
    Statement put_incoming, end_incoming;
    Statement find_retained, put_retained, end_retained, drop_retained, purge_retained;
    Statement put_transit, message_of_transit, end_transit;

    static Result<Statements> prepare(Database& d) {
      auto put_message = TRY(d.prepare("INSERT INTO message_1 VALUES (?, ?, ?, ?)"));
      auto drop_message = TRY(d.prepare("DELETE FROM message_1 WHERE number = ?"));
      auto put_session = TRY(d.prepare("INSERT OR REPLACE INTO session_1 VALUES (?, ?, ?, ?, ?, ?, ?)"));
      auto will_of = TRY(d.prepare("SELECT will FROM session_1 WHERE number = ?"));
      auto drop_session = TRY(d.prepare("DELETE FROM session_1 WHERE number = ? RETURNING will"));
      auto put_speaker = TRY(d.prepare("INSERT OR REPLACE INTO speaker_1 VALUES (?, ?)"));
      auto drop_speaker = TRY(d.prepare("DELETE FROM speaker_1 WHERE session = ?"));
      auto drop_subscriptions = TRY(d.prepare("DELETE FROM subscription_1 WHERE session = ?"));
      auto drop_deliveries = TRY(d.prepare("DELETE FROM delivery_2 WHERE session = ? RETURNING message"));
      auto drop_incoming = TRY(d.prepare("DELETE FROM incoming_1 WHERE session = ?"));
      auto put_subscription = TRY(d.prepare("INSERT OR REPLACE INTO subscription_1 VALUES (?, ?, ?, ?, ?, ?)"));
      auto end_subscription = TRY(d.prepare("DELETE FROM subscription_1 WHERE session = ? AND filter = ?"));
      auto put_delivery = TRY(d.prepare("INSERT INTO delivery_2 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
      auto start_delivery = TRY(d.prepare("UPDATE delivery_2 SET packet_id = ? WHERE session = ? AND number = ?"));
      auto receive_delivery = TRY(d.prepare("UPDATE delivery_2 SET message = 0 WHERE session = ? AND number = ?"));
      auto message_of_delivery = TRY(d.prepare("SELECT message FROM delivery_2 WHERE session = ? AND number = ?"));
      auto end_delivery = TRY(d.prepare("DELETE FROM delivery_2 WHERE session = ? AND number = ?"));
      auto put_incoming = TRY(d.prepare("INSERT OR REPLACE INTO incoming_1 VALUES (?, ?)"));
      auto end_incoming = TRY(d.prepare("DELETE FROM incoming_1 WHERE session = ? AND packet_id = ?"));
      auto find_retained = TRY(d.prepare("SELECT stamp, message FROM retained_1 WHERE topic = ?"));
      auto put_retained = TRY(d.prepare("INSERT OR REPLACE INTO retained_1 VALUES (?, ?, ?)"));
      auto end_retained = TRY(d.prepare("DELETE FROM retained_1 WHERE topic = ? AND stamp = ? RETURNING message"));
      auto drop_retained = TRY(d.prepare("DELETE FROM retained_1 WHERE topic = ? RETURNING message"));
      auto purge_retained = TRY(d.prepare("DELETE FROM retained_1 WHERE topic = ? AND stamp = ? AND message = 0"));
      auto put_transit = TRY(d.prepare("INSERT INTO transit_1 VALUES (?, ?, ?, ?, ?, ?)"));
      auto message_of_transit = TRY(d.prepare("SELECT message FROM transit_1 WHERE transit = ? AND shard = ?"));
      auto end_transit = TRY(d.prepare("DELETE FROM transit_1 WHERE transit = ? AND shard = ?"));
      return Statements{
          std::move(put_message),     std::move(drop_message),       std::move(put_session),      std::move(will_of),
          std::move(drop_session),    std::move(put_speaker),        std::move(drop_speaker),     std::move(drop_subscriptions),
          std::move(drop_deliveries), std::move(drop_incoming),      std::move(put_subscription), std::move(end_subscription),
          std::move(put_delivery),    std::move(start_delivery),     std::move(receive_delivery), std::move(message_of_delivery),
          std::move(end_delivery),    std::move(put_incoming),       std::move(end_incoming),     std::move(find_retained),
          std::move(put_retained),    std::move(end_retained),       std::move(drop_retained),    std::move(purge_retained),
          std::move(put_transit),     std::move(message_of_transit), std::move(end_transit)};
    }
  };

  SqliteStore(Database database, Statements statements, KeyStore& key, Random& random, std::uint64_t messages_per_key)
      : database_(std::move(database)), statements_(std::move(statements)), keys_(key, random, messages_per_key) {}

 private:
  static Result<> make_shard_key(Database& database, Random& random) {
    if (TRY(database.number("SELECT count(*) FROM shard_key_1")) != 0) return {};
    std::array<std::uint64_t, 2> halves{};
    random.fill({reinterpret_cast<std::uint8_t*>(halves.data()), sizeof halves});
    auto transaction = TRY(Transaction::begin(database));
    TRY(database.execute(transits_without_key));
    auto put = TRY(database.prepare("INSERT INTO shard_key_1 VALUES (?, ?)"));
    TRY(put.bind(halves[0]).bind(halves[1]).run());
    return transaction.commit();
  }

  // -- one transaction

  template <class Write>
  Result<> in_transaction(Write write) {
    auto transaction = TRY(Transaction::begin(database_));
    auto written = write();
    if (written) written = transaction.commit();
    if (written)
      references_.commit();
    else
      references_.roll_back();
    return written;
  }

  Result<> write_all(const MergedChanges& merged, Now now) {
    now_ = now;
    for (const Change* change : merged.left())
      if (!is_of_refused(*change)) TRY(write(*change));
    return purge_erasures();
  }

  Result<> write(const Change& change) {
    return std::visit([&](const auto& c) { return on(c); }, change);
  }

  /// The same without those that the database can never take.
  Result<> write_one_by_one(const MergedChanges& merged, Now now, std::vector<Refused>& refused) {
    now_ = now;
    for (const Change* change : merged.left()) {
      if (is_of_refused(*change)) continue;
      const std::size_t references = references_.mark();
      TRY(database_.execute("SAVEPOINT change"));
      const auto written = write(*change);
      if (!written && written.error().blame == Blame::environment) return written;
      if (!written) {
        TRY(database_.execute("ROLLBACK TO change"));
        references_.roll_back(references);
        TRY(give_up(*change));
        refused.push_back({session_of(*change), written.error().what});
      }
      TRY(database_.execute("RELEASE change"));
    }
    return purge_erasures();
  }

  static Number session_of(const Change& change) {
    return std::visit(
        [](const auto& c) -> Number {
          // A message on its way to a session is not the session's own.
          if constexpr (
              requires { c.session; } && !requires { c.transit; })
            return c.session;
          return 0;
        },
        change);
  }
  /// Of a session that is not kept any more, though its shard may not have heard of it yet.
  bool is_of_refused(const Change& change) {
    if (refused_sessions_.empty()) return false;
    const Number session = session_of(change);
    if (!refused_sessions_.contains(session)) return false;
    if (std::holds_alternative<broker::SessionEnded>(change)) refused_sessions_.erase(session);
    return true;
  }

  /// What would be wrong without the change goes with it.
  Result<> give_up(const Change& change) {
    if (const auto* retained = std::get_if<broker::RetainedSaved>(&change))
      return release_all(statements_.drop_retained.bind(retained->message->view().topic));
    const Number session = session_of(change);
    if (session == 0) return {};
    refused_sessions_.insert(session);
    return on(broker::SessionEnded{session});
  }

  Result<Number> refer(const std::shared_ptr<const Message>& message) {
    if (message == nullptr) return no_message;
    assert(message->number() != no_message);
    if (references_.add(message->number()) == 1) {
      const auto sealed = keys_.seal(message->number(), encode_record(*message, now_));
      TRY(statements_.put_message.bind(message->number()).bind(sealed.epoch).bind(sealed.iv).bind(Bytes(sealed.bytes)).run());
    }
    return message->number();
  }
  Result<> release(Number message) {
    if (message == no_message || references_.remove(message) > 0) return {};
    return statements_.drop_message.bind(message).run();
  }
  /// Runs a statement whose rows are numbers of messages, and lets go of those.
  Result<> release_all(Statement& statement) {
    std::vector<Number> messages;
    while (TRY(statement.step())) messages.push_back(statement.number(0));
    for (Number message : messages) TRY(release(message));
    return {};
  }

  Result<> on(const broker::SessionSaved& c) {
    const Number will = TRY(refer(c.will));
    std::vector<Number> before;
    statements_.will_of.bind(c.session);
    while (TRY(statements_.will_of.step())) before.push_back(statements_.will_of.number(0));
    TRY(statements_.put_session.bind(c.session)
            .bind(c.client_id)
            .bind(c.owner)
            .bind(std::uint64_t{c.expiry_interval})
            .bind(wall_of(c.expires, now_))
            .bind(will)
            .bind(std::uint64_t{c.will_delay})
            .run());
    for (Number message : before) TRY(release(message));
    if (!c.speakers.are_several() && c.speakers.only().empty()) return statements_.drop_speaker.bind(c.session).run();
    return statements_.put_speaker.bind(c.session).bind(c.speakers.only()).run();
  }
  Result<> on(const broker::SessionEnded& c) {
    TRY(release_all(statements_.drop_session.bind(c.session)));
    TRY(release_all(statements_.drop_deliveries.bind(c.session)));
    TRY(statements_.drop_speaker.bind(c.session).run());
    TRY(statements_.drop_subscriptions.bind(c.session).run());
    return statements_.drop_incoming.bind(c.session).run();
  }
  Result<> on(const broker::SubscriptionSaved& c) {
    return statements_.put_subscription.bind(c.session)
        .bind(c.filter)
        .bind(pack(c.options) | (c.owes_retained ? owes_retained : 0))
        .bind(std::uint64_t{c.identifier})
        .bind(name_of(c.scheme))
        .bind(text_of(c.subscriber))
        .run();
  }
  Result<> on(const broker::SubscriptionEnded& c) { return statements_.end_subscription.bind(c.session).bind(c.filter).run(); }
  Result<> on(const broker::DeliverySaved& c) {
    Buffer identifiers;
    for (std::uint32_t identifier : c.identifiers) Writer(identifiers).u32(identifier);
    const Number message = TRY(refer(c.message));
    return statements_.put_delivery.bind(c.session)
        .bind(c.delivery)
        .bind(message)
        .bind(static_cast<std::uint64_t>(c.qos))
        .bind(std::uint64_t{c.retain})
        .bind(name_of(c.scheme))
        .bind(std::uint64_t{c.packet_id})
        .bind(text_of(c.subscriber))
        .bind(Bytes(identifiers))
        .bind(text_of(c.share))
        .run();
  }
  Result<> on(const broker::DeliveryStarted& c) {
    return statements_.start_delivery.bind(std::uint64_t{c.packet_id}).bind(c.session).bind(c.delivery).run();
  }
  Result<> on(const broker::DeliveryReceived& c) {
    TRY(release_all(statements_.message_of_delivery.bind(c.session).bind(c.delivery)));
    return statements_.receive_delivery.bind(c.session).bind(c.delivery).run();
  }
  // Asking first is cheaper than RETURNING, for which SQLite makes a table of its own each time.
  Result<> on(const broker::DeliveryEnded& c) {
    TRY(release_all(statements_.message_of_delivery.bind(c.session).bind(c.delivery)));
    return statements_.end_delivery.bind(c.session).bind(c.delivery).run();
  }
  Result<> on(const broker::IncomingSaved& c) {
    return statements_.put_incoming.bind(c.session).bind(std::uint64_t{c.packet_id}).run();
  }
  Result<> on(const broker::IncomingEnded& c) {
    return statements_.end_incoming.bind(c.session).bind(std::uint64_t{c.packet_id}).run();
  }

  // Shards may store the same topic in another order than that of the stamps, so an erasure stays as a mark for a while.
  Result<> on(const broker::RetainedSaved& c) {
    const auto& view = c.message->view();
    statements_.find_retained.bind(view.topic);
    std::optional<std::pair<std::uint64_t, Number>> present;
    while (TRY(statements_.find_retained.step()))
      present = {statements_.find_retained.number(0), statements_.find_retained.number(1)};
    if (present && present->first > view.stamp) return {};
    const Number message = view.payload.empty() ? no_message : TRY(refer(c.message));
    TRY(statements_.put_retained.bind(view.topic).bind(view.stamp).bind(message).run());
    if (message == no_message) {
      erasures_.emplace_back(std::string(view.topic), view.stamp);
      erasures_size_ += view.topic.size();
    }
    return present ? release(present->second) : Result<>();
  }
  Result<> on(const broker::RetainedEnded& c) { return release_all(statements_.end_retained.bind(c.topic).bind(c.stamp)); }
  Result<> purge_erasures() {
    constexpr std::size_t remembered = 10'000, bytes_remembered = 1 << 20;
    while (erasures_.size() > remembered || erasures_size_ > bytes_remembered) {
      const auto& [topic, stamp] = erasures_.front();
      TRY(statements_.purge_retained.bind(topic).bind(stamp).run());
      erasures_size_ -= topic.size();
      erasures_.pop_front();
    }
    return {};
  }

  Result<> on(const broker::TransitSaved& c) {
    const Number message = TRY(refer(c.message));
    return statements_.put_transit.bind(c.transit)
        .bind(std::uint64_t{c.shard})
        .bind(std::uint64_t{c.shards})
        .bind(message)
        .bind(c.session)
        .bind(c.filter)
        .run();
  }
  Result<> on(const broker::TransitEnded& c) {
    TRY(release_all(statements_.message_of_transit.bind(c.transit).bind(std::uint64_t{c.shard})));
    return statements_.end_transit.bind(c.transit).bind(std::uint64_t{c.shard}).run();
  }

  // -- after a start

  Result<> delete_unreferenced() {
    const std::string sql = "DELETE FROM message_1 WHERE number NOT IN (" + std::string(tables_with_messages) + ")";
    TRY(database_.execute("DELETE FROM retained_1 WHERE message = 0"));
    TRY(database_.execute(sql.c_str()));
    references_ = {};
    auto all = TRY(database_.prepare(tables_with_messages));
    while (TRY(all.step()))
      if (all.number(0) != no_message) references_.add(all.number(0));
    references_.commit();
    return {};
  }

  Database database_;
  Statements statements_;  // declared after, so destroyed before, its database
  MessageKeys keys_;
  MessageReferences references_;  // how many rows name a message
  Now now_;
  std::deque<std::pair<std::string, std::uint64_t>> erasures_;  // of retained messages, with their stamps
  std::size_t erasures_size_ = 0;                               // bytes of their topics
  std::unordered_set<Number> refused_sessions_;                 // whose end the shard has not told yet
};

}  // namespace

Result<std::unique_ptr<SessionStore>> open_session_store(const std::string& path, KeyStore& key, Random& random,
                                                         std::uint64_t messages_per_key) {
  return SqliteStore::open(path, key, random, messages_per_key);
}

}  // namespace sealmq::server
