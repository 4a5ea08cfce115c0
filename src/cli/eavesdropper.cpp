#include "cli/eavesdropper.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <mutex>
#include <thread>

#include "mqtt/packet.h"

namespace sealmq::cli {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

/// A client's connection through us: both sockets and what passed.
struct Tap {
  Tap(Socket to_client, Socket to_broker) : client(std::move(to_client)), broker(std::move(to_broker)) {}
  Socket client;
  Socket broker;
  Buffer up;    // from the client
  Buffer down;  // to the client
  bool over = false;
};

class PollingEavesdropper final : public Eavesdropper {
 public:
  PollingEavesdropper(Socket listener, std::uint16_t port, std::uint16_t broker_port)
      : listener_(std::move(listener)),
        port_(port),
        broker_port_(broker_port),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

  std::uint16_t port() const override { return port_; }

  Buffer everything() const override {
    std::lock_guard lock(mutex_);
    Buffer all;
    for (const auto& tap : taps_) {
      append(all, tap.up);
      append(all, tap.down);
    }
    return all;
  }

  std::optional<Buffer> published(std::string_view topic) const override {
    std::lock_guard lock(mutex_);
    std::optional<Buffer> payload;
    for (const auto& tap : taps_) {
      mqtt::Version version = mqtt::Version::v5;
      for (Bytes rest = tap.up; !rest.empty();) {
        auto header = mqtt::decode_header(rest, version);
        if (!header || !*header || rest.size() < (*header)->size + (*header)->remaining) break;
        Bytes body = rest.subspan((*header)->size, (*header)->remaining);
        rest = rest.subspan((*header)->size + (*header)->remaining);
        if ((*header)->type != mqtt::PacketType::publish) continue;
        auto packet = mqtt::decode_publish((*header)->flags, body, version);
        if (packet && packet->topic == topic) payload = to_buffer(packet->payload);
      }
    }
    return payload;
  }

  void clear() override {
    std::lock_guard lock(mutex_);
    for (auto& tap : taps_) {
      tap.up.clear();
      tap.down.clear();
    }
  }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::vector<pollfd> watched{{listener_.fd(), POLLIN, 0}};
      std::vector<Tap*> whose;
      for (auto& tap : taps_) {  // only this thread adds
        if (tap.over) continue;
        watched.push_back({tap.client.fd(), POLLIN, 0});
        watched.push_back({tap.broker.fd(), POLLIN, 0});
        whose.push_back(&tap);
      }
      if (::poll(watched.data(), watched.size(), 50) <= 0) continue;
      for (std::size_t i = 0; i < whose.size(); ++i) {
        Tap& tap = *whose[i];
        if (watched[1 + 2 * i].revents != 0) pass(tap, tap.client, tap.broker, tap.up);
        if (watched[2 + 2 * i].revents != 0 && !tap.over) pass(tap, tap.broker, tap.client, tap.down);
      }
      if (watched[0].revents != 0) accept();
    }
  }

  void accept() {
    Socket client(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    Socket broker(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto address = loopback(broker_port_);
    if (client.fd() < 0 || ::connect(broker.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return;
    int on = 1;
    ::setsockopt(client.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(broker.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::lock_guard lock(mutex_);
    taps_.emplace_back(std::move(client), std::move(broker));
  }

  void pass(Tap& tap, const Socket& from, const Socket& to, Buffer& record) {
    std::uint8_t buffer[16384];
    ssize_t count = ::recv(from.fd(), buffer, sizeof buffer, 0);
    if (count > 0) {
      std::lock_guard lock(mutex_);
      append(record, {buffer, static_cast<std::size_t>(count)});
    }
    for (ssize_t sent = 0; sent < count;) {
      ssize_t n = ::send(to.fd(), buffer + sent, static_cast<std::size_t>(count - sent), MSG_NOSIGNAL);
      if (n <= 0) count = 0;
      sent += n;
    }
    if (count > 0) return;
    tap.over = true;
    ::shutdown(tap.client.fd(), SHUT_RDWR);
    ::shutdown(tap.broker.fd(), SHUT_RDWR);
  }

  Socket listener_;
  std::uint16_t port_;
  std::uint16_t broker_port_;
  mutable std::mutex mutex_;
  std::deque<Tap> taps_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace

Result<std::unique_ptr<Eavesdropper>> Eavesdropper::start(std::uint16_t broker_port) {
  Socket listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listener.fd(), reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener.fd(), 16) != 0 ||
      ::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return fail(Blame::environment, "cannot listen on the loopback interface");
  return std::make_unique<PollingEavesdropper>(std::move(listener), ntohs(address.sin_port), broker_port);
}

}  // namespace sealmq::cli
