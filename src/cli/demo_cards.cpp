#include "cli/demo_cards.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "cli/broker_progress.h"
#include "cli/eavesdropper.h"
#include "cli/passing_folder.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "keystore/card_applet.h"
#include "keystore/card_keys.h"
#include "net/url.h"
#include "sealmq/client.h"
#include "sealmq/scheme.h"
#include "server/broker_server.h"
#include "server/clock.h"

namespace sealmq::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view topic = "cards/temperature", card_uid = "CLIENTE1", panel_uid = "PANEL001";

class NoLog final : public server::Log {
 public:
  void write(server::Severity, std::string_view) override {}
};

class NoSequence final : public SequenceCounter {
 public:
  Result<std::uint64_t> next() override { return fail(Blame::caller_misused, "nothing here counts messages"); }
};

/// A card in a reader. One thread.
class Reader {
 public:
  static Result<std::shared_ptr<Reader>> with_card(const std::string& folder, Random& random) {
    return std::make_shared<Reader>(TRY(card::CardApplet::open(folder, random)));
  }
  explicit Reader(card::CardApplet applet) : applet_(std::move(applet)) {}

  Result<Buffer> process(Bytes command) {
    if (is_pulled_out_) return fail(Blame::environment, "there is no card in the reader");
    ++commands_;
    return applet_.process(command);
  }
  void pull_out() { is_pulled_out_ = true; }
  std::size_t commands() const { return commands_; }

 private:
  card::CardApplet applet_;
  std::atomic<bool> is_pulled_out_ = false;
  std::atomic<std::size_t> commands_ = 0;
};

card::OpenChannel channels_to(const std::shared_ptr<Reader>& reader) {
  class Channel final : public card::CardChannel {
   public:
    explicit Channel(std::shared_ptr<Reader> reader) : reader_(std::move(reader)) {}
    Result<Buffer> transmit(Bytes command) override { return reader_->process(command); }

   private:
    std::shared_ptr<Reader> reader_;
  };
  return [reader](bool) -> Result<std::unique_ptr<card::CardChannel>> { return std::make_unique<Channel>(reader); };
}

class CardScene {
 public:
  explicit CardScene(Paper& paper) : paper_(paper) {}

  Result<> show() {
    paper_.title("scacauth: " + std::string(find_scheme("scacauth")->info->title));
    folder_.emplace(TRY(PassingFolder::make()));
    reader_ = TRY(Reader::with_card(*folder_ / "card", random_));
    const auto on_card = TRY(create_card_keys(channels_to(reader_), "the card", card_uid, Kind::device, {}));
    paper_.row("the card", "simulated; it made its keys itself, and gives away none");
    panel_keys_ = make_memory_keys(panel_uid, Kind::service, random_, crypto::rsa::usual_bits);
    TRY(start(on_card));
    TRY(speak("scacauth", "21C"));
    paper_.title("scacauth@paper: " + std::string(find_scheme("scacauth@paper")->info->title));
    TRY(speak("scacauth@paper", "22C"));
    paper_.title("a card that is lost");
    return lose();
  }

 private:
  Result<> start(const PublicIdentity& on_card) {
    server::Configuration configuration;
    configuration.listeners = {{"127.0.0.1", 0}};
    configuration.listeners.front().insecure_channel = true;  // for the paper profile
    configuration.threads = 1;
    configuration.topics = {{"cards/#", {"scacauth", "scacauth@paper"}, {"scacauth", "scacauth@paper"}}};
    auto parts = server::make_volatile_parts(1, random_, crypto::rsa::usual_bits);
    pinned_ = broker_identity(parts.keys.front()->identity());
    for (const PublicIdentity& known : {on_card, panel_keys_->identity()}) {
      Identity identity;
      static_cast<PublicIdentity&>(identity) = known;
      identity.publish = identity.subscribe = {"cards/#"};
      identity.schemes = {"scacauth", "scacauth@paper"};
      TRY(parts.registry->add(identity));
    }
    broker_ = TRY(server::BrokerServer::start(configuration, std::move(parts), random_, log_));
    wire_ = TRY(Eavesdropper::start(TRY(net::parse_url(broker_->urls().front())).port));
    return {};
  }

  Result<Client> connect(std::string_view scheme, std::unique_ptr<KeyStore> keys) {
    ConnectOptions options;
    options.host = "127.0.0.1";
    options.port = wire_->port();
    options.scheme = scheme;
    options.key = std::move(keys);
    options.broker = pinned_;
    return Client::connect(std::move(options));
  }
  Result<Client> connect_card(std::string_view scheme) {
    const auto no_sequence = [](const std::string&) -> std::unique_ptr<SequenceCounter> {
      return std::make_unique<NoSequence>();
    };
    return connect(scheme, TRY(open_card_keys(channels_to(reader_), "the card", std::nullopt, no_sequence, {})));
  }

  Result<> speak(std::string_view scheme, std::string_view text) {
    Client panel = TRY(connect("scacauth", TRY(panel_keys())));
    TRY(panel.subscribe(topic, {.qos = mqtt::QoS::exactly_once}));
    wire_->clear();
    const std::size_t before = reader_->commands();
    Client card = TRY(connect_card(scheme));
    TRY(card.publish(topic, text, {.qos = mqtt::QoS::exactly_once}));
    paper_.row(std::string(card_uid) + " sent", std::string(topic) + "  " + std::string(text));
    const auto message = TRY(panel.receive(5s));
    if (!message) return fail(Blame::environment, "the panel received nothing");
    paper_.row("the panel read", as_text(message->payload));
    paper_.row("the card was asked", std::to_string(reader_->commands() - before) + " things");
    const Buffer all = wire_->everything();
    for (const auto& [what, secret] : {std::pair("the message", text), std::pair("the topic", topic)}) {
      const bool shown = std::search(all.begin(), all.end(), secret.begin(), secret.end()) != all.end();
      shown ? paper_.bad("the wire showed", what) : paper_.good("the wire did not show", what);
    }
    TRY(card.disconnect());
    return panel.disconnect();
  }

  /// The panel's keys are in this process, and each connection wants some of its own.
  Result<std::unique_ptr<KeyStore>> panel_keys() {
    class Borrowed final : public KeyStore {
     public:
      explicit Borrowed(KeyStore& keys) : keys_(keys) {}
      const PublicIdentity& identity() const override { return keys_.identity(); }
      Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes> elements) override {
        return keys_.sign_schnorr(elements);
      }
      Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes message) override { return keys_.sign_ecdsa(message); }
      Result<Secret> agree(const std::array<std::uint8_t, 33>& peer) override { return keys_.agree(peer); }
      SequenceCounter& sequence() override { return keys_.sequence(); }

     private:
      KeyStore& keys_;
    };
    return std::make_unique<Borrowed>(*panel_keys_);
  }

  Result<> lose() {
    Client card = TRY(connect_card("scacauth"));
    auto order = TRY(broker_->registry().revoke(card_uid, "lost", server::system_now().wall));
    TRY(wait_for_brokers(broker_->registry(), order));
    const auto next = card.publish(topic, std::string_view("23C"), {.qos = mqtt::QoS::at_least_once});
    next ? paper_.bad("revoked", "its message was taken") : paper_.good("revoked", next.error().what);
    const auto again = connect_card("scacauth");
    again ? paper_.bad("logs in again", "yes") : paper_.good("logs in again", again.error().what);
    reader_->pull_out();
    const auto without = connect_card("scacauth");
    without ? paper_.bad("without the card", "yes") : paper_.good("without the card", without.error().what);
    return {};
  }

  Paper& paper_;
  crypto::OsRandom random_;
  NoLog log_;
  std::optional<PassingFolder> folder_;
  std::shared_ptr<Reader> reader_;
  std::unique_ptr<KeyStore> panel_keys_;
  BrokerIdentity pinned_;
  std::unique_ptr<server::BrokerServer> broker_;
  std::unique_ptr<Eavesdropper> wire_;
};

}  // namespace

Result<> show_cards(Paper& paper) {
  return CardScene(paper).show();
}

}  // namespace sealmq::cli
