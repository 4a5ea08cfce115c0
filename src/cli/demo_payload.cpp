#include "cli/demo_payload.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

#include "cli/eavesdropper.h"
#include "crypto/random.h"
#include "net/url.h"
#include "schemes/payload/dealt.h"
#include "sealmq/client.h"
#include "sealmq/scheme.h"
#include "server/broker_server.h"
#include "server/clock.h"

namespace sealmq::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view scheme_name = "payload";
constexpr std::string_view filter = "plant/+/temp";
constexpr std::string_view topic = "plant/7/temp";
constexpr std::string_view reading = "temperature 21.5 C";
constexpr auto patience = 1s;  // in which a refusal would arrive on the loopback interface

class NoLog final : public server::Log {
 public:
  void write(server::Severity, std::string_view) override {}
};

class Plant {
 public:
  explicit Plant(Paper& paper) : paper_(paper) {}

  Result<> show() {
    const SchemeInfo& scheme = *find_scheme(scheme_name)->info;
    paper_.title(std::string(scheme.name) + ": " + std::string(scheme.title));
    TRY(start());
    auto boiler_keys = make_memory_keys("boiler-7", Kind::device, random_);
    auto control_keys = make_memory_keys("control", Kind::service, random_);
    auto leaver_keys = make_memory_keys("leaver", Kind::service, random_);
    for (const auto* keys : {&boiler_keys, &control_keys, &leaver_keys}) members_.push_back({(*keys)->identity(), true});
    TRY(deal({}));
    paper_.row("the administrator deals", "a key of " + std::string(filter) + ", which waits at the broker");

    Client control = TRY(connect(std::move(control_keys)));
    Client leaver = TRY(connect(std::move(leaver_keys)));
    TRY(control.subscribe(topic));
    TRY(leaver.subscribe(topic));
    Client boiler = TRY(connect(std::move(boiler_keys)));
    TRY(boiler.publish(topic, reading, {.qos = mqtt::QoS::at_least_once}));
    const auto message = TRY(control.receive(5s));
    if (!message) return fail(Blame::environment, "nobody received the reading");
    paper_.good("control read", std::string(as_text(message->payload)) + "  from " + message->author);
    const Buffer all = wire_->everything();
    const bool shows = std::search(all.begin(), all.end(), reading.begin(), reading.end()) != all.end();
    shows ? paper_.bad("the broker could read", "the message") : paper_.good("the broker could not read", "the message");

    const auto captured = wire_->published(topic);
    if (!captured) return fail(Blame::environment, "the eavesdropper saw no message");
    Buffer changed = *captured;
    changed.back() ^= 1;
    Client attacker = TRY(Client::connect(through_the_wire()));
    TRY(attack("changed on the way", attacker, control, topic, changed));
    TRY(attack("sent again", attacker, control, topic, *captured));
    TRY(control.subscribe("plant/8/temp"));
    TRY(attack("moved to another topic", attacker, control, "plant/8/temp", *captured));
    TRY(attack("not encrypted at all", attacker, control, topic, as_bytes("temperature 99.9 C")));

    (void)TRY(leaver.receive(1s));
    TRY(deal("leaver"));
    paper_.row("the administrator deals", "the next key, without leaver");
    std::this_thread::sleep_for(1100ms);  // keys are looked for once a second
    TRY(boiler.publish(topic, "temperature 21.9 C", {.qos = mqtt::QoS::at_least_once}));
    const auto next = TRY(control.receive(5s));
    if (!next) return fail(Blame::environment, "nobody received the next reading");
    paper_.good("control read", std::string(as_text(next->payload)));
    const auto left = TRY(leaver.receive(500ms));
    left ? paper_.bad("leaver read", as_text(left->payload)) : paper_.good("leaver read", "nothing more");
    return {};
  }

 private:
  Result<> start() {
    server::Configuration configuration;
    configuration.listeners = {{"127.0.0.1", 0}};
    configuration.threads = 1;
    configuration.topics = {{"#", {"plain"}, {"plain"}}};  // to this broker they are bytes like any
    broker_ = TRY(server::BrokerServer::start(configuration, server::make_volatile_parts(1, random_), random_, log_));
    wire_ = TRY(Eavesdropper::start(TRY(net::parse_url(broker_->urls().front())).port));
    return {};
  }

  /// A new key for all members but one, retained on their topic. Former keys are let go.
  Result<> deal(std::string_view without) {
    const Now now = server::system_now();
    std::erase_if(members_, [&](const auto& member) { return member.identity.name == without; });
    payload::Dealt dealt{std::string(filter), {}};
    dealt.keys.push_back(make_topic_key(filter, TopicKey::Kind::symmetric, TopicKey::Form::inside, TopicKey::Cipher::aes128_gcm,
                                        now, 3600, administrator_->identity(), random_));
    dealt.keys.back().members = members_;
    const auto on =
        payload::dealing_topic(payload::default_key_prefix, administrator_->identity(), filter, payload::Deal::readers);
    const auto container = TRY(payload::deal(dealt, true, on, *administrator_, ++dealt_, now, random_));
    Client client = TRY(Client::connect(through_the_wire()));
    TRY(client.publish(on, *container, {.qos = mqtt::QoS::at_least_once, .retain = true}));
    return client.disconnect();
  }

  ConnectOptions through_the_wire() const {
    ConnectOptions options;
    options.host = "127.0.0.1";
    options.port = wire_->port();
    return options;
  }
  Result<Client> connect(std::unique_ptr<KeyStore> keys) {
    ConnectOptions options = through_the_wire();
    options.scheme = scheme_name;
    const bool is_control = keys->identity().name == "control";
    options.key = std::move(keys);
    options.topic_key_store = make_memory_topic_keys(random_);
    TRY(options.topic_key_store->trust(administrator_->identity()));
    if (is_control)
      options.on_refused = [this](const RefusedMessage& refused) {
        const std::lock_guard lock(mutex_);
        refused_ = refused.why;
      };
    return Client::connect(std::move(options));
  }

  std::string take_refusal() {
    const std::lock_guard lock(mutex_);
    return std::exchange(refused_, {});
  }
  Result<> attack(std::string_view name, Client& attacker, Client& reader, std::string_view on, Bytes container) {
    (void)take_refusal();
    TRY(attacker.publish(on, container, {.qos = mqtt::QoS::at_least_once}));
    const auto end = std::chrono::steady_clock::now() + patience;
    std::string why;
    while (why.empty() && std::chrono::steady_clock::now() < end) {
      if (const auto arrived = TRY(reader.receive(20ms))) {
        paper_.bad(name, "control read: " + std::string(as_text(arrived->payload)));
        return {};
      }
      why = take_refusal();
    }
    paper_.good(name, why.empty() ? "dropped" : why);
    return {};
  }

  Paper& paper_;
  crypto::OsRandom random_;
  NoLog log_;
  std::unique_ptr<KeyStore> administrator_ = make_memory_keys("admin", Kind::person, random_);
  std::vector<TopicKey::Member> members_;
  std::uint64_t dealt_ = 0;
  std::mutex mutex_;
  std::string refused_;
  std::unique_ptr<server::BrokerServer> broker_;
  std::unique_ptr<Eavesdropper> wire_;
};

}  // namespace

Result<> show_payload(Paper& paper) {
  return Plant(paper).show();
}

}  // namespace sealmq::cli
