#include "server/bridge.h"

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <random>

#include "base/text.h"
#include "base/try.h"
#include "keystore/file_access.h"
#include "net/tls_psk.h"
#include "sealmq/async_client.h"
#include "server/bridge_rules.h"
#include "server/clock.h"

namespace sealmq::server {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using mqtt::QoS;
using mqtt::Reason;
using std::chrono::milliseconds;

constexpr milliseconds shortest_pause{1000};
constexpr milliseconds longest_pause{60'000};
constexpr std::chrono::seconds session_kept{7 * 86400};
constexpr std::size_t most_unprotected = 1000;  // QoS 0 messages on their way at once; QoS 1 and 2 are bounded by Receive Maximum
constexpr std::uint64_t quiet_after_refusal = 10'000;  // steady milliseconds

mqtt::Version version_of(std::string_view text) {
  return text == "5" ? mqtt::Version::v5 : text == "3.1" ? mqtt::Version::v3_1 : mqtt::Version::v3_1_1;
}

bool has_code(const Error& error, Reason reason) {
  return error.code == static_cast<std::uint8_t>(reason);
}

class TwoClients final : public Bridge, public std::enable_shared_from_this<TwoClients> {
 public:
  TwoClients(asio::io_context& loop, const BridgeSettings& settings, std::string id, Secret password, TlsOptions tls,
             std::function<Result<int>()> open_local, Log& log)
      : loop_(loop),
        settings_(settings),
        id_(std::move(id)),
        password_(std::move(password)),
        tls_(std::move(tls)),
        open_local_(std::move(open_local)),
        log_(log) {
    state_.name = settings.name;
    local_.is_local = true;
    remote_.is_v5 = settings.version == "5";
  }

  void start() override {
    asio::co_spawn(loop_, run(shared_from_this(), local_, remote_), asio::detached);
    asio::co_spawn(loop_, run(shared_from_this(), remote_, local_), asio::detached);
  }

  void stop() override {
    stopping_ = true;
    room_.cancel();
    for (Side* side : {&local_, &remote_}) {
      side->pause.cancel();
      wake(*side);
      if (side->client) asio::co_spawn(loop_, say_goodbye(shared_from_this(), *side), asio::detached);
    }
  }

  BridgeState state() const override {
    BridgeState state = state_;
    state.local_connected = local_.connected;
    state.remote_connected = remote_.connected;
    return state;
  }

 private:
  /// The session with one of the two brokers.
  struct Side {
    explicit Side(asio::io_context& loop) : pause(loop) {}
    bool is_local = false;
    bool is_v5 = true;
    std::optional<AsyncClient> client;  // from the first connection on
    std::uint64_t client_number = 0;    // how many there were: a receipt is of one of them
    bool connected = false;
    bool subscribed = false;       // once, in this process
    std::uint64_t connection = 0;  // how many there were
    bool in_trouble = false;       // which has been told
    asio::steady_timer pause;
    std::vector<std::shared_ptr<asio::steady_timer>> waiting;  // for a connection, in their order
  };

  using Self = std::shared_ptr<TwoClients>;

  // Every coroutine holds `self`, which keeps this alive until it ends.

  static awaitable<void> run(Self self, Side& from, Side& to) { co_await self->serve(from, to); }

  awaitable<void> serve(Side& from, Side& to) {
    milliseconds pause = shortest_pause;
    while (!stopping_) {
      Result<> connected = co_await connect(from);
      if (connected && !stopping_) connected = co_await subscribe(from);
      if (stopping_) break;
      if (connected && !from.is_local) connected = co_await tell_state(from, "1");
      if (stopping_) break;
      if (connected) {
        pause = shortest_pause;
        tell_connected(from);
        connected = co_await pass_on_all(from, to);
        from.connected = false;
        if (stopping_) break;
      }
      tell_trouble(from, connected.error());
      co_await wait(from, pause);
      pause = std::min(pause * 2, longest_pause);
    }
  }

  awaitable<Result<>> connect(Side& side) {
    if (side.client) {
      auto again = co_await side.client->reconnect();
      if (!again) next_address(side);
      co_return again;
    }
    auto client = co_await AsyncClient::connect(options_for(side));
    if (!client) {
      next_address(side);
      co_return Failure(std::move(client).error());
    }
    side.client.emplace(*std::move(client));
    ++side.client_number;
    co_return Result<>{};
  }

  /// What is under way begins anew there; whoever waits for an answer tries again.
  void next_address(Side& side) {
    if (side.is_local || settings_.other_urls.empty() || stopping_) return;
    address_ = (address_ + 1) % (1 + settings_.other_urls.size());
    side.client.reset();
    side.subscribed = false;
  }

  ConnectOptions options_for(const Side& side) const {
    ConnectOptions options;
    options.clean_start = false;
    if (side.is_v5) options.session_expiry = session_kept;
    options.acknowledge_later = true;
    options.publish_across_connections = true;
    if (side.is_local) {
      options.client_id = std::string(broker::own_names) + "bridge-" + settings_.name;
      options.open_socket = open_local_;
      return options;
    }
    options.url = address_ == 0 ? settings_.url : settings_.other_urls[address_ - 1];
    options.tls = tls_;
    options.client_id = settings_.client_id;
    options.version = version_of(settings_.version);
    options.keep_alive = std::chrono::seconds(settings_.keep_alive);
    options.user_name = settings_.user;
    options.password = Secret(password_.reveal());
    if (settings_.clean_start) {
      options.clean_start = true;
      options.session_expiry = {};
    }
    if (!settings_.state_topic.empty())
      options.will = WillMessage{
          .topic = settings_.state_topic, .payload = to_buffer(as_bytes("0")), .qos = QoS::at_least_once, .retain = true};
    return options;
  }

  /// With QoS 0, which waits for no answer: either it comes, or the connection ends and the Will tells.
  awaitable<Result<>> tell_state(Side& side, std::string_view state) {
    if (settings_.state_topic.empty()) co_return Result<>{};
    const PublishOptions options{.retain = true};
    co_return co_await side.client->publish(settings_.state_topic, state, options);
  }

  awaitable<Result<>> subscribe(Side& side) {
    const bool is_known = side.subscribed && side.client->session_present();
    if (is_known) co_return Result<>{};
    SubscribeOptions options;
    if (side.is_v5) options = {.no_local = true, .retain_as_published = true, .retained = RetainedMessages::send_if_new};
    for (const auto& [filter, qos] :
         side.is_local ? local_subscriptions(settings_.topics) : remote_subscriptions(settings_.topics)) {
      options.qos = qos;
      auto granted = co_await side.client->subscribe(filter, options);
      if (!granted) co_return fail(granted.error().blame, granted.error().what + ": " + printable(filter), granted.error().code);
    }
    side.subscribed = true;
    co_return Result<>{};
  }

  /// Until the connection is over.
  awaitable<Result<>> pass_on_all(Side& from, Side& to) {
    from.connected = true;
    ++from.connection;
    wake(from);
    for (;;) {
      auto message = co_await from.client->receive();
      if (!message) co_return Failure(std::move(message).error());
      if (stopping_) co_return fail(Blame::environment, "the bridge is being closed");
      while (message->qos == QoS::at_most_once && unprotected_ >= most_unprotected && !stopping_) co_await until_room();
      asio::co_spawn(loop_, pass_on(shared_from_this(), from, to, *std::move(message)), asio::detached);
    }
  }

  static awaitable<void> pass_on(Self self, Side& from, Side& to, ReceivedMessage message) {
    const std::uint64_t client_number = from.client_number;
    const bool is_unprotected = message.qos == QoS::at_most_once;
    self->unprotected_ += is_unprotected ? 1 : 0;
    const bool settled = co_await self->hand_over(to, message);
    self->unprotected_ -= is_unprotected ? 1 : 0;
    if (is_unprotected) self->room_.cancel();
    const bool is_same = from.client && from.client_number == client_number;
    if (settled && message.receipt != 0 && is_same && !self->stopping_) from.client->acknowledge(message.receipt);
  }

  /// True when the other broker has the message, or it need not get it; false if the bridge ends before.
  awaitable<bool> hand_over(Side& to, const ReceivedMessage& message) {
    const auto target = to.is_local ? to_local(settings_.topics, message.topic) : to_remote(settings_.topics, message.topic);
    if (!target) co_return true;  // by a subscription of former days
    if (target->is_reserved()) {
      tell_refused(to, Error{Blame::peer_misbehaved, "it would come to a topic under $, which no row names"});
      co_return true;
    }
    auto properties = cross(message.user_properties, id_);
    if (!properties || (to.is_local && !remote_.is_v5 && echoes_.is_one(message.topic, message.payload, system_now().steady))) {
      ++state_.loops;
      co_return true;
    }
    PublishOptions options;
    options.qos = std::min(message.qos, target->qos);
    options.retain = message.retain;
    if (to.is_v5) {
      options.user_properties = *std::move(properties);
      options.properties = message.properties;
    }
    const bool comes_back = !to.is_local && !to.is_v5 && to_local(settings_.topics, target->topic).has_value();
    if (comes_back) echoes_.expect(target->topic, message.payload, system_now().steady);

    while (!stopping_) {
      if (!to.connected) {
        if (options.qos == QoS::at_most_once) {
          ++state_.lost;
          co_return true;
        }
        co_await until_connected(to);  // or a moment
        continue;
      }
      const std::uint64_t connection = to.connection;
      Result<> published = co_await to.client->publish(target->topic, message.payload, options);
      if (stopping_) break;
      if (published) {
        ++(to.is_local ? state_.messages_in : state_.messages_out);
        co_return true;
      }
      const Error& error = published.error();
      if (has_code(error, Reason::qos_not_supported) && options.qos != QoS::at_most_once) {
        options.qos = static_cast<QoS>(static_cast<std::uint8_t>(options.qos) - 1);
      } else if (has_code(error, Reason::retain_not_supported) && options.retain) {
        options.retain = false;
      } else if (error.blame == Blame::environment || connection != to.connection || !to.connected) {
        if (options.qos == QoS::at_most_once) {
          ++state_.lost;
          co_return true;
        }
        if (connection == to.connection) co_await until_connected(to);  // its end is noticed by whoever reads from it
      } else {
        tell_refused(to, error);
        co_return true;
      }
    }
    co_return false;
  }

  /// Until the next connection, or for a second. Those who wait go on in the order in which they came.
  awaitable<void> until_connected(Side& side) {
    auto signal = std::make_shared<asio::steady_timer>(loop_, std::chrono::seconds(1));
    side.waiting.push_back(signal);
    boost::system::error_code ignored;
    co_await signal->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    std::erase(side.waiting, signal);
  }

  /// Whoever sends is slowed by not being read; what is retained there comes later, and nothing is lost here.
  awaitable<void> until_room() {
    room_.expires_at(std::chrono::steady_clock::time_point::max());
    boost::system::error_code ignored;
    co_await room_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  void wake(Side& side) {
    for (const auto& signal : std::exchange(side.waiting, {})) signal->cancel();
  }

  /// Between half of it and all of it, so that many bridges do not come back at the same moment.
  awaitable<void> wait(Side& side, milliseconds at_most) {
    std::uniform_int_distribution<milliseconds::rep> distribution(at_most.count() / 2, at_most.count());
    side.pause.expires_after(milliseconds(distribution(jitter_)));
    boost::system::error_code ignored;
    co_await side.pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  static awaitable<void> say_goodbye(Self self, Side& side) {
    if (!side.is_local && side.connected) (void)co_await self->tell_state(side, "0");
    if (side.client) (void)co_await side.client->disconnect();
    side.client.reset();  // and whoever waits for an answer gets one
  }

  // -- the log

  std::string name_of(const Side& side) const {
    return "bridge " + settings_.name + (side.is_local ? ", this side" : ", other side");
  }
  void tell(Severity severity, std::string_view event, const Side& side, const std::string& text) const {
    const LogField fields[] = {{"bridge", settings_.name}, {"side", side.is_local ? "local" : "remote"}};
    log_.event(severity, event, fields, name_of(side) + ": " + text);
  }
  void tell_connected(Side& side) {
    side.in_trouble = false;
    tell(Severity::info, "bridge connected", side,
         side.client->session_present() ? "connected, goes on with its session" : "connected");
  }
  void tell_trouble(Side& side, const Error& error) {
    if (std::exchange(side.in_trouble, true)) return;
    tell(Severity::warning, "bridge trouble", side, printable(error.what, 200) + "; tries again");
  }
  void tell_refused(const Side& to, const Error& error) {
    ++state_.refused;
    const std::uint64_t now = system_now().steady;
    if (now < quiet_until_) return;
    quiet_until_ = now + quiet_after_refusal;
    tell(Severity::warning, "bridge refused", to, printable(error.what, 200));
  }

  asio::io_context& loop_;
  const BridgeSettings settings_;
  const std::string id_;
  const Secret password_;
  const TlsOptions tls_;
  const std::function<Result<int>()> open_local_;
  Log& log_;
  Side local_{loop_};
  Side remote_{loop_};
  Echoes echoes_;
  BridgeState state_;
  std::size_t address_ = 0;  // of the other broker: its url, then the others
  std::size_t unprotected_ = 0;
  asio::steady_timer room_{loop_};  // for more of them
  std::uint64_t quiet_until_ = 0;
  bool stopping_ = false;
  std::minstd_rand jitter_{std::random_device{}()};
};

/// What its owner holds; the coroutines may live a little longer.
class SharedBridge final : public Bridge {
 public:
  explicit SharedBridge(std::shared_ptr<TwoClients> clients) : clients_(std::move(clients)) {}
  void start() override { clients_->start(); }
  void stop() override { clients_->stop(); }
  BridgeState state() const override { return clients_->state(); }

 private:
  std::shared_ptr<TwoClients> clients_;
};

}  // namespace

Result<std::unique_ptr<Bridge>> Bridge::make(asio::io_context& loop, const BridgeSettings& settings, std::string_view broker,
                                             std::function<Result<int>()> open_local, Log& log) {
  Secret password;
  if (!settings.password_file.empty()) {
    const Secret content = TRY(read_mounted_file(settings.password_file, wants_password));
    std::string_view text = as_text(content.reveal());
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    password = Secret(as_bytes(text));
  }
  TlsOptions tls{
      .ca_file = settings.cafile, .cert = settings.cert, .key = settings.key, .pins = settings.pins, .alpn = settings.alpn};
  if (!settings.psk_file.empty()) {
    const auto lines = TRY(net::read_psk_lines(settings.psk_file));
    tls.psk = to_hex(lines.front().key.reveal());
    tls.psk_identity = lines.front().identity;
    tls.psk_is_raw = lines.front().raw;
  }
  std::string id = std::string(broker) + "/" + settings.name;
  return std::make_unique<SharedBridge>(std::make_shared<TwoClients>(loop, settings, std::move(id), std::move(password),
                                                                     std::move(tls), std::move(open_local), log));
}

}  // namespace sealmq::server
