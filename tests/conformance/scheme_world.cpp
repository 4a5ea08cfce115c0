#include "conformance/scheme_world.h"

#include <algorithm>
#include <stdexcept>

#include "broker/policy/logins.h"
#include "conformance/scheme_fixture.h"
#include "mqtt/packet.h"

namespace sealmq::testing {
namespace {

using mqtt::PacketType;
using mqtt::QoS;

/// The keys of topics without what was remembered about messages.
std::shared_ptr<TopicKeys> forgetful(TopicKeys& keys, Random& random) {
  auto anew = make_memory_topic_keys(random);
  const auto all = keys.all();
  for (const TopicKey& key : *all) (void)anew->put(key);
  return anew;
}

template <class Change>
Buffer changed(const Buffer& packet, mqtt::Version version, Change change) {
  const auto header = mqtt::decode_header(packet, version).value().value();
  auto decoded = mqtt::decode(header, Bytes(packet).subspan(header.size, header.remaining), version).value();
  auto& publish = std::get<mqtt::Publish>(decoded);
  change(publish);
  Buffer out;
  mqtt::encode(publish, version, out);
  return out;
}

}  // namespace

// -- packets

bool carries(const Buffer& packet) {
  return is_record(packet) || is(PacketType::publish, packet);
}

std::pair<std::size_t, std::size_t> protected_part(const Buffer& packet, mqtt::Version version) {
  if (is_record(packet)) return {0, packet.size()};
  const auto header = mqtt::decode_header(packet, version).value().value();
  const auto decoded = mqtt::decode(header, Bytes(packet).subspan(header.size, header.remaining), version).value();
  const std::size_t size = std::get<mqtt::Publish>(decoded).payload.size();
  return {packet.size() - size, size};
}

std::string topic_of(const Buffer& packet, mqtt::Version version) {
  std::string topic;
  if (!is_record(packet)) changed(packet, version, [&](const mqtt::Publish& publish) { topic = publish.topic; });
  return topic;
}

Buffer with_topic(const Buffer& packet, std::string_view to, mqtt::Version version) {
  return changed(packet, version, [&](mqtt::Publish& publish) {
    publish.topic = to;
    publish.properties.topic_alias.reset();
  });
}

Buffer with_full_topic(const Buffer& packet, const WiredClient::Packets& before, mqtt::Version version) {
  if (is_record(packet)) return packet;
  std::string topic = topic_of(packet, version);
  const auto alias_of = [&](const Buffer& its) {
    std::optional<std::uint16_t> alias;
    changed(its, version, [&](const mqtt::Publish& publish) { alias = publish.properties.topic_alias; });
    return alias;
  };
  for (const Buffer& other : before)
    if (topic.empty() && is(PacketType::publish, other) && alias_of(other) == alias_of(packet)) topic = topic_of(other, version);
  return with_topic(packet, topic, version);
}

Buffer with_packet_id(const Buffer& packet, std::uint16_t id, mqtt::Version version) {
  if (is_record(packet)) return packet;
  return changed(packet, version, [&](mqtt::Publish& publish) {
    if (publish.qos != QoS::at_most_once) publish.packet_id = id;
    publish.dup = false;
  });
}

bool holds(Bytes all, Bytes some) {
  return !some.empty() && std::search(all.begin(), all.end(), some.begin(), some.end()) != all.end();
}

// -- parties

Party::Party(World& world, std::string its_name, bool it_reads)
    : WiredClient(world.broker), name(std::move(its_name)), reads(it_reads), world_(world) {
  static int count = 0;
  options.client_id = "c-" + std::to_string(++count);  // says nothing
  options.version = world.version;
}

void Party::connect() {
  bench_.peer.is_hidden = is_hidden;
  bench_.peer.identity = proves;
  begin({});
  bench_.peer.is_hidden = false;
  bench_.peer.identity.clear();
  world_.run();
}

void Party::collect() {
  std::vector<ClientEvent> others;
  for (auto& event : events) {
    if (auto* arrival = std::get_if<Arrival>(&event))
      messages.push_back(std::move(arrival->message));
    else
      others.push_back(std::move(event));
  }
  events = std::move(others);
}

std::vector<std::string> Party::texts() const {
  std::vector<std::string> all;
  for (const auto& message : messages) all.emplace_back(as_text(message.payload));
  return all;
}

std::size_t Party::count(std::string_view text) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(messages, [&](const auto& message) { return as_text(message.payload) == text; }));
}

// -- the world

World::World(std::string_view scheme_name, mqtt::Version its_version, Strength its_strength, World* keys_of)
    : scheme(*find_scheme(scheme_name)),
      version(its_version),
      strength(its_strength),
      fixture(fixture_line(scheme_name)->make()),
      author(parties_.emplace_back(*this, author_name, false)),
      reader(parties_.emplace_back(*this, reader_name, true)) {
  if (keys_of != nullptr) {
    Buffer others(100'003);
    broker.random.fill(others);
    broker.key = std::move(keys_of->broker.key);
    if (keys_of->broker.topic_keys != nullptr) broker.topic_keys = forgetful(*keys_of->broker.topic_keys, broker.random);
    for (Party* party : {&author, &reader}) {
      Party& theirs = party == &author ? keys_of->author : keys_of->reader;
      party->keys = std::move(theirs.keys);
      party->topic_keys = forgetful(*theirs.topic_keys, broker.random);
    }
  } else {
    for (Party* party : {&author, &reader}) {
      party->keys = fixture->keys(*this, party->name, Kind::device);
      party->topic_keys = make_memory_topic_keys(broker.random);
    }
  }
  fixture->set_up(*this);
  broker.crash();  // from now on it has all that
  set_policy();
  enroll(author);
  enroll(reader);
  equip(author);
  equip(reader);
}

World::~World() = default;

void World::set_policy() {
  broker.allow({scheme.info->name}, fixture->leaves_by(*this));
}

Party& World::add(const std::string& name, bool reads, bool is_listed) {
  Party& party = parties_.emplace_back(*this, name, reads);
  party.keys = fixture->keys(*this, name, Kind::device);
  party.topic_keys = forgetful(*reader.topic_keys, broker.random);
  if (is_listed) enroll(party);
  equip(party);
  return party;
}

void World::enroll(const Party& party) {
  Identity identity;
  static_cast<PublicIdentity&>(identity) = party.keys->identity();
  identity.publish = identity.subscribe = {"#"};
  identity.schemes = {std::string(scheme.info->name), std::string(broker::transport_login)};
  for (const std::string_view login : scheme.info->needs_login) identity.schemes.emplace_back(login);
  for (const std::string_view leaves_by : fixture->leaves_by(*this)) identity.schemes.emplace_back(leaves_by);
  broker.enroll(identity);
}

void World::equip(Party& party) {
  ClientPorts ports{.key = party.keys.get(), .broker = broker.identity(), .peers = {}, .random = broker.random};
  fixture->equip(*this, party, ports);
  ports.peers = party.peers;
  if (party.reads && fixture->has_plain_readers(*this)) return;
  auto made = scheme.client_side(std::move(ports));
  ASSERT_TRUE(made) << made.error().what;
  party.scheme = *std::move(made);
  if (!party.scheme->client_id().empty()) party.options.client_id.clear();  // it has its own
}

void World::run() {
  for (bool again = true; again;) {
    again = false;
    for (Party& party : parties_) again = (party.at_broker != nullptr && party.move()) || again;
  }
  for (Party& party : parties_) party.collect();
}

void World::advance(std::uint64_t milliseconds) {
  for (std::uint64_t passed = 0; passed < milliseconds;) {
    const std::uint64_t step = std::min<std::uint64_t>(1000, milliseconds - passed);
    passed += step;
    broker.advance(step);
    for (Party& party : parties_)
      if (party.at_broker != nullptr) party.session->tick(broker.now);
    run();
  }
}

void World::restart_broker() {
  for (Party& party : parties_)
    if (party.at_broker != nullptr) party.cut();
  broker.crash();
  set_policy();
  for (Party& party : parties_)
    if (party.at_broker != nullptr) party.connect();
}

World::Answer World::publish(Party& from, std::string_view to, std::string_view text, const PublishOptions& options) {
  const auto asked = from.session->publish(to, as_bytes(text), options, broker.now);
  if (!asked) return {std::nullopt, asked.error().what};
  run();
  while (auto published = from.take<Published>())
    if (published->handle == *asked)
      return {published->reason, published->error ? published->error->what : std::string(mqtt::name(published->reason))};
  return {std::nullopt, "no answer; " + from.causes()};
}

World::Answer World::subscribe(Party& who, std::string_view filter, QoS qos) {
  SubscribeOptions options;
  options.qos = qos;
  const auto asked = who.session->subscribe(filter, options, broker.now);
  if (!asked) return {std::nullopt, asked.error().what};
  run();
  while (auto subscribed = who.take<Subscribed>())
    if (subscribed->handle == *asked) return {subscribed->reason, std::string(mqtt::name(subscribed->reason))};
  return {std::nullopt, "no answer; " + who.causes()};
}

void World::subscribe_again(Party& who) {
  if (who.session->asks_again_by_itself()) return;
  for (const char* each : {topic, other_topic}) {
    const Answer granted = subscribe(who, each);
    EXPECT_TRUE(granted.is_good()) << granted.why << "; " << who.causes();
  }
}

void World::fail_to_meet(const std::string& why) const {
  throw std::runtime_error("they do not meet: " + why + "; " + author.causes() + reader.causes());
}

void World::meet() {
  author.connect();
  reader.connect();
  for (const char* each : {topic, other_topic}) {
    if (const Answer granted = subscribe(reader, each); !granted.is_good()) fail_to_meet("no subscription: " + granted.why);
  }
  if (const Answer first = publish(author, topic, "first"); !first.is_good()) fail_to_meet("nothing is sent: " + first.why);
  if (reader.texts() != std::vector<std::string>{"first"}) fail_to_meet("nothing arrives");
}

Buffer World::catch_one(WiredClient::Meddle& wire, std::string_view to, std::string_view text) {
  Buffer caught;
  wire = [&](Buffer packet) -> WiredClient::Packets {
    if (!caught.empty() || !carries(packet)) return {std::move(packet)};
    caught = std::move(packet);
    return {};
  };
  (void)publish(author, to, text);
  wire = {};
  if (caught.empty()) throw std::runtime_error("nothing was sent; " + author.causes() + reader.causes());
  return caught;
}

Buffer World::intercept(std::string_view to, std::string_view text) {
  return catch_one(author.to_broker, to, text);
}
Buffer World::intercept_delivery(std::string_view to, std::string_view text) {
  return catch_one(reader.to_client, to, text);
}

Buffer World::seen_of(const Party& party) {
  Buffer all;
  if (party.is_hidden) return all;
  for (const auto* packets : {&party.from_client, &party.from_broker})
    for (const Buffer& packet : *packets) append(all, packet);
  return all;
}

}  // namespace sealmq::testing
