#include "cli/demo_partners.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>

#include "base/text.h"
#include "cli/eavesdropper.h"
#include "crypto/random.h"
#include "net/url.h"
#include "sealmq/client.h"
#include "sealmq/scheme.h"
#include "server/broker_server.h"
#include "server/clock.h"

namespace sealmq::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view scheme_name = "pmqtt";
constexpr std::string_view wire_topic = "pmqtt/e2e/patient1/dr.house/vitals";
constexpr std::string_view vitals = "pulse 72, oxygen 98 %";
constexpr auto patience = 1s;  // in which a refusal would arrive on the loopback interface

class NoLog final : public server::Log {
 public:
  void write(server::Severity, std::string_view) override {}
};

/// What an end has refused; told by the thread of its connection.
class Refusals {
 public:
  void add(const std::string& why) {
    const std::lock_guard lock(mutex_);
    last_ = why;
  }
  std::string take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(last_, {});
  }

 private:
  std::mutex mutex_;
  std::string last_;
};

class Ward {
 public:
  explicit Ward(Paper& paper) : paper_(paper) {}

  Result<> show() {
    const SchemeInfo& scheme = *find_scheme(scheme_name)->info;
    paper_.title(std::string(scheme.name) + ": " + std::string(scheme.title));
    TRY(start());
    auto patient_keys = make_memory_keys("patient1", Kind::device, random_);
    auto doctor_keys = make_memory_keys("dr.house", Kind::person, random_);
    const PublicIdentity patient_public = patient_keys->identity();
    const PublicIdentity doctor_public = doctor_keys->identity();
    Client doctor = TRY(connect(std::move(doctor_keys), patient_public));
    TRY(doctor.subscribe("vitals"));
    Client patient = TRY(connect(std::move(patient_keys), doctor_public));
    // It ends when the doctor's application has the message, so somebody else must wait for it.
    auto published =
        std::async(std::launch::async, [&] { return patient.publish("vitals", vitals, {.qos = mqtt::QoS::at_least_once}); });
    paper_.row("patient1 sent", "vitals  " + std::string(vitals));
    const auto message = TRY(doctor.receive(5s));
    TRY(published.get());
    if (!message) return fail(Blame::environment, "the doctor received nothing");
    paper_.row("dr.house read",
               std::string(as_text(message->payload)) + "  from " + message->author + " (" + message->checked + ")");
    paper_.good("patient1 knows", "dr.house has it; the broker's word alone would not do");
    tell_what_the_wire_showed();

    const auto captured = wire_->published(wire_topic);
    if (!captured) return fail(Blame::environment, "the eavesdropper saw no message");
    Buffer changed = *captured;
    changed.back() ^= 1;
    Client attacker = TRY(Client::connect(through_the_wire()));
    TRY(attack("changed on the way", attacker, doctor, wire_topic, changed));
    TRY(attack("sent again", attacker, doctor, wire_topic, *captured));
    TRY(attack("moved to another topic", attacker, doctor, std::string(wire_topic) + "/dose", *captured));
    auto offer = wire_->published("pmqtt/kx/patient1/dr.house");
    if (!offer) return fail(Blame::environment, "the eavesdropper saw no key");
    (*offer)[43] ^= 1;  // in the middle of the point
    TRY(attack("a key put in its place", attacker, doctor, "pmqtt/kx/patient1/dr.house", *offer));
    TRY(patient.disconnect());
    return doctor.disconnect();
  }

 private:
  Result<> start() {
    server::Configuration configuration;
    configuration.listeners = {{"127.0.0.1", 0}};
    configuration.threads = 1;
    configuration.topics = {{"pmqtt/#", {"plain"}, {"plain"}}};  // to this broker they are bytes like any
    broker_ = TRY(server::BrokerServer::start(configuration, server::make_volatile_parts(1, random_), random_, log_));
    wire_ = TRY(Eavesdropper::start(TRY(net::parse_url(broker_->urls().front())).port));
    return {};
  }

  ConnectOptions through_the_wire() const {
    ConnectOptions options;
    options.host = "127.0.0.1";
    options.port = wire_->port();
    return options;
  }
  Result<Client> connect(std::unique_ptr<KeyStore> keys, const PublicIdentity& partner) {
    ConnectOptions options = through_the_wire();
    options.scheme = scheme_name;
    options.key = std::move(keys);
    options.peers = {partner};
    options.on_refused = [this](const RefusedMessage& refused) { refusals_.add(refused.why); };
    return Client::connect(std::move(options));
  }

  void tell_what_the_wire_showed() const {
    const Buffer all = wire_->everything();
    const auto shows = [&](std::string_view text) {
      return std::search(all.begin(), all.end(), text.begin(), text.end()) != all.end();
    };
    shows(vitals) ? paper_.bad("the broker could read", "the message") : paper_.good("the broker could not read", "the message");
    paper_.row("but it saw", std::string(wire_topic));
  }

  Result<> attack(std::string_view name, Client& attacker, Client& doctor, std::string_view topic, Bytes payload) {
    (void)refusals_.take();
    TRY(attacker.publish(topic, payload, {.qos = mqtt::QoS::at_least_once}));
    const auto end = std::chrono::steady_clock::now() + patience;
    std::string why;
    while (why.empty() && std::chrono::steady_clock::now() < end) {
      if (const auto arrived = TRY(doctor.receive(20ms))) {
        paper_.bad(name, "dr.house read: " + std::string(as_text(arrived->payload)));
        return {};
      }
      why = refusals_.take();
    }
    paper_.good(name, why.empty() ? "dropped" : "dr.house is told: " + why);
    return {};
  }

  Paper& paper_;
  crypto::OsRandom random_;
  NoLog log_;
  Refusals refusals_;
  std::unique_ptr<server::BrokerServer> broker_;
  std::unique_ptr<Eavesdropper> wire_;
};

}  // namespace

Result<> show_partners(Paper& paper) {
  return Ward(paper).show();
}

}  // namespace sealmq::cli
