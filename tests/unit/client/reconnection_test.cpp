// A client that connects again by itself, packet for packet: what it asks of the new connection first, and whom it answers
// meanwhile. The test plays the broker.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "base/descriptor.h"
#include "mqtt/packet.h"
#include "sealmq/async_client.h"

namespace sealmq {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;

constexpr auto patience = 10s;
constexpr auto timeout = 1s;  // of the client, for each answer

/// The broker's end of one connection.
class BrokerEnd {
 public:
  explicit BrokerEnd(int socket) : socket_(socket) {}

  /// What has come; views stay good until the next call.
  std::optional<mqtt::Packet> next() {
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(read_));
    read_ = 0;
    std::array<std::uint8_t, 4096> space{};
    for (ssize_t size = 0; (size = ::recv(socket_.number(), space.data(), space.size(), MSG_DONTWAIT)) > 0;)
      append(in_, Bytes(space).first(static_cast<std::size_t>(size)));
    const auto header = mqtt::decode_header(in_, Version::v5);
    if (!header || !*header || in_.size() < (*header)->size + (*header)->remaining) return {};
    read_ = (*header)->size + (*header)->remaining;
    return mqtt::decode(**header, Bytes(in_).subspan((*header)->size, (*header)->remaining), Version::v5).value();
  }
  void send(const mqtt::Packet& packet) {
    Buffer out;
    mqtt::encode(packet, Version::v5, out);
    ASSERT_EQ(::send(socket_.number(), out.data(), out.size(), MSG_NOSIGNAL), static_cast<ssize_t>(out.size()));
  }

 private:
  Descriptor socket_;
  Buffer in_;
  std::size_t read_ = 0;
};

class Reconnection : public ::testing::Test {
 protected:
  /// What a call answers, once it does.
  template <class T>
  using Pending = std::shared_ptr<std::optional<T>>;

  ~Reconnection() override {
    client_.reset();
    ends_.clear();
    loop_.run_for(patience);
    EXPECT_TRUE(loop_.stopped()) << "something goes on";
  }

  template <class T>
  Pending<T> begin(asio::awaitable<T> call) {
    auto pending = std::make_shared<std::optional<T>>();
    asio::co_spawn(loop_, keep(std::move(call), pending), asio::detached);
    return pending;
  }
  template <class Condition>
  bool run_until(const Condition& holds) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      loop_.restart();
      loop_.run_one_for(1ms);
    }
    return true;
  }
  void run_for(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    run_until([&] { return std::chrono::steady_clock::now() >= end; });
  }
  /// What is at work has been done; nothing that waits for time.
  void settle() {
    loop_.restart();
    while (loop_.poll() > 0) loop_.restart();
  }

  /// The next packet on the newest connection.
  template <class Packet>
  Packet next() {
    std::optional<mqtt::Packet> packet;
    EXPECT_TRUE(run_until([&] { return !ends_.empty() && (packet = ends_.back()->next()); })) << "nothing was sent";
    if (packet && std::holds_alternative<Packet>(*packet)) return std::get<Packet>(*packet);
    ADD_FAILURE() << "another packet was sent, number " << (packet ? packet->index() : 0);
    return {};
  }
  bool nothing_more() {
    settle();
    return !ends_.back()->next();
  }
  void send(const mqtt::Packet& packet) { ends_.back()->send(packet); }
  void grant(std::uint16_t packet_id, Reason reason = Reason::granted_qos_1) {
    mqtt::Suback suback;
    suback.packet_id = packet_id;
    suback.reasons = {reason};
    send(suback);
  }
  /// Expects SUBSCRIBE of this filter; answers its packet identifier.
  std::uint16_t subscribe_of(std::string_view filter) {
    const auto subscribe = next<mqtt::Subscribe>();
    EXPECT_EQ(subscribe.entries.size(), 1u);
    EXPECT_EQ(subscribe.entries.empty() ? "" : subscribe.entries.front().filter, filter);
    return subscribe.packet_id;
  }
  /// Waits for a connection after this one, and for its CONNECT.
  void next_connection() {
    const std::size_t before = connections_;
    if (!ends_.empty()) ends_.pop_back();
    EXPECT_TRUE(run_until([&] { return connections_ > before; })) << "it does not come back";
    next<mqtt::Connect>();
  }
  /// The same, where the client closes this one itself.
  void next_connection_by_the_client() {
    const std::size_t before = connections_;
    EXPECT_TRUE(run_until([&] { return connections_ > before; })) << "it does not try another one";
    next<mqtt::Connect>();
  }
  void connack(bool session_present) { send(mqtt::Connack{session_present, Reason::success, {}}); }

  /// With these subscriptions.
  void connect(std::initializer_list<std::string_view> filters, std::chrono::milliseconds longest_delay = 1ms) {
    ConnectOptions options;
    options.client_id = "c";
    options.clean_start = false;
    options.session_expiry = 60s;
    options.timeout = timeout;
    options.reconnect = true;
    options.reconnect_delay = 1ms;
    options.longest_reconnect_delay = longest_delay;
    options.on_connection = [this](const Result<>& result) {
      is_restored_ = result.has_value();
      if (!result) trouble_ = result.error();
    };
    options.on_refused = [this](const RefusedMessage& refused) { refused_.push_back(refused.topic); };
    options.open_socket = [this]() -> Result<int> {
      tries_.push_back(std::chrono::steady_clock::now());
      if (is_gone_) return fail(Blame::environment, "nobody is there");
      std::array<int, 2> pair{};
      EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
      ends_.push_back(std::make_unique<BrokerEnd>(pair[0]));
      ++connections_;
      return pair[1];
    };
    auto connected = begin(AsyncClient::connect(std::move(options)));
    next<mqtt::Connect>();
    connack(false);
    ASSERT_TRUE(run_until([&] { return connected->has_value(); }));
    ASSERT_TRUE(**connected);
    client_.emplace(*std::move(**connected));
    for (const auto filter : filters) {
      auto granted = begin(client_->subscribe(filter, QoS::at_least_once));
      grant(subscribe_of(filter));
      ASSERT_TRUE(run_until([&] { return granted->has_value(); }));
      ASSERT_TRUE(**granted);
    }
  }
  /// Nothing is under way any more, and no time is waited for.
  bool has_ended() {
    loop_.restart();
    loop_.run_for(patience);
    return loop_.stopped();
  }
  bool is_restored() {
    return run_until([&] { return is_restored_; });
  }

  asio::io_context loop_;
  std::vector<std::unique_ptr<BrokerEnd>> ends_;
  std::size_t connections_ = 0;
  bool is_restored_ = false;
  bool is_gone_ = false;  // the broker
  Error trouble_;         // the last that on_connection() was given
  std::vector<std::string> refused_;
  std::vector<std::chrono::steady_clock::time_point> tries_;
  std::optional<AsyncClient> client_;

 private:
  template <class T>
  static asio::awaitable<void> keep(asio::awaitable<T> call, Pending<T> pending) {
    pending->emplace(co_await std::move(call));
  }
};

TEST_F(Reconnection, WhatItsSessionLacksIsSubscribedAlsoWhereTheBrokerHasKeptTheSession) {
  connect({"a", "b"});
  next_connection();
  connack(false);
  grant(subscribe_of("a"));
  subscribe_of("b");  // and no answer
  next_connection();
  connack(true);
  grant(subscribe_of("a"));
  grant(subscribe_of("b"));
  EXPECT_TRUE(is_restored());
  // Then the session is whole.
  is_restored_ = false;
  next_connection();
  connack(true);
  EXPECT_TRUE(is_restored());
  EXPECT_TRUE(nothing_more());
}

TEST_F(Reconnection, ASubscriptionThatIsNotAnsweredIsTriedOnAnotherConnection) {
  connect({"a"});
  next_connection();
  connack(false);
  subscribe_of("a");
  next_connection_by_the_client();
  connack(true);
  grant(subscribe_of("a"));
  EXPECT_TRUE(is_restored());
}

TEST_F(Reconnection, WhoSubscribesMeanwhileWaitsForTheSubscriptionsThereWere) {
  connect({"a"});
  next_connection();
  connack(false);
  const auto former = subscribe_of("a");
  auto granted = begin(client_->subscribe("b", QoS::at_least_once));
  EXPECT_TRUE(nothing_more());
  grant(former);
  grant(subscribe_of("b"));
  EXPECT_TRUE(run_until([&] { return granted->has_value(); }));
  EXPECT_TRUE(**granted);
}

TEST_F(Reconnection, WhoSubscribesMeanwhileHearsInTimeThatTheBrokerDoesNotAnswer) {
  connect({"a"});
  next_connection();
  auto granted = begin(client_->subscribe("b", QoS::at_least_once));
  run_for(timeout / 2);
  connack(false);
  subscribe_of("a");  // whose time runs out later
  EXPECT_TRUE(run_until([&] { return granted->has_value(); }));
  ASSERT_FALSE(**granted);
  EXPECT_EQ((*granted)->error().what, "the broker did not answer in time");
}

TEST_F(Reconnection, ItCanBeLeftInTheMidstOfALogin) {
  connect({"a"});
  next_connection();
  auto received = begin(client_->receive());
  settle();
  auto left = begin(client_->disconnect());
  EXPECT_TRUE(run_until([&] { return left->has_value() && received->has_value(); }));
  EXPECT_FALSE(**left);
  EXPECT_FALSE(**received);
}

TEST_F(Reconnection, MessagesThatWaitGoBehindTheSubscriptions) {
  connect({"a"});
  next_connection();
  auto published = begin(client_->publish("x", "waits", QoS::at_least_once));
  settle();
  connack(false);
  const auto former = subscribe_of("a");
  EXPECT_TRUE(nothing_more()) << "its answer might come before the subscription counts";
  grant(former);
  const auto publish = next<mqtt::Publish>();
  EXPECT_EQ(as_text(publish.payload), "waits");
  send(mqtt::Puback{publish.packet_id, Reason::success, {}});
  EXPECT_TRUE(run_until([&] { return published->has_value(); }));
  EXPECT_TRUE(**published);
}

TEST_F(Reconnection, AMessageThatIsUnderWayIsSentAgainAndAnsweredOnTheNextConnection) {
  connect({});
  auto published = begin(client_->publish("x", "once", QoS::at_least_once));
  const auto first = next<mqtt::Publish>().packet_id;
  next_connection();
  connack(true);
  const auto again = next<mqtt::Publish>();
  EXPECT_TRUE(again.dup);
  EXPECT_EQ(again.packet_id, first);
  EXPECT_FALSE(published->has_value());
  send(mqtt::Puback{first, Reason::success, {}});
  EXPECT_TRUE(run_until([&] { return published->has_value(); }));
  EXPECT_TRUE(**published);
}

TEST_F(Reconnection, ASubscriptionThatIsRefusedNowIsToldAndNotAskedForAgain) {
  connect({"a", "b"});
  next_connection();
  connack(false);
  grant(subscribe_of("a"), Reason::not_authorized);
  grant(subscribe_of("b"));
  EXPECT_TRUE(is_restored());
  EXPECT_EQ(refused_, std::vector<std::string>{"a"});
  is_restored_ = false;
  next_connection();
  connack(false);
  grant(subscribe_of("b"));
  EXPECT_TRUE(is_restored());
  EXPECT_TRUE(nothing_more());
}

TEST_F(Reconnection, WhatWasUnsubscribedIsNotSubscribedToAgain) {
  connect({"a", "b"});
  auto unsubscribed = begin(client_->unsubscribe("a"));
  send(mqtt::Unsuback{next<mqtt::Unsubscribe>().packet_id, {}, {Reason::success}});
  EXPECT_TRUE(run_until([&] { return unsubscribed->has_value(); }));
  next_connection();
  connack(false);
  grant(subscribe_of("b"));
  EXPECT_TRUE(is_restored());
  EXPECT_TRUE(nothing_more());
}

TEST_F(Reconnection, WhomTheBrokerRefusesGivesUpAndTellsAllWhoWait) {
  connect({"a"});
  next_connection();
  auto published = begin(client_->publish("x", "waits", QoS::at_least_once));
  auto subscribed = begin(client_->subscribe("b", QoS::at_least_once));
  auto received = begin(client_->receive());
  settle();
  send(mqtt::Connack{false, Reason::not_authorized, {}});
  constexpr auto refused = static_cast<std::uint8_t>(Reason::not_authorized);
  ASSERT_TRUE(run_until([&] { return trouble_.code == refused; }));
  settle();  // at once, and not when their time is over
  ASSERT_TRUE(published->has_value() && subscribed->has_value() && received->has_value());
  ASSERT_TRUE(!**published && !**subscribed && !**received);
  EXPECT_EQ((*published)->error().code, refused);
  EXPECT_EQ((*subscribed)->error().code, refused);
  EXPECT_EQ((*received)->error().code, refused);
  EXPECT_TRUE(has_ended());
  EXPECT_EQ(connections_, 2u);
}

TEST_F(Reconnection, WhoHasTakenTheSessionOverIsNotThrownOutInTurn) {
  connect({"a"});
  auto received = begin(client_->receive());
  settle();
  send(mqtt::Disconnect{Reason::session_taken_over, {}});
  EXPECT_TRUE(run_until([&] { return received->has_value(); }));
  EXPECT_FALSE(**received);
  EXPECT_TRUE(has_ended());
  EXPECT_EQ(connections_, 1u);
}

/// What it draws by chance is added to a half that is sure.
TEST_F(Reconnection, ItWaitsTwiceAsLongEachTime) {
  constexpr auto longest = 32ms;
  connect({}, longest);
  is_gone_ = true;
  tries_.clear();
  ends_.clear();
  ASSERT_TRUE(run_until([&] { return tries_.size() == 9; }));
  auto delay = 1ms;
  for (std::size_t i = 1; i < tries_.size(); ++i) {
    delay = std::min(2 * delay, longest);
    EXPECT_GE(tries_[i] - tries_[i - 1], delay / 2) << "before try " << i + 1;
  }
}

}  // namespace
}  // namespace sealmq
