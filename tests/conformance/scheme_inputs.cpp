// What nobody honest sends: random and mutated inputs at every entry of a scheme. Nothing throws, nothing that was changed is
// taken for verified, each message is recognised by one scheme, and what opens it changes nothing.
#include <set>

#include "conformance/scheme_cases.h"

namespace sealmq::testing {
namespace {

struct Input {
  std::string topic;
  Buffer payload;
};

/// What honest parties sent: messages and requests to the broker, and what came from there.
struct Corpus {
  explicit Corpus(World& world) {
    (void)world.publish(world.author, World::topic, "one more, and a longer one than the first");
    for (const auto& [packets, inputs] :
         {std::pair(&world.author.from_client, &to_broker), std::pair(&world.reader.from_client, &to_broker),
          std::pair(&world.reader.from_broker, &to_reader), std::pair(&world.author.from_broker, &to_reader)})
      for (const Buffer& packet : *packets) {
        if (!carries(packet)) continue;
        const auto [at, size] = protected_part(packet, world.version);
        inputs->push_back({topic_of(packet, world.version), to_buffer(Bytes(packet).subspan(at, size))});
        known.insert(inputs->back().payload);
      }
  }
  std::vector<Input> to_broker, to_reader;
  std::set<Buffer> known;
};

/// Repeats itself in each run.
class Mutator {
 public:
  std::size_t below(std::size_t limit) {
    Buffer four(4);
    random_.fill(four);
    return (std::size_t{four[0]} << 24 | std::size_t{four[1]} << 16 | std::size_t{four[2]} << 8 | four[3]) % limit;
  }
  Input mutated(const std::vector<Input>& corpus) {
    Input input = corpus[below(corpus.size())];
    Buffer& payload = input.payload;
    switch (below(6)) {
      case 0:  // some bits
        for (std::size_t i = 0; i <= below(4) && !payload.empty(); ++i)
          payload[below(payload.size())] ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      case 1:  // cut off
        payload.resize(below(payload.size() + 1));
        break;
      case 2: {  // something behind it
        Buffer more(1 + below(40));
        random_.fill(more);
        append(payload, more);
        break;
      }
      case 3: {  // two joined
        const Buffer& other = corpus[below(corpus.size())].payload;
        payload.resize(below(payload.size() + 1));
        append(payload, Bytes(other).subspan(below(other.size() + 1)));
        break;
      }
      case 4: {  // a beginning, then anything
        payload.resize(std::min(payload.size(), below(8)));
        Buffer more(below(200));
        random_.fill(more);
        append(payload, more);
        break;
      }
      default:  // anything
        payload.resize(below(300));
        random_.fill(payload);
    }
    constexpr std::string_view topics[] = {
        "",          "$sl/pub",         "$sl/sub",         "$sl/inbox", "$sl/join",
        "$sl/ra/in", "pmqtt/kx/a/b",    "pmqtt/e2e/a/b/c", "plant/7",   "sealmq-keys/a/b/c/readers",
        "$",         "a/\xFF\xFE/plant"};
    if (below(4) == 0) input.topic = topics[below(std::size(topics))];
    return input;
  }

 private:
  CountingRandom random_;
};

constexpr int inputs_of_a_scheme = 10'000;
constexpr int most_slow_ones = 100;

/// The broker's side alone, without a core.
struct Side {
  explicit Side(World& world) : Side(*find_scheme(world.scheme.info->name), world) {}
  Side(const Scheme& scheme, World& world) : random(world.broker.random), now(world.broker.now) {
    Identity author;
    static_cast<PublicIdentity&>(author) = world.author.keys->identity();
    author.publish = author.subscribe = {"#"};
    directory = std::make_shared<const Directory>(std::vector<Identity>{author});
    BrokerPorts ports{*world.broker.key, random};
    ports.rabin = [keys = world.broker.rabin] { return keys; };
    ports.options = world.broker.scheme_options;
    ports.topic_keys = world.broker.topic_keys;
    its = scheme.broker_side(ports);
  }
  Scene scene(Preparation* prepared = nullptr) { return {now, *directory, &state, prepared, {"a client", {}}}; }

  Random& random;
  Now now;
  std::shared_ptr<const Directory> directory;
  std::unique_ptr<ConnectionState> state;
  std::unique_ptr<BrokerScheme> its;
};

class SchemeInputs : public SchemeTest {};
INSTANTIATE_TEST_SUITE_P(Schemes, SchemeInputs, ::testing::ValuesIn(cases_in_mqtt_5()), name_of);

TEST_P(SchemeInputs, NothingHarmsTheBrokersSide) {
  Meeting world;
  const Corpus corpus(world);
  Mutator mutator;
  Side side(world);
  int slow = 0;
  // Where the broker verifies messages by themselves: nothing changed may be among them.
  const bool judges = claims().authorship != Authorship::none && !is_end_to_end() && !info().login_protects;
  for (int i = 0; i < inputs_of_a_scheme; ++i) {
    const Input input = mutator.mutated(corpus.to_broker);
    const Incoming incoming{input.topic, input.payload, side.now};
    const bool is_taken = side.its->takes(input.topic);
    const bool is_recognised = side.its->recognises(incoming);
    if (is_recognised || i % 4 == 0) {
      std::unique_ptr<Preparation> preparation;
      if (is_recognised && is_taken) preparation = side.its->prepare(incoming);
      if (preparation != nullptr && slow++ < most_slow_ones)
        preparation->run();
      else
        preparation.reset();
      const auto opened = side.its->open(incoming, side.scene(preparation.get()));
      if (opened && judges && !corpus.known.contains(input.payload)) {
        ADD_FAILURE() << "input " << i << " was changed, and is said to be verified";
      }
      if (is_recognised && is_taken && side.its->is_request(incoming)) {
        (void)side.its->concerns_the_list(incoming);
        (void)side.its->tries_a_secret(incoming);
        (void)side.its->read_request(incoming, side.scene(preparation.get()));
      }
    }
    if (!side.its->subscribe_property().empty())
      (void)side.its->read_subscribe(as_text(input.payload), input.topic, side.scene());
    (void)side.its->may_send("a", input.topic);
    (void)side.its->may_get("a", input.topic);
  }
}

TEST_P(SchemeInputs, NothingHarmsTheClientsSide) {
  Meeting world;
  const Corpus corpus(world);
  Mutator mutator;
  if (world.reader.scheme == nullptr) GTEST_SKIP() << "its readers are clients of plain MQTT";
  std::vector<Input> all = corpus.to_reader;
  all.insert(all.end(), corpus.to_broker.begin(), corpus.to_broker.end());
  for (int i = 0; i < inputs_of_a_scheme; ++i) {
    const Input input = mutator.mutated(all);
    const Arrived arrived{
        .topic = input.topic, .payload = input.payload, .retain = i % 3 == 0, .stored = i % 5 == 0, .at_least_once = i % 2 == 0};
    const auto received = world.reader.scheme->unprotect(arrived, world.broker.now);
    if (!received) {
      EXPECT_FALSE(received.error().what.empty());
    } else if (verifies_authors() && (*received)->what == Received::What::message && !corpus.known.contains(input.payload)) {
      ADD_FAILURE() << "input " << i << " was changed, and is said to be verified";
    }
  }
  if (claims().authorship == Authorship::none) return;  // anybody may have put in keys of his own
  EXPECT_TRUE(world.publish(world.author, World::topic, "still here").is_good()) << world.author.causes();
  EXPECT_EQ(world.reader.count("still here"), 1U) << world.reader.causes();
}

TEST_P(SchemeInputs, EachMessageIsRecognisedByOneScheme) {
  Meeting world;
  const Corpus corpus(world);
  const auto& siblings = fixture_line(info().name)->siblings;
  std::size_t looked_at = 0;
  for (const Scheme& scheme : all_schemes()) {
    const SchemeInfo& other = *scheme.info;
    const bool is_own = other.name == info().name;
    // Those as published have no mark that tells them apart, and a login tells whose messages come on its connection.
    const bool tells_itself_apart = other.profile == Profile::hardened && !other.login_protects && other.name != "plain";
    if (!is_own && (!tells_itself_apart || std::ranges::find(siblings, other.name) != siblings.end())) continue;
    Side side(scheme, world);
    for (const Input& input : corpus.to_broker) {
      if (input.topic.empty()) continue;  // a record
      ++looked_at;
      EXPECT_EQ(side.its->recognises({input.topic, input.payload}), is_own) << other.name << " on " << input.topic;
    }
  }
  const bool has_records = std::ranges::any_of(world.author.from_client, is_record);
  EXPECT_TRUE(looked_at > 0 || has_records);
}

/// Whether a message is opened, and as what, depends on nothing but the message: not on who opens it, nor how often.
TEST_P(SchemeInputs, OpeningTwiceIsOpeningOnce) {
  Meeting world;
  const Corpus corpus(world);
  Side one(world), other(world);
  const auto open = [](Side& side, const Input& input) -> std::string {
    const Incoming incoming{input.topic, input.payload, side.now};
    if (!side.its->recognises(incoming)) return "not recognised";
    auto preparation = side.its->takes(input.topic) ? side.its->prepare(incoming) : nullptr;
    if (preparation != nullptr) preparation->run();
    const auto opened = side.its->open(incoming, side.scene(preparation.get()));
    if (!opened) return "refused: " + opened.error().what;
    return std::string((*opened)->topic) + ": " + std::string(as_text((*opened)->payload)) + " by " +
           ((*opened)->author != nullptr ? (*opened)->author->name : "nobody");
  };
  for (const Input& input : corpus.to_broker) {
    const Input before = input;
    const std::string first = open(one, input);
    EXPECT_EQ(open(other, input), first);
    if (one.state == nullptr) {
      EXPECT_EQ(open(one, input), first);
    }
    EXPECT_EQ(input.payload, before.payload);
  }
}

}  // namespace
}  // namespace sealmq::testing
