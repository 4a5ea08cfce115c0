// What every scheme claims of itself (SchemeInfo::claims), tried at a broker in memory: where a claim is made, the attack fails;
// where it is not made, the same attack succeeds, which shows that it can. Each scheme runs the same sentences. How its parties
// meet is said by its fixture (scheme_fixture.h); a scheme without one fails, and so does a claim without a test.
#include <algorithm>

#include "base/text.h"
#include "conformance/scheme_cases.h"

namespace sealmq::testing {
namespace {

using mqtt::Version;

// -- which test tries which claim

struct Tried {
  Claim claim;
  std::string_view by;
};
constexpr Tried tests_of_claims[] = {
    {Claim::authorship, "WhoReadersSeeAsTheAuthorIsTheAuthor"},
    {Claim::authorship, "NoChangedByteReachesTheReader"},
    {Claim::authorship, "WhoIsNotOnTheListGetsNothingIn"},
    {Claim::authorship, "NobodyPassesForTheAuthor"},
    {Claim::confidentiality, "TheNetworkReadsNothing"},
    {Claim::confidentiality, "TheBrokerReadsNothing"},
    {Claim::bound_to_topic, "AMessageMovedToAnotherTopicIsNotTaken"},
    {Claim::refuses_replay, "ACopyReachesTheReaderOnce"},
    {Claim::refuses_replay, "NorAfterARestart"},
    {Claim::hides_subscriber, "NobodyLearnsWhoSubscribes"},
    {Claim::hides_publisher, "NobodyLearnsWhoPublishes"},
    {Claim::forward_secrecy, "WhoStealsAllKeysLaterReadsNoRecording"},
    {Claim::revocable, "WhoIsRevokedIsHeardNoMore"},
};

/// Long enough for several blocks of a cipher.
constexpr std::string_view secret = "pressure 21.5 bar and rising; valve four is half open; nobody has been told";

class SchemeClaims : public SchemeTest {
 protected:
  static bool claims_it(Claim claim) { return is_made(claims(), claim); }
  /// What the scheme does not claim is tried where it is set up with as little as it allows.
  static Strength strength_for(Claim claim) { return claims_it(claim) ? Strength::usual : Strength::weakest; }
  /// Does a claim hold? It has to, if it is made, and must not, if it is not made and can be shown.
  static void expect(Claim claim, bool holds, const std::string& what) {
    if (claims_it(claim)) {
      EXPECT_TRUE(holds) << what;
    } else if (!fixture_line(info().name)->not_shown.contains(claim)) {
      EXPECT_FALSE(holds) << "it claims less than it does, or the attack does not work: " << what;
    }
  }
  /// All of the message's beginning and end, and some of what is between.
  static std::vector<std::size_t> places_in(std::size_t size) {
    std::vector<std::size_t> places;
    const std::size_t step = std::max<std::size_t>(size / 40, 1);
    for (std::size_t at = 0; at < size; at += at < 16 || at + 16 >= size ? 1 : std::min(step, size - 16 - at))
      places.push_back(at);
    return places;
  }
  static void reconnect(World& world) {
    world.author.reconnect();
    world.reader.reconnect();
    world.subscribe_again(world.reader);
  }

  /// Changes each byte of a message, on its way to the broker or from there, one at a time. Answers how many of these the reader
  /// took.
  static std::size_t taken_of_changed(World& world, bool behind_broker) {
    std::size_t taken = 0;
    Buffer caught;
    std::size_t size = 1;
    std::vector<std::size_t> places = {0};
    for (std::size_t i = 0; i < places.size(); ++i) {
      // What follows a changed record is lost with it: a connection for each.
      const bool is_over =
          !world.author.session->is_open() || !world.reader.session->is_open() || (!caught.empty() && is_record(caught));
      if (is_over) reconnect(world);
      if (caught.empty() || is_over) {
        (void)world.publish(world.author, World::topic, "once more");
        caught = behind_broker ? world.intercept_delivery(World::topic, secret) : world.intercept(World::topic, secret);
      }
      const auto [begin, part] = protected_part(caught, world.version);
      if (i == 0) places = places_in(size = part);
      EXPECT_GT(size, 0u);
      Buffer changed = with_packet_id(caught, static_cast<std::uint16_t>(1000 + i), world.version);
      changed[begin + std::min(places[i], part - 1)] ^= static_cast<std::uint8_t>(1U << (i % 8));
      world.reader.messages.clear();
      behind_broker ? world.reader.put_to_client(changed) : world.author.put_to_broker(changed);
      world.run();
      taken += world.reader.messages.size();
    }
    reconnect(world);
    return taken;
  }
};
/// Whether the broker says who has written it.
bool says_author(const std::vector<std::pair<std::string, std::string>>& properties) {
  return std::ranges::any_of(properties, [](const auto& its) { return its.second == World::author_name; });
}
bool says_author(const std::deque<GotPublish>& publishes) {
  return std::ranges::any_of(publishes, [](const auto& got) { return says_author(got.user); });
}

/// Who gets by plain MQTT what the broker would give to anybody, on a connection that hides it.
TestClient& add_plain_reader(World& world) {
  auto leaves_by = world.fixture->leaves_by(world);
  leaves_by.push_back("plain");
  world.broker.allow({world.scheme.info->name}, leaves_by);
  world.broker.peer.is_hidden = true;
  TestClient& client = world.broker.connect("plain-reader");
  world.broker.peer.is_hidden = false;
  world.broker.subscribe(client, "#");
  return client;
}

INSTANTIATE_TEST_SUITE_P(Schemes, SchemeClaims, ::testing::ValuesIn(all_cases()), name_of);

// -- authorship

TEST_P(SchemeClaims, WhoReadersSeeAsTheAuthorIsTheAuthor) {
  World world(GetParam().scheme, GetParam().version);
  TestClient& plain_reader = add_plain_reader(world);
  world.meet();
  world.publish(world.author, World::topic, secret);
  ASSERT_EQ(world.reader.count(secret), 1U);
  const ReceivedMessage& message = world.reader.messages.back();
  const bool is_shown = message.author == World::author_name;
  EXPECT_TRUE(verifies_authors() ? is_shown : is_shown || message.author.empty()) << message.author;
  if (claims().authorship == Authorship::none) {
    EXPECT_FALSE(is_shown);
  }
  // What the broker has checked it tells to those who cannot.
  const bool is_told = says_author(plain_reader.publishes);
  if (claims().hides_publisher) {
    EXPECT_FALSE(is_told || is_shown);
  } else if (claims().authorship == Authorship::checked_by_broker) {
    EXPECT_TRUE(is_told);
  }
}

TEST_P(SchemeClaims, NoChangedByteReachesTheReader) {
  Meeting world(strength_for(Claim::authorship));
  std::size_t taken = taken_of_changed(world, false);
  if (claims_it(Claim::authorship) && !world.reader.is_hidden) taken += taken_of_changed(world, true);
  expect(Claim::authorship, taken == 0, std::to_string(taken) + " changed messages were taken");
  EXPECT_TRUE(world.publish(world.author, World::topic, "honest").is_good()) << world.author.causes();
  EXPECT_EQ(world.reader.count("honest"), 1U);
}

/// The stranger has a client, keys of its own and the topic's keys, if there are any. Live, retained and as a Will.
TEST_P(SchemeClaims, WhoIsNotOnTheListGetsNothingIn) {
  Meeting world(strength_for(Claim::authorship));
  const auto published = world.broker.counters().published;
  Party& stranger = world.add_stranger("STRANGE1");
  if (world.fixture->has_wills())
    stranger.options.will = WillMessage{.topic = World::topic, .payload = to_buffer(as_bytes("a will"))};
  stranger.connect();
  PublishOptions retained = World::at_least_once();
  retained.retain = world.fixture->retains();
  (void)world.publish(stranger, World::topic, "live");
  (void)world.publish(stranger, World::topic, "retained", retained);
  stranger.cut();
  world.run();
  std::size_t got = 0;
  for (const char* text : {"live", "retained", "a will"}) got += world.reader.count(text);
  if (claims_it(Claim::authorship)) {
    EXPECT_EQ(got, 0U);
  }
  if (claims_it(Claim::authorship) && !is_end_to_end()) {
    EXPECT_EQ(world.broker.counters().published, published) << "the broker let something in";
    EXPECT_EQ(world.broker.counters().retained, 0U);
  }
  if (!claims_it(Claim::authorship) && !info().between_partners && !info().login_protects) {
    EXPECT_EQ(got, 2U + (world.fixture->has_wills() ? 1U : 0U)) << stranger.causes();
  }
}

TEST_P(SchemeClaims, NobodyPassesForTheAuthor) {
  if (!claims_it(Claim::authorship)) GTEST_SKIP() << "not claimed: WhoIsNotOnTheListGetsNothingIn";
  Meeting world;
  // One of the list under its own name, and one that says that it is the author, with other keys.
  for (Party* other : {&world.add_author("PUMPS001"), &world.add_stranger(World::author_name)}) {
    world.reader.messages.clear();
    other->connect();
    (void)world.publish(*other, World::topic, "another's");
    for (const auto& message : world.reader.messages)
      if (as_text(message.payload) == "another's") {
        EXPECT_NE(message.author, World::author_name);
        EXPECT_EQ(other->name, "PUMPS001");
        for (const auto& [name, value] : message.user_properties) EXPECT_NE(value, World::author_name) << name;
      }
  }
  if (verifies_authors()) {
    EXPECT_EQ(world.reader.count("another's"), 0U) << "its reader hears the author alone";
  }
}

// -- confidentiality

TEST_P(SchemeClaims, TheNetworkReadsNothing) {
  Meeting world(strength_for(Claim::confidentiality));
  world.publish(world.author, World::topic, secret);
  ASSERT_EQ(world.reader.count(secret), 1U);
  Buffer wire = World::seen_of(world.author);
  append(wire, World::seen_of(world.reader));
  bool shows_some = false;
  for (std::size_t at = 0; at + 8 <= secret.size(); ++at) shows_some = shows_some || holds(wire, as_bytes(secret.substr(at, 8)));
  expect(Claim::confidentiality, !shows_some, "eight octets of the message are on the wire");
}

/// What the broker knows is what it could give to a subscriber of plain MQTT.
TEST_P(SchemeClaims, TheBrokerReadsNothing) {
  World world(GetParam().scheme, GetParam().version);
  TestClient& spy = add_plain_reader(world);
  world.meet();
  world.publish(world.author, World::topic, secret);
  ASSERT_EQ(world.reader.count(secret), 1U);
  const bool reads =
      std::ranges::any_of(spy.publishes, [](const auto& got) { return got.payload.find(secret) != got.payload.npos; });
  if (is_end_to_end()) {
    EXPECT_FALSE(reads);
    EXPECT_FALSE(holds(World::seen_of(world.author), as_bytes(secret))) << "the connection hides nothing from the broker";
    EXPECT_TRUE(std::ranges::none_of(world.author.from_client, is_record));
  } else if (claims().confidentiality == Confidentiality::hop) {
    EXPECT_TRUE(reads) << "it claims less than it does";
  }
}

// -- bound to its topic

TEST_P(SchemeClaims, AMessageMovedToAnotherTopicIsNotTaken) {
  Meeting world(strength_for(Claim::bound_to_topic));
  std::size_t moved = 0;
  const auto move = [&](const Buffer& caught, bool behind_broker) {
    if (is_record(caught)) return;  // nobody sees a topic there: NoChangedByteReachesTheReader
    std::string its = topic_of(caught, world.version);
    const auto at = its.find(World::topic);
    const std::string to =
        at == its.npos ? World::other_topic : its.replace(at, std::string_view(World::topic).size(), World::other_topic);
    const Buffer packet = with_packet_id(with_topic(caught, to, world.version), 1000, world.version);
    behind_broker ? world.reader.put_to_client(packet) : world.author.put_to_broker(packet);
    world.run();
    moved = world.reader.count(secret);
  };
  move(world.intercept(World::topic, secret), false);
  if (moved == 0 && !world.reader.is_hidden) {
    world.author.reconnect();  // what was kept back leaves a gap
    (void)world.publish(world.author, World::topic, "once more");
    world.reader.messages.clear();
    const Buffer caught = world.intercept_delivery(World::topic, secret);
    move(with_full_topic(caught, world.reader.from_broker, world.version), true);
  }
  expect(Claim::bound_to_topic, moved == 0, "it was taken for a message on another topic");
}

// -- replay

/// As an attacker who was on the author's connection would: everything again, and the message alone.
std::size_t copies_after(World& world, const WiredClient::Packets& recorded, const Buffer& message) {
  TestClient& again = world.broker.dial();
  again.opaque = true;
  for (const Buffer& packet : recorded) world.broker.send_bytes(again, packet);
  world.run();
  TestClient& alone = world.broker.connect("attacker", world.version);
  alone.opaque = true;
  world.broker.send_bytes(alone, with_packet_id(message, 1001, world.version));
  world.run();
  return world.reader.count(secret);
}

/// Lets a message go its way, and answers the packets that carried it: to the broker, and from there.
std::pair<Buffer, Buffer> record(World& world) {
  std::pair<Buffer, Buffer> recorded;
  const auto keep = [](Buffer& first) {
    return [&first](Buffer packet) -> WiredClient::Packets {
      if (first.empty() && carries(packet)) first = packet;
      return {std::move(packet)};
    };
  };
  world.author.to_broker = keep(recorded.first);
  world.reader.to_client = keep(recorded.second);
  EXPECT_TRUE(world.publish(world.author, World::topic, secret).is_good());
  world.author.to_broker = world.reader.to_client = {};
  EXPECT_EQ(world.reader.count(secret), 1U);
  recorded.second = with_full_topic(recorded.second, world.reader.from_broker, world.version);
  return recorded;
}

TEST_P(SchemeClaims, ACopyReachesTheReaderOnce) {
  Meeting world(strength_for(Claim::refuses_replay));
  world.author.from_client.clear();
  world.author.reconnect();
  (void)world.publish(world.author, World::topic, "once more");  // what has to be agreed on has been
  const auto [to_broker, to_reader] = record(world);
  const WiredClient::Packets connection = world.author.from_client;
  world.author.put_to_broker(with_packet_id(to_broker, 1000, world.version));
  world.run();
  std::size_t got = world.reader.count(secret);
  got = std::max(got, copies_after(world, connection, to_broker));
  if (!world.reader.is_hidden) {
    world.reader.put_to_client(with_packet_id(to_reader, 1000, world.version));
    world.run();
    got = std::max(got, world.reader.count(secret));
  }
  expect(Claim::refuses_replay, got == 1, "it was taken " + std::to_string(got) + " times");
}

TEST_P(SchemeClaims, NorAfterARestart) {
  Meeting world(strength_for(Claim::refuses_replay));
  world.author.from_client.clear();
  world.author.reconnect();
  (void)world.publish(world.author, World::topic, "once more");  // what has to be agreed on has been
  const auto [to_broker, to_reader] = record(world);
  const WiredClient::Packets connection = world.author.from_client;
  world.restart_broker();
  world.subscribe_again(world.reader);
  // Whoever comes now has seen nothing. Where nobody but readers can tell, it is the first time for this one.
  Party* newcomer = nullptr;
  if (!is_end_to_end() && !info().between_partners) {
    newcomer = &world.add_reader("NEWCOMER");
    newcomer->connect();
    ASSERT_TRUE(world.subscribe(*newcomer, World::topic).is_good());
  }
  std::size_t got = copies_after(world, connection, to_broker) + (newcomer != nullptr ? newcomer->count(secret) : 0);
  if (!world.reader.is_hidden) {
    world.reader.put_to_client(with_packet_id(to_reader, 1000, world.version));
    world.run();
    got = std::max(got, world.reader.count(secret));
  }
  expect(Claim::refuses_replay, got == 1, "it was taken " + std::to_string(got) + " times");
}

// -- who is hidden

/// Its name, or one of its keys, as bytes or in hexadecimal digits.
bool names(Bytes all, const PublicIdentity& identity) {
  if (holds(all, as_bytes(identity.name))) return true;
  const auto shows = [&](Bytes key) {
    const Bytes some = key.subspan(1, 12);
    return holds(all, some) || holds(all, as_bytes(to_hex(some)));
  };
  return shows(identity.keys.schnorr) || shows(identity.keys.ecdsa) || shows(identity.keys.agreement);
}

TEST_P(SchemeClaims, NobodyLearnsWhoSubscribes) {
  Meeting world;
  const bool is_seen = names(World::seen_of(world.reader), world.reader.keys->identity());
  const RevocationReport ended = world.broker.revoke(World::reader_name);
  const bool broker_knows = ended.sessions + ended.subscriptions != 0;
  expect(Claim::hides_subscriber, !is_seen && !broker_knows, is_seen ? "its name or key is on the wire" : "the broker knows it");
}

TEST_P(SchemeClaims, NobodyLearnsWhoPublishes) {
  World world(GetParam().scheme, GetParam().version);
  TestClient& plain_reader = add_plain_reader(world);
  world.meet();
  world.publish(world.author, World::topic, secret);
  ASSERT_EQ(world.reader.count(secret), 1U);
  Buffer wire = World::seen_of(world.author);
  append(wire, World::seen_of(world.reader));
  const bool is_seen = names(wire, world.author.keys->identity());
  const ReceivedMessage& got = world.reader.messages.back();
  const bool is_told = !got.author.empty() || says_author(got.user_properties) || says_author(plain_reader.publishes);
  expect(Claim::hides_publisher, !is_seen && !is_told, is_seen ? "its name or key is on the wire" : "readers are told");
}

// -- forward secrecy

/// A thief has the keys of the broker and of both parties, and what passed by, as long as these keys are good. He starts a broker
/// and a reader with them, and plays it all again.
TEST_P(SchemeClaims, WhoStealsAllKeysLaterReadsNoRecording) {
  World world(GetParam().scheme, GetParam().version, strength_for(Claim::forward_secrecy));
  world.meet();
  world.publish(world.author, World::topic, secret);
  ASSERT_EQ(world.reader.count(secret), 1U);
  bool is_read = holds(World::seen_of(world.author), as_bytes(secret));

  World thief(GetParam().scheme, GetParam().version, world.strength, &world);
  thief.reader.connect();
  ASSERT_TRUE(thief.subscribe(thief.reader, World::topic).is_good());
  TestClient& author = thief.broker.dial();
  author.opaque = true;
  for (const Buffer& packet : world.author.from_client) thief.broker.send_bytes(author, packet);
  thief.run();
  std::uint16_t id = 1000;
  for (const Buffer& packet : world.reader.from_broker)
    if (is(mqtt::PacketType::publish, packet)) thief.reader.put_to_client(with_packet_id(packet, ++id, world.version));
  thief.run();
  is_read = is_read || thief.reader.count(secret) != 0;
  expect(Claim::forward_secrecy, !is_read, "the thief reads it");
}

// -- revocation

TEST_P(SchemeClaims, WhoIsRevokedIsHeardNoMore) {
  Meeting world;
  if (world.fixture->retains()) {
    PublishOptions retained = World::at_least_once();
    retained.retain = true;
    ASSERT_TRUE(world.publish(world.author, World::topic, "retained", retained).is_good());
  }
  world.broker.revoke(World::author_name);
  if (claims_it(Claim::revocable)) {
    EXPECT_EQ(world.broker.counters().retained, 0U) << "what it left is gone";
  }
  (void)world.publish(world.author, World::topic, "on its old connection");
  world.author.reconnect();
  (void)world.publish(world.author, World::topic, "on a new one");
  const std::size_t got = world.reader.count("on its old connection") + world.reader.count("on a new one");
  expect(Claim::revocable, got == 0, "it is heard");
}

// -- the table

TEST(SchemeClaimsTable, EveryClaimHasItsTestsAndTheyAreRunForEveryScheme) {
  const auto& all = *::testing::UnitTest::GetInstance();
  std::array<std::size_t, claims_count> tried{};
  for (const Tried& each : tests_of_claims) {
    std::size_t found = 0;
    for (int s = 0; s < all.total_test_suite_count(); ++s) {
      const auto& suite = *all.GetTestSuite(s);
      if (std::string_view(suite.name()) != "Schemes/SchemeClaims") continue;
      for (int t = 0; t < suite.total_test_count(); ++t)
        if (std::string_view(suite.GetTestInfo(t)->name()).starts_with(std::string(each.by) + "/")) ++found;
    }
    EXPECT_EQ(found, all_cases().size()) << each.by;
    ++tried[static_cast<std::size_t>(each.claim)];
  }
  for (std::size_t i = 0; i < claims_count; ++i) EXPECT_GT(tried[i], 0U) << "nothing tries claim number " << i;
}

TEST(SchemeClaimsTable, EverySchemeHasAFixtureAndExcusesNoClaimThatItMakes) {
  for (const Scheme& scheme : all_schemes()) {
    const FixtureLine* line = fixture_line(scheme.info->name);
    ASSERT_NE(line, nullptr) << scheme.info->name << " has no line in tests/conformance/fixtures.cpp";
    for (const auto& [claim, why] : line->not_shown) {
      EXPECT_FALSE(is_made(scheme.info->claims, claim)) << scheme.info->name;
      EXPECT_FALSE(why.empty()) << scheme.info->name;
    }
    for (const std::string_view sibling : line->siblings) EXPECT_NE(find_scheme(sibling), nullptr) << sibling;
  }
}

}  // namespace
}  // namespace sealmq::testing
