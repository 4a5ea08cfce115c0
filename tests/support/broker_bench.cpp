#include "support/broker_bench.h"

#include <algorithm>

#include "sealmq/scheme.h"
#include "support/rabin_keys.h"

namespace sealmq::testing {

using broker::Shard;

BrokerBench::BrokerBench(std::size_t shards, broker::Settings settings, ReplayMemory* memory,
                         std::function<void(broker::Ports&)> prepare)
    : key(make_memory_keys("broker-1", Kind::broker, random)),
      rabin(test_rabin_keys()),
      settings_(settings),
      memory_(memory != nullptr ? *memory : replays),
      prepare_(std::move(prepare)) {
  start(shards);
  allow({"plain"}, {"plain"});
}

void BrokerBench::start(std::size_t shards) {
  shards_.clear();
  lasting_subscriptions_ = 0;
  interest_ = std::make_unique<broker::Interest>();
  auto directory = std::make_shared<const Directory>(identities_);
  BrokerPorts scheme_ports{*key, random};
  scheme_ports.rabin = [this] { return rabin; };
  scheme_ports.authority = authority;
  scheme_ports.options = scheme_options;
  scheme_ports.topic_keys = topic_keys;
  for (std::size_t i = 0; i < shards; ++i) {
    std::vector<std::unique_ptr<BrokerScheme>> schemes;
    for (const auto& scheme : all_schemes()) schemes.push_back(scheme.broker_side(scheme_ports));
    broker::Ports ports{std::move(schemes), memory_, journal, random};
    ports.lasting_subscriptions = &lasting_subscriptions_;
    ports.interest = interest_.get();
    if (prepare_) prepare_(ports);
    shards_.push_back(std::make_unique<Shard>(i, shards, settings_, std::move(ports), policy_, directory));
  }
}

BrokerIdentity BrokerBench::identity() const {
  BrokerIdentity its = broker_identity(key->identity());
  if (rabin == nullptr) return its;
  BrokerParameters parameters;
  parameters.rabin_modulus = to_buffer(rabin->current.key->public_key().modulus());
  parameters.rabin_not_after = rabin->current.until;
  its.parameters = sign_parameters(*key, std::move(parameters)).value();
  return its;
}

void BrokerBench::let_store(std::size_t batches) {
  if (batches == SIZE_MAX) store_held_ = false;
  for (; batches > 0 && !waiting_.empty(); --batches) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    store_->apply({&next.batch}, now);
    shards_[next.shard]->stored(next.batch.number, now);
  }
  carry_out();
}

void BrokerBench::crash(std::size_t shards) {
  waiting_.clear();
  store_held_ = false;
  replays.lose_what_is_not_kept();
  for (auto& client : clients_) client.closed = true;
  start(shards == 0 ? shards_.size() : shards);
  broker::Restored restored = store_->restored(now);
  for (auto& shard : shards_) shard->restore(restored, now);
  carry_out();
  for (auto& shard : shards_) shard->restore_transits(restored, now);
  carry_out();
}

broker::SchemeSet BrokerBench::schemes(std::vector<std::string_view> names) const {
  broker::SchemeSet set;
  for (auto name : names) set.add(static_cast<std::size_t>(find_scheme(name) - all_schemes().data()));
  return set;
}

void BrokerBench::allow(std::vector<std::string_view> publish, std::vector<std::string_view> subscribe, std::string filter) {
  set_rules({{std::move(filter), schemes(std::move(publish)), schemes(std::move(subscribe))}});
}

void BrokerBench::set_rules(std::vector<broker::TopicRule> rules) {
  policy_ = std::make_shared<const broker::Policy>(broker::Policy::make(std::move(rules)).value());
  for (auto& shard : shards_) shard->set_policy(policy_, now);
  carry_out();
}

void BrokerBench::enroll(Identity identity) {
  identities_.push_back(std::move(identity));
  spread_directory();
}

void BrokerBench::set_identity(Identity identity) {
  for (auto& known : identities_)
    if (known.name == identity.name) known = identity;
  spread_directory();
}

void BrokerBench::spread_directory() {
  auto directory = std::make_shared<const Directory>(identities_);
  for (auto& shard : shards_) shard->set_directory(directory, now);
  carry_out();
}

RevocationReport BrokerBench::revoke(const std::string& name) {
  for (auto& identity : identities_)
    if (identity.name == name) identity.status = Status::revoked;
  spread_directory();
  RevocationReport report;
  for (auto& shard : shards_) report += shard->revoke(name, now);
  carry_out();
  return report;
}

TestClient& BrokerBench::dial(std::size_t at_shard) {
  TestClient& client = clients_.emplace_back();
  client.shard = at_shard % shards_.size();
  client.connection = shards_[client.shard]->open(peer, now);
  if (is_there(peer.channel_binding)) client.channel_binding = to_buffer(peer.channel_binding);
  return client;
}

TestClient& BrokerBench::connect(mqtt::Connect packet, std::size_t at_shard) {
  TestClient& client = dial(at_shard);
  client.version = packet.version;
  client.client_id = packet.client_id;
  Buffer bytes;
  mqtt::encode(packet, bytes);
  send_bytes(client, bytes);
  return client;
}

TestClient& BrokerBench::connect(std::string_view client_id, mqtt::Version version, bool clean_start) {
  mqtt::Connect packet;
  packet.version = version;
  packet.client_id = client_id;
  packet.clean_start = clean_start;
  if (version == mqtt::Version::v5 && !clean_start) packet.properties.session_expiry_interval = 3600;
  return connect(packet);
}

void BrokerBench::send_bytes(TestClient& client, Bytes bytes) {
  append(client.sent, bytes);
  shards_[client.shard]->receive(client.connection, bytes, now);
  carry_out();
}

void BrokerBench::subscribe(TestClient& client, std::string_view filter, mqtt::SubscriptionOptions options,
                            mqtt::Properties properties) {
  send(client, mqtt::Subscribe{.packet_id = 7, .properties = std::move(properties), .entries = {{filter, options}}});
}

void BrokerBench::publish(TestClient& client, std::string_view topic, std::string_view payload, mqtt::QoS qos, bool retain,
                          std::uint16_t packet_id) {
  mqtt::Publish packet;
  packet.topic = topic;
  packet.payload = as_bytes(payload);
  packet.qos = qos;
  packet.retain = retain;
  packet.packet_id = packet_id != 0 ? packet_id : static_cast<std::uint16_t>(qos == mqtt::QoS::at_most_once ? 0 : 1);
  send(client, packet);
  if (qos == mqtt::QoS::exactly_once && !client.closed)
    send(client, mqtt::Pubrel{.packet_id = packet.packet_id, .properties = {}});
}

void BrokerBench::cut(TestClient& client) {
  client.closed = true;
  shards_[client.shard]->gone(client.connection, now);
  carry_out();
}

void BrokerBench::advance(std::uint64_t milliseconds) {
  for (std::uint64_t passed = 0; passed < milliseconds;) {
    std::uint64_t step = std::min<std::uint64_t>(500, milliseconds - passed);
    passed += step;
    now.steady += step;
    now.wall += step;
    for (auto& shard : shards_) {
      shard->read_on(now);
      shard->tick(now);
    }
    carry_out();
  }
}

TestClient* BrokerBench::find(std::size_t shard, broker::ConnectionId connection) {
  for (auto& client : clients_)
    if (!client.closed && client.shard == shard && client.connection == connection) return &client;
  return nullptr;
}

void BrokerBench::carry_out() {
  for (bool again = true; again;) {
    again = false;
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      if (shards_[i]->has_work()) {
        again = true;
        shards_[i]->go_on(now);
      }
      if (auto batch = shards_[i]->take_changes(now)) {
        again = true;
        waiting_.push_back({i, *std::move(batch)});
      }
      broker::Effects effects;
      std::swap(effects, shards_[i]->effects());
      if (effects.empty()) continue;
      again = true;
      for (const auto& parcel : effects.parcels)
        for (std::size_t k = 0; k < shards_.size(); ++k)
          if (k != i && (parcel.to == k || parcel.to == broker::Parcel::everyone)) shards_[k]->take_in({&parcel, 1}, now);
      if (!effects.parcels.empty()) shards_[i]->handed_over(held_back, now);
      for (auto& job : effects.jobs) {
        job.work();
        shards_[i]->finish(job.name, now);
      }
      for (auto& move : effects.moves) {
        TestClient* client = find(i, move.connection);
        client->shard = move.shard;
        client->connection = shards_[move.shard]->open(move.peer, now);
        shards_[move.shard]->receive(client->connection, move.unread, now);
      }
      for (auto id : effects.writable) {
        TestClient* client = find(i, id);
        mqtt::Outbox* outbox = shards_[i]->outbox(id);
        if (client == nullptr || outbox == nullptr || !client->reads) continue;
        std::size_t written = 0;
        for (; !outbox->empty(); outbox = shards_[i]->outbox(id)) {
          iovec parts[8];
          std::size_t count = outbox->gather(parts);
          std::size_t bytes = 0;
          for (std::size_t p = 0; p < count; ++p) {
            append(client->incoming, {static_cast<const std::uint8_t*>(parts[p].iov_base), parts[p].iov_len});
            bytes += parts[p].iov_len;
          }
          outbox->consume(bytes);
          written += bytes;
        }
        shards_[i]->drained(id, now, written);
        take_in(*client);
      }
      for (auto [id, wanted] : effects.reading)
        if (TestClient* client = find(i, id)) client->is_read = wanted;
      for (auto id : effects.closing) {
        if (TestClient* client = find(i, id)) {
          client->closed = true;
          shards_[i]->gone(id, now);
        }
      }
    }
    if (!again && !store_held_ && !waiting_.empty()) {
      again = true;
      const auto group = std::exchange(waiting_, {});
      std::vector<const broker::Batch*> batches;
      for (const Waiting& next : group) batches.push_back(&next.batch);
      store_->apply(batches, now);
      for (const Waiting& next : group) shards_[next.shard]->stored(next.batch.number, now);
    }
  }
}

void BrokerBench::take_in(TestClient& client) {
  Buffer input = std::exchange(client.incoming, {});
  append(client.everything, input);
  if (client.opaque) return;
  Bytes rest = input;
  Buffer replies;
  while (!rest.empty()) {
    auto header = mqtt::decode_header(rest, client.version).value().value();
    auto packet = mqtt::decode(header, rest.subspan(header.size, header.remaining), client.version).value();
    rest = rest.subspan(header.size + header.remaining);
    std::visit(
        [&](const auto& p) {
          using P = std::decay_t<decltype(p)>;
          if constexpr (std::is_same_v<P, mqtt::Connack>) {
            client.connack = p.reason;
            client.session_present = p.session_present;
            client.server_keep_alive = p.properties.server_keep_alive;
            client.assigned_id = p.properties.assigned_client_identifier.value_or("");
            if (!client.assigned_id.empty()) client.client_id = client.assigned_id;
            client.login_data = as_text(p.properties.authentication_data.value_or(Bytes{}));
          } else if constexpr (std::is_same_v<P, mqtt::Auth>) {
            client.auths.push_back(p.reason);
            client.login_data = as_text(p.properties.authentication_data.value_or(Bytes{}));
          } else if constexpr (std::is_same_v<P, mqtt::Publish>) {
            GotPublish got{std::string(p.topic), std::string(as_text(p.payload)),      p.qos, p.retain, p.dup,
                           p.packet_id,          p.properties.topic_alias.value_or(0), {},    {},       {}};
            for (auto& user : p.properties.user) got.user.emplace_back(user.name, user.value);
            got.identifiers = p.properties.subscription_identifiers;
            got.expiry = p.properties.message_expiry_interval;
            client.publishes.push_back(std::move(got));
            if (!client.acknowledges) return;
            if (p.qos == mqtt::QoS::at_least_once)
              mqtt::encode(mqtt::Puback{.packet_id = p.packet_id, .properties = {}}, client.version, replies);
            if (p.qos == mqtt::QoS::exactly_once)
              mqtt::encode(mqtt::Pubrec{.packet_id = p.packet_id, .properties = {}}, client.version, replies);
          } else if constexpr (std::is_same_v<P, mqtt::Puback> || std::is_same_v<P, mqtt::Pubrec> ||
                               std::is_same_v<P, mqtt::Pubrel> || std::is_same_v<P, mqtt::Pubcomp>) {
            client.answers.push_back({P::type, p.packet_id, {p.reason}});
            if (std::is_same_v<P, mqtt::Pubrel> && client.acknowledges)
              mqtt::encode(mqtt::Pubcomp{.packet_id = p.packet_id, .properties = {}}, client.version, replies);
          } else if constexpr (std::is_same_v<P, mqtt::Suback>) {
            client.answers.push_back({mqtt::PacketType::suback, p.packet_id, p.reasons});
          } else if constexpr (std::is_same_v<P, mqtt::Unsuback>) {
            client.answers.push_back({mqtt::PacketType::unsuback, p.packet_id, p.reasons});
          } else if constexpr (std::is_same_v<P, mqtt::Disconnect>) {
            client.disconnect = p.reason;
          } else if constexpr (std::is_same_v<P, mqtt::Pingresp>) {
            ++client.pings;
          }
        },
        packet);
  }
  if (!replies.empty()) shards_[client.shard]->receive(client.connection, replies, now);
}

broker::Counters BrokerBench::counters() const {
  broker::Counters sum;
  for (const auto& shard : shards_) {
    const auto& c = shard->counters();
    sum.connections += c.connections;
    sum.sessions += c.sessions;
    sum.retained = c.retained;  // every shard holds them all
    sum.subscriptions += c.subscriptions;
    sum.published += c.published;
    sum.delivered += c.delivered;
    for (std::size_t i = 0; i < sum.dropped.size(); ++i) sum.dropped[i] += c.dropped[i];
  }
  return sum;
}

std::size_t BrokerBench::refused(broker::Refusal refusal) const {
  return static_cast<std::size_t>(std::ranges::count(journal.refusals, refusal));
}

}  // namespace sealmq::testing
