#include "cli/doctor_probe.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <vector>

#include "base/descriptor.h"
#include "base/error_text.h"
#include "base/try.h"
#include "mqtt/connection.h"
#include "net/address.h"

namespace sealmq::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds patience{3000};
constexpr std::chrono::milliseconds patience_for_messages{1000};

Now now() {
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch()).count();
  return {.steady = static_cast<std::uint64_t>(count), .wall = 0};
}

int milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return left < 0 ? 0 : static_cast<int>(left);
}

bool wait_for(const Descriptor& socket, short event, Clock::time_point deadline) {
  pollfd waiting{socket.number(), event, 0};
  return ::poll(&waiting, 1, milliseconds_until(deadline)) > 0;
}

Result<Descriptor> connect_to(const net::Address& address) {
  Descriptor socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int error = socket.is_open() ? 0 : errno;
  if (error == 0 && ::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0)
    error = errno;
  if (error == EINPROGRESS) {
    socklen_t size = sizeof error;
    if (!wait_for(socket, POLLOUT, Clock::now() + patience))
      error = ETIMEDOUT;
    else if (::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &size) != 0)
      error = errno;
  }
  if (error != 0) return fail(Blame::environment, "cannot connect to " + to_text(address) + ": " + error_text(error));
  return socket;
}

Result<Descriptor> connect_to(const net::Destination& to) {
  if (to.transport == net::Transport::unix_socket) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (to.path.size() >= sizeof name.sun_path) return fail(Blame::caller_misused, "too long for a socket: " + to.path);
    to.path.copy(name.sun_path, to.path.size());
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.is_open() || ::connect(socket.number(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
      return fail(Blame::environment, "cannot connect to " + net::to_text(to) + ": " + error_text(errno));
    return socket;
  }
  Result<Descriptor> socket = fail(Blame::environment, "cannot connect to " + to.host + ": it has no address");
  const net::HostPort stop = net::first_stop(to);
  for (const net::Address& address : TRY(net::resolve(stop.host, *stop.port)))
    if (socket = connect_to(address); socket) break;
  return socket;
}

struct Arrived {
  std::string topic;
  std::string payload;
  bool retain;
};

class Conversation final : public Probe, private mqtt::Events {
 public:
  /// `channel`: null where nothing stands between.
  Conversation(Descriptor socket, std::unique_ptr<net::Channel> channel, mqtt::Version version)
      : socket_(std::move(socket)), channel_(std::move(channel)), version_(version), connection_(mqtt::Role::client, {}, now()) {}
  ~Conversation() override {
    if (connection_.state() != mqtt::Connection::State::Open) return;
    connection_.disconnect(mqtt::Reason::success);
    (void)flush(Clock::now() + patience);
  }

  Result<> shake_hands() {
    if (channel_ == nullptr) return {};
    const auto deadline = Clock::now() + patience;
    Result<> result = channel_->start(to_peer_);
    while (true) {
      TRY(write(deadline));
      if (!result || channel_->is_open()) return result;
      const auto got = TRY(read(deadline));
      result = channel_->receive(got, first_, to_peer_);
    }
  }

  Result<> log_in(const std::string& client_id) {
    mqtt::Connect connect;
    connect.version = version_;
    connect.client_id = client_id;
    connect.keep_alive = 30;
    connection_.send(connect);
    return until([this] { return logged_in_; }, patience);
  }

  const Announced& announced() const override { return announced_; }

  std::string encryption() const override {
    net::PeerInfo peer;
    if (channel_ != nullptr) channel_->describe(peer);
    return peer.tls_version + (peer.tls_group.empty() ? "" : ", key exchange by " + peer.tls_group);
  }

  Result<mqtt::Reason> subscribe(const std::string& filter) override {
    mqtt::Subscribe subscribe;
    subscribe.packet_id = ++packet_id_;
    subscribe.entries.push_back({filter, {}});
    connection_.send(subscribe);
    return answer();
  }

  Result<mqtt::Reason> publish(const std::string& topic, const std::string& payload, bool retain) override {
    mqtt::Publish publish;
    publish.qos = mqtt::QoS::at_least_once;
    publish.retain = retain;
    publish.topic = topic;
    publish.payload = as_bytes(payload);
    publish.packet_id = ++packet_id_;
    connection_.send(publish);
    return answer();
  }

  Result<std::optional<bool>> arrives(const std::string& topic, const std::string& payload) override {
    std::optional<bool> found;
    const auto is_there = [&] {
      for (const Arrived& message : arrived_)
        if (message.topic == topic && message.payload == payload) found = message.retain;
      return found.has_value();
    };
    (void)until(is_there, patience_for_messages);
    arrived_.clear();
    return found;
  }

 private:
  Result<mqtt::Reason> answer() {
    answer_.reset();
    TRY(until([this] { return answer_.has_value(); }, patience));
    return *answer_;
  }

  Result<> until(const std::function<bool()>& condition, std::chrono::milliseconds at_most) {
    const auto deadline = Clock::now() + at_most;
    while (!condition()) {
      TRY(flush(deadline));
      if (over_) return fail(Blame::environment, "the broker ended the connection");
      if (!first_.empty()) {
        TRY(connection_.receive(std::exchange(first_, {}), *this, now()));
        continue;
      }
      Buffer got = TRY(read(deadline));
      if (channel_ == nullptr)
        first_ = std::move(got);
      else
        TRY(channel_->receive(got, first_, to_peer_));
    }
    return {};
  }

  Result<Buffer> read(Clock::time_point deadline) {
    Buffer space(64 * 1024);
    while (true) {
      if (!wait_for(socket_, POLLIN, deadline)) return fail(Blame::environment, "the broker did not answer in time");
      const auto got = ::recv(socket_.number(), space.data(), space.size(), 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (got <= 0) return fail(Blame::environment, "the broker closed the connection");
      space.resize(static_cast<std::size_t>(got));
      return space;
    }
  }

  Result<> flush(Clock::time_point deadline) {
    mqtt::Outbox& outbox = connection_.outbox();
    while (!outbox.empty()) {
      std::array<iovec, 4> parts;
      const std::size_t count = outbox.gather(parts);
      if (channel_ != nullptr) {
        outbox.consume(TRY(channel_->send(std::span(parts).first(count), to_peer_)));
      } else {
        const auto* const start = static_cast<const std::uint8_t*>(parts[0].iov_base);
        to_peer_.insert(to_peer_.end(), start, start + parts[0].iov_len);
        outbox.consume(parts[0].iov_len);
      }
    }
    return write(deadline);
  }

  Result<> write(Clock::time_point deadline) {
    Bytes rest = to_peer_;
    while (!rest.empty()) {
      const auto sent = ::send(socket_.number(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent > 0)
        rest = rest.subspan(static_cast<std::size_t>(sent));
      else if (errno == EINTR)
        continue;
      else if (errno != EAGAIN)
        return fail(Blame::environment, std::string("cannot send to the broker: ") + error_text(errno));
      else if (!wait_for(socket_, POLLOUT, deadline))
        return fail(Blame::environment, "the broker does not read");
    }
    to_peer_.clear();
    return {};
  }

  Result<> on(const mqtt::Connack& connack) override {
    const mqtt::Properties& p = connack.properties;
    announced_ = {connack.reason,
                  p.receive_maximum.value_or(65535),
                  p.maximum_packet_size,
                  p.topic_alias_maximum.value_or(0),
                  p.maximum_qos.value_or(mqtt::QoS::exactly_once),
                  p.retain_available.value_or(true),
                  p.wildcard_subscription_available.value_or(true),
                  p.shared_subscription_available.value_or(true),
                  p.subscription_identifiers_available.value_or(true),
                  p.server_keep_alive};
    logged_in_ = true;
    return {};
  }
  Result<> on(const mqtt::Suback& suback) override {
    answer_ = suback.reasons.empty() ? mqtt::Reason::unspecified_error : suback.reasons.front();
    return {};
  }
  Result<> on(const mqtt::Puback& puback) override {
    answer_ = puback.reason;
    return {};
  }
  Result<> on(const mqtt::Publish& publish) override {
    arrived_.push_back({std::string(publish.topic), std::string(as_text(publish.payload)), publish.retain});
    return {};
  }
  Result<> on(const mqtt::Disconnect&) override {
    over_ = true;
    return {};
  }
  using mqtt::Events::on;

  Descriptor socket_;
  std::unique_ptr<net::Channel> channel_;
  Buffer to_peer_;  // waits to be written
  Buffer first_;    // read, and not yet looked at
  mqtt::Version version_;
  mqtt::Connection connection_;
  Announced announced_;
  std::optional<mqtt::Reason> answer_;
  std::vector<Arrived> arrived_;
  std::uint16_t packet_id_ = 0;
  bool logged_in_ = false;
  bool over_ = false;
};

}  // namespace

Result<std::unique_ptr<Probe>> Probe::login(const net::Destination& to, mqtt::Version version, const std::string& client_id) {
  auto conversation = std::make_unique<Conversation>(TRY(connect_to(to)), net::make_channel(to), version);
  TRY(conversation->shake_hands());
  TRY(conversation->log_in(client_id));
  return conversation;
}

bool Probe::speaks_tls(const net::Destination& to) {
  const auto client = net::TlsClient::load({});
  auto socket = connect_to(to);
  if (!client || !socket) return false;
  Buffer hello;
  if (!(*client)->connect(to.host)->start(hello)) return false;
  if (::send(socket->number(), hello.data(), hello.size(), MSG_NOSIGNAL) <= 0) return false;
  if (!wait_for(*socket, POLLIN, Clock::now() + patience)) return false;
  // A handshake or an alert of version 3.x [RFC 8446 section 5.1].
  std::array<std::uint8_t, 2> head{};
  return ::recv(socket->number(), head.data(), head.size(), 0) == 2 && (head[0] == 22 || head[0] == 21) && head[1] == 3;
}

}  // namespace sealmq::cli
