#include "server/session_store.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/aead.h"
#include "crypto/agree.h"
#include "crypto/kdf.h"
#include "registry/sqlite.h"
#include "sealmq/scheme.h"
#include "server/message_record.h"

namespace sealmq::server {
namespace {

using broker::Batch;
using broker::Change;
using broker::Message;
using broker::Number;
using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

// The names carry the version; the file may hold tables of others.
constexpr const char* schema = R"(
  CREATE TABLE IF NOT EXISTS epoch_1 (
    epoch     INTEGER PRIMARY KEY,
    ephemeral BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS message_1 (
    number INTEGER PRIMARY KEY,
    epoch  INTEGER NOT NULL,
    iv     INTEGER NOT NULL,
    sealed BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS session_1 (
    number          INTEGER PRIMARY KEY,
    client_id       TEXT NOT NULL,
    owner           TEXT NOT NULL,
    expiry_interval INTEGER NOT NULL,
    expires         INTEGER NOT NULL,
    will            INTEGER NOT NULL,
    will_delay      INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS subscription_1 (
    session    INTEGER NOT NULL,
    filter     TEXT NOT NULL,
    options    INTEGER NOT NULL,
    identifier INTEGER NOT NULL,
    scheme     TEXT NOT NULL,
    subscriber TEXT NOT NULL,
    PRIMARY KEY (session, filter)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS delivery_1 (
    session     INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    message     INTEGER NOT NULL,
    qos         INTEGER NOT NULL,
    retain      INTEGER NOT NULL,
    scheme      TEXT NOT NULL,
    packet_id   INTEGER NOT NULL,
    subscriber  TEXT NOT NULL,
    identifiers BLOB NOT NULL,
    PRIMARY KEY (session, number)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS incoming_1 (
    session   INTEGER NOT NULL,
    packet_id INTEGER NOT NULL,
    PRIMARY KEY (session, packet_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS retained_1 (
    topic   TEXT PRIMARY KEY,
    stamp   INTEGER NOT NULL,
    message INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS transit_1 (
    transit INTEGER NOT NULL,
    shard   INTEGER NOT NULL,
    shards  INTEGER NOT NULL,
    message INTEGER NOT NULL,
    session INTEGER NOT NULL,
    filter  TEXT NOT NULL,
    PRIMARY KEY (transit, shard)
  ) STRICT, WITHOUT ROWID;
)";
constexpr const char* tables_with_messages =
    "SELECT message FROM delivery_1 UNION ALL SELECT message FROM retained_1 UNION ALL SELECT message FROM transit_1 "
    "UNION ALL SELECT will FROM session_1";

constexpr Number no_message = 0;
constexpr std::uint64_t messages_per_key = std::uint64_t{1} << 32;

std::uint64_t pack(const mqtt::SubscriptionOptions& o) {
  return static_cast<std::uint64_t>(o.qos) | (o.no_local ? 4U : 0U) | (o.retain_as_published ? 8U : 0U) |
         static_cast<std::uint64_t>(o.retain_handling) << 4;
}

mqtt::SubscriptionOptions unpack(std::uint64_t bits) {
  return {static_cast<mqtt::QoS>(bits & 3), (bits & 4) != 0, (bits & 8) != 0, static_cast<mqtt::RetainHandling>(bits >> 4 & 3)};
}

std::string_view name_of(std::uint8_t scheme) {
  return all_schemes()[scheme].info->name;
}
std::string_view text_of(const std::shared_ptr<const std::string>& text) {
  return text != nullptr ? std::string_view(*text) : std::string_view{};
}
std::shared_ptr<const std::string> shared_text(std::string text) {
  return text.empty() ? nullptr : std::make_shared<const std::string>(std::move(text));
}

/// The AES key of one process; see the header.
Secret epoch_key(const Secret& shared, const PublicKeys& broker, Bytes ephemeral) {
  Buffer info = to_buffer(as_bytes("sealmq store 1"));
  append(info, broker.agreement);
  append(info, ephemeral);
  return crypto::hkdf(shared.reveal(), {}, info, 32);
}

crypto::Iv iv_of(std::uint64_t counter) {
  crypto::Iv iv{};
  for (std::size_t i = 0; i < 8; ++i) iv[4 + i] = static_cast<std::uint8_t>(counter >> (8 * (7 - i)));
  return iv;
}

Buffer number_bytes(Number number) {
  Buffer bytes;
  Writer(bytes).u64(number);
  return bytes;
}

class SqliteStore final : public SessionStore {
 public:
  static Result<std::unique_ptr<SessionStore>> open(const std::string& path, KeyStore& key, Random& random) {
    auto database = TRY(Database::open(path, sqlite::Durability::every_commit));
    TRY(database.execute(schema));
    auto statements = TRY(Statements::prepare(database));
    auto store = std::make_unique<SqliteStore>(std::move(database), std::move(statements), key, random);
    TRY(store->begin_epoch());
    return store;
  }

  Result<Loaded> load(Now now) override {
    Loaded loaded;
    TRY(delete_unreferenced());
    const auto messages = TRY(load_messages(loaded, now));
    std::map<Number, broker::Restored::Session> sessions;
    TRY(load_sessions(sessions, messages, loaded, now));
    for (auto& [number, session] : sessions) loaded.restored.sessions.push_back(std::move(session));
    TRY(load_rest(messages, loaded));
    return loaded;
  }

  Result<> write(const std::vector<const Batch*>& group, Now now) override {
    merge(group);
    const bool nothing = std::ranges::none_of(merged_, [](const Change* c) { return c != nullptr; });
    auto written = nothing ? Result<>() : write_merged(now);
    merged_.clear();
    return written;
  }

  struct Statements {
    Statement put_message, drop_message;
    Statement put_session, will_of, drop_session, drop_subscriptions, drop_deliveries, drop_incoming;
    Statement put_subscription, end_subscription;
    Statement put_delivery, start_delivery, receive_delivery, message_of_delivery, end_delivery;
    Statement put_incoming, end_incoming;
    Statement find_retained, put_retained, end_retained, purge_retained;
    Statement put_transit, message_of_transit, end_transit;

    static Result<Statements> prepare(Database& d) {
      auto put_message = TRY(d.prepare("INSERT INTO message_1 VALUES (?, ?, ?, ?)"));
      auto drop_message = TRY(d.prepare("DELETE FROM message_1 WHERE number = ?"));
      auto put_session = TRY(d.prepare("INSERT OR REPLACE INTO session_1 VALUES (?, ?, ?, ?, ?, ?, ?)"));
      auto will_of = TRY(d.prepare("SELECT will FROM session_1 WHERE number = ?"));
      auto drop_session = TRY(d.prepare("DELETE FROM session_1 WHERE number = ? RETURNING will"));
      auto drop_subscriptions = TRY(d.prepare("DELETE FROM subscription_1 WHERE session = ?"));
      auto drop_deliveries = TRY(d.prepare("DELETE FROM delivery_1 WHERE session = ? RETURNING message"));
      auto drop_incoming = TRY(d.prepare("DELETE FROM incoming_1 WHERE session = ?"));
      auto put_subscription = TRY(d.prepare("INSERT OR REPLACE INTO subscription_1 VALUES (?, ?, ?, ?, ?, ?)"));
      auto end_subscription = TRY(d.prepare("DELETE FROM subscription_1 WHERE session = ? AND filter = ?"));
      auto put_delivery = TRY(d.prepare("INSERT INTO delivery_1 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"));
      auto start_delivery = TRY(d.prepare("UPDATE delivery_1 SET packet_id = ? WHERE session = ? AND number = ?"));
      auto receive_delivery = TRY(d.prepare("UPDATE delivery_1 SET message = 0 WHERE session = ? AND number = ?"));
      auto message_of_delivery = TRY(d.prepare("SELECT message FROM delivery_1 WHERE session = ? AND number = ?"));
      auto end_delivery = TRY(d.prepare("DELETE FROM delivery_1 WHERE session = ? AND number = ?"));
      auto put_incoming = TRY(d.prepare("INSERT OR REPLACE INTO incoming_1 VALUES (?, ?)"));
      auto end_incoming = TRY(d.prepare("DELETE FROM incoming_1 WHERE session = ? AND packet_id = ?"));
      auto find_retained = TRY(d.prepare("SELECT stamp, message FROM retained_1 WHERE topic = ?"));
      auto put_retained = TRY(d.prepare("INSERT OR REPLACE INTO retained_1 VALUES (?, ?, ?)"));
      auto end_retained = TRY(d.prepare("DELETE FROM retained_1 WHERE topic = ? AND stamp = ? RETURNING message"));
      auto purge_retained = TRY(d.prepare("DELETE FROM retained_1 WHERE topic = ? AND stamp = ? AND message = 0"));
      auto put_transit = TRY(d.prepare("INSERT INTO transit_1 VALUES (?, ?, ?, ?, ?, ?)"));
      auto message_of_transit = TRY(d.prepare("SELECT message FROM transit_1 WHERE transit = ? AND shard = ?"));
      auto end_transit = TRY(d.prepare("DELETE FROM transit_1 WHERE transit = ? AND shard = ?"));
      return Statements{
          std::move(put_message),      std::move(drop_message),        std::move(put_session),        std::move(will_of),
          std::move(drop_session),     std::move(drop_subscriptions),  std::move(drop_deliveries),    std::move(drop_incoming),
          std::move(put_subscription), std::move(end_subscription),    std::move(put_delivery),       std::move(start_delivery),
          std::move(receive_delivery), std::move(message_of_delivery), std::move(end_delivery),       std::move(put_incoming),
          std::move(end_incoming),     std::move(find_retained),       std::move(put_retained),       std::move(end_retained),
          std::move(purge_retained),   std::move(put_transit),         std::move(message_of_transit), std::move(end_transit)};
    }
  };

  SqliteStore(Database database, Statements statements, KeyStore& key, Random& random)
      : database_(std::move(database)), statements_(std::move(statements)), key_(key), random_(random) {}

 private:
  // -- what began and ended within the group goes
  //
  // merged_ holds the group's changes in order; null where one was taken back.

  struct Pair {
    std::uint64_t a, b;
    bool operator==(const Pair&) const = default;
  };
  struct PairHash {
    std::size_t operator()(const Pair& p) const { return std::hash<std::uint64_t>{}(p.a * 0x9E3779B97F4A7C15U + p.b); }
  };
  using Places = std::unordered_map<Pair, std::size_t, PairHash>;

  void merge(const std::vector<const Batch*>& group) {
    merged_.clear();
    new_deliveries_.clear();
    new_incoming_.clear();
    new_transits_.clear();
    rewritten_.clear();
    for (const Batch* batch : group)
      for (const Change& change : batch->changes) {
        merged_.push_back(&change);
        std::visit([&](const auto& c) { merge(c); }, change);
      }
  }
  void take_back(Places& places, Pair key) {
    const auto at = places.find(key);
    if (at == places.end()) return;
    merged_[at->second] = merged_.back() = nullptr;
    places.erase(at);
  }
  /// The delivery as it will be written, if it is new in this group.
  broker::DeliverySaved* new_delivery(Number session, Number delivery) {
    const auto at = new_deliveries_.find({session, delivery});
    if (at == new_deliveries_.end()) return nullptr;
    const Change*& place = merged_[at->second];
    auto& copy = rewritten_[at->second];
    if (copy == nullptr) {
      copy = std::make_unique<Change>(*place);
      place = copy.get();
    }
    merged_.back() = nullptr;
    return &std::get<broker::DeliverySaved>(*copy);
  }
  template <class T>
  void merge(const T&) {}
  void merge(const broker::DeliverySaved& c) { new_deliveries_[{c.session, c.delivery}] = merged_.size() - 1; }
  void merge(const broker::DeliveryStarted& c) {
    if (auto* saved = new_delivery(c.session, c.delivery)) saved->packet_id = c.packet_id;
  }
  void merge(const broker::DeliveryReceived& c) {
    if (auto* saved = new_delivery(c.session, c.delivery)) saved->message = nullptr;
  }
  void merge(const broker::DeliveryEnded& c) { take_back(new_deliveries_, {c.session, c.delivery}); }
  void merge(const broker::IncomingSaved& c) { new_incoming_[{c.session, c.packet_id}] = merged_.size() - 1; }
  void merge(const broker::IncomingEnded& c) { take_back(new_incoming_, {c.session, c.packet_id}); }
  void merge(const broker::TransitSaved& c) { new_transits_[{c.transit, c.shard}] = merged_.size() - 1; }
  void merge(const broker::TransitEnded& c) { take_back(new_transits_, {c.transit, c.shard}); }

  // -- one transaction

  Result<> write_merged(Now now) {
    if (iv_ >= messages_per_key) TRY(begin_epoch());
    undo_.clear();
    auto transaction = TRY(Transaction::begin(database_));
    auto written = write_changes(now);
    if (written) written = transaction.commit();
    if (!written)
      for (auto at = undo_.rbegin(); at != undo_.rend(); ++at) references_[at->first] -= at->second;
    return written;
  }

  Result<> write_changes(Now now) {
    now_ = now;
    for (const Change* change : merged_)
      if (change != nullptr) TRY(std::visit([&](const auto& c) { return on(c); }, *change));
    TRY(purge_erasures());
    return {};
  }

  Result<Number> refer(const std::shared_ptr<const Message>& message) {
    if (message == nullptr) return no_message;
    if (count(message->number(), 1) == 1) {
      Buffer sealed;
      const std::uint64_t iv = iv_++;  // used once, also when the transaction is undone
      aead_->seal(iv_of(iv), number_bytes(message->number()), encode_record(*message, now_), sealed);
      TRY(statements_.put_message.bind(message->number()).bind(epoch_).bind(iv).bind(Bytes(sealed)).run());
    }
    return message->number();
  }
  Result<> release(Number message) {
    if (message == no_message || count(message, -1) > 0) return {};
    return statements_.drop_message.bind(message).run();
  }
  std::int64_t count(Number message, std::int64_t change) {
    undo_.emplace_back(message, change);
    const auto at = references_.try_emplace(message, 0).first;
    at->second += change;
    return at->second;
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
    return {};
  }
  Result<> on(const broker::SessionEnded& c) {
    TRY(release_all(statements_.drop_session.bind(c.session)));
    TRY(release_all(statements_.drop_deliveries.bind(c.session)));
    TRY(statements_.drop_subscriptions.bind(c.session).run());
    return statements_.drop_incoming.bind(c.session).run();
  }
  Result<> on(const broker::SubscriptionSaved& c) {
    return statements_.put_subscription.bind(c.session)
        .bind(c.filter)
        .bind(pack(c.options))
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
    if (message == no_message) erasures_.emplace_back(std::string(view.topic), view.stamp);
    return present ? release(present->second) : Result<>();
  }
  Result<> on(const broker::RetainedEnded& c) { return release_all(statements_.end_retained.bind(c.topic).bind(c.stamp)); }
  Result<> purge_erasures() {
    constexpr std::size_t remembered = 10'000;
    for (; erasures_.size() > remembered; erasures_.pop_front())
      TRY(statements_.purge_retained.bind(erasures_.front().first).bind(erasures_.front().second).run());
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

  /// A key of its own for what is written from now on.
  Result<> begin_epoch() {
    const auto ephemeral = crypto::AgreementKey::generate(random_);
    const PublicKeys& broker = key_.identity().keys;
    const Secret shared = TRY(crypto::agree(ephemeral, broker.agreement));
    auto transaction = TRY(Transaction::begin(database_));
    TRY(database_.execute("DELETE FROM epoch_1 WHERE epoch NOT IN (SELECT epoch FROM message_1)"));
    const std::uint64_t epoch = TRY(database_.number("SELECT coalesce(max(epoch), 0) + 1 FROM epoch_1"));
    auto insert = TRY(database_.prepare("INSERT INTO epoch_1 VALUES (?, ?)"));
    TRY(insert.bind(epoch).bind(Bytes(ephemeral.public_key())).run());
    TRY(transaction.commit());
    epoch_ = epoch;
    iv_ = 0;
    aead_.emplace(epoch_key(shared, broker, ephemeral.public_key()));
    return {};
  }

  Result<> delete_unreferenced() {
    const std::string sql = "DELETE FROM message_1 WHERE number NOT IN (" + std::string(tables_with_messages) + ")";
    TRY(database_.execute("DELETE FROM retained_1 WHERE message = 0"));
    TRY(database_.execute(sql.c_str()));
    references_.clear();
    auto all = TRY(database_.prepare(tables_with_messages));
    while (TRY(all.step()))
      if (all.number(0) != no_message) ++references_[all.number(0)];
    return {};
  }

  using Messages = std::unordered_map<Number, std::shared_ptr<const Message>>;

  Result<Messages> load_messages(Loaded& loaded, Now now) {
    std::unordered_map<std::uint64_t, crypto::AesGcm> keys;
    auto epochs = TRY(database_.prepare("SELECT epoch, ephemeral FROM epoch_1"));
    while (TRY(epochs.step())) {
      crypto::Sec1Compressed ephemeral{};
      const Bytes blob = epochs.blob(1);
      if (blob.size() != ephemeral.size()) continue;
      std::copy(blob.begin(), blob.end(), ephemeral.begin());
      const auto shared = key_.agree(ephemeral);
      if (shared) keys.emplace(epochs.number(0), crypto::AesGcm(epoch_key(*shared, key_.identity().keys, ephemeral)));
    }
    Messages messages;
    auto rows = TRY(database_.prepare("SELECT number, epoch, iv, sealed FROM message_1"));
    while (TRY(rows.step())) {
      const Number number = rows.number(0);
      loaded.restored.last_number = std::max(loaded.restored.last_number, number);
      const auto key = keys.find(rows.number(1));
      auto record = key == keys.end() ? fail(Blame::environment, "no key")
                                      : key->second.open(iv_of(rows.number(2)), number_bytes(number), rows.blob(3));
      auto message = record ? decode_record(*record, number, now) : tl::unexpected(record.error());
      if (message)
        messages.emplace(number, *std::move(message));
      else
        ++loaded.unreadable;
    }
    return messages;
  }

  static std::shared_ptr<const Message> find(const Messages& messages, Number number) {
    const auto at = messages.find(number);
    return at == messages.end() ? nullptr : at->second;
  }
  static std::uint8_t index_of(const Scheme* scheme) { return static_cast<std::uint8_t>(scheme - all_schemes().data()); }

  Result<> load_sessions(std::map<Number, broker::Restored::Session>& sessions, const Messages& messages, Loaded& loaded,
                         Now now) {
    auto rows =
        TRY(database_.prepare("SELECT number, client_id, owner, expiry_interval, expires, will, will_delay FROM session_1"));
    while (TRY(rows.step())) {
      auto& saved = sessions[rows.number(0)].saved;
      saved = {rows.number(0),
               rows.text(1),
               rows.text(2),
               static_cast<std::uint32_t>(rows.number(3)),
               steady_of(rows.number(4), now),
               find(messages, rows.number(5)),
               static_cast<std::uint32_t>(rows.number(6))};
      loaded.restored.last_number = std::max(loaded.restored.last_number, saved.session);
    }
    auto subscriptions =
        TRY(database_.prepare("SELECT session, filter, options, identifier, scheme, subscriber FROM subscription_1"));
    while (TRY(subscriptions.step())) {
      const auto session = sessions.find(subscriptions.number(0));
      const Scheme* scheme = find_scheme(subscriptions.text(4));
      if (session == sessions.end() || scheme == nullptr) continue;
      session->second.subscriptions.push_back({session->first, subscriptions.text(1), unpack(subscriptions.number(2)),
                                               static_cast<std::uint32_t>(subscriptions.number(3)), index_of(scheme),
                                               shared_text(subscriptions.text(5))});
    }
    auto deliveries = TRY(database_.prepare(
        "SELECT session, number, message, qos, retain, scheme, packet_id, subscriber, identifiers FROM delivery_1 "
        "ORDER BY session, number"));
    while (TRY(deliveries.step())) {
      const auto session = sessions.find(deliveries.number(0));
      const Scheme* scheme = find_scheme(deliveries.text(5));
      loaded.restored.last_number = std::max(loaded.restored.last_number, deliveries.number(1));
      const auto message = find(messages, deliveries.number(2));
      const bool lost = deliveries.number(2) != no_message && message == nullptr;
      if (session == sessions.end() || scheme == nullptr || lost) continue;
      broker::DeliverySaved saved{session->first,
                                  deliveries.number(1),
                                  message,
                                  static_cast<mqtt::QoS>(deliveries.number(3)),
                                  deliveries.number(4) != 0,
                                  index_of(scheme),
                                  static_cast<std::uint16_t>(deliveries.number(6)),
                                  shared_text(deliveries.text(7)),
                                  {}};
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

  Database database_;
  Statements statements_;  // declared after, so destroyed before, its database
  KeyStore& key_;
  Random& random_;
  std::optional<crypto::AesGcm> aead_;
  std::uint64_t epoch_ = 0;
  std::uint64_t iv_ = 0;
  Now now_;
  std::unordered_map<Number, std::int64_t> references_;         // how many rows name a message
  std::vector<std::pair<Number, std::int64_t>> undo_;           // what the open transaction changed of them
  std::deque<std::pair<std::string, std::uint64_t>> erasures_;  // of retained messages, with their stamps
  std::vector<const Change*> merged_;
  std::unordered_map<std::size_t, std::unique_ptr<Change>> rewritten_;  // by place in merged_
  Places new_deliveries_, new_incoming_, new_transits_;
};

}  // namespace

Result<std::unique_ptr<SessionStore>> open_session_store(const std::string& path, KeyStore& key, Random& random) {
  return SqliteStore::open(path, key, random);
}

}  // namespace sealmq::server
