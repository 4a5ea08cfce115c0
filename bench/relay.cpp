// The floor under every broker's latency: finds where packets end and copies each PUBLISH to whoever has subscribed. QoS 0, one
// topic, no state, no rules: good for nothing but being measured. Listens on 127.0.0.1.
//
//   $ relay 1883 &
//   $ sealmq bench --rate 20000 --busy
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <vector>

#include "base/descriptor.h"
#include "cli/bench_scanner.h"

namespace {

using sealmq::append;
using sealmq::Buffer;
using sealmq::Bytes;
using sealmq::Descriptor;
using sealmq::mqtt::PacketType;

constexpr std::size_t read_size = 256 * 1024;

struct Client {
  Descriptor socket;
  Buffer leftover;  // the start of a packet
  Buffer out;
  bool subscribed = false;
  bool blocked = false;  // its socket takes no more at present
};

class Relay {
 public:
  Relay(Descriptor listener, Descriptor epoll) : listener_(std::move(listener)), epoll_(std::move(epoll)), input_(read_size) {
    watch(listener_.number(), EPOLL_CTL_ADD, EPOLLIN);
  }

  void run() {
    std::array<epoll_event, 256> events;
    for (;;) {
      const int count = ::epoll_wait(epoll_.number(), events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) serve(events[static_cast<std::size_t>(i)].data.fd);
      for (auto& [fd, client] : clients_) flush(client);
    }
  }

 private:
  void watch(int fd, int operation, std::uint32_t what) {
    epoll_event event{};
    event.events = what;
    event.data.fd = fd;
    ::epoll_ctl(epoll_.number(), operation, fd, &event);
  }

  void serve(int fd) {
    if (fd == listener_.number()) return accept();
    Client& client = clients_.at(fd);
    if (!receive(client)) clients_.erase(fd);
  }

  void accept() {
    Descriptor socket(::accept4(listener_.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.is_open()) return;
    const int on = 1;
    ::setsockopt(socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(socket.number(), EPOLL_CTL_ADD, EPOLLIN);
    const int fd = socket.number();
    clients_[fd].socket = std::move(socket);
  }

  /// False: it has gone.
  bool receive(Client& client) {
    input_.resize(client.leftover.size() + read_size);
    std::copy(client.leftover.begin(), client.leftover.end(), input_.begin());
    const ssize_t got = ::recv(client.socket.number(), input_.data() + client.leftover.size(), read_size, 0);
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN;
    const Bytes input = Bytes(input_).first(client.leftover.size() + static_cast<std::size_t>(got));
    sealmq::load::PacketScanner scanner(input);
    for (std::size_t start = 0; const auto packet = scanner.next(); start = scanner.consumed())
      take(client, *packet, input.subspan(start, scanner.consumed() - start));
    const Bytes rest = input.subspan(scanner.consumed());
    client.leftover.assign(rest.begin(), rest.end());
    return !scanner.malformed();
  }

  void take(Client& client, const sealmq::load::ScannedPacket& packet, Bytes whole) {
    switch (packet.type()) {
      case PacketType::connect:
        return append(client.out, std::array<std::uint8_t, 4>{0x20, 2, 0, 0});  // CONNACK
      case PacketType::subscribe:
        if (packet.body.size() < 2) return;
        client.subscribed = true;
        return append(client.out, std::array<std::uint8_t, 5>{0x90, 3, packet.body[0], packet.body[1], 0});  // SUBACK
      case PacketType::publish:
        for (auto& [fd, other] : clients_)
          if (other.subscribed) append(other.out, whole);
        return;
      default:
        return;
    }
  }

  void flush(Client& client) {
    if (client.out.empty()) return;
    const ssize_t sent = ::send(client.socket.number(), client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (sent > 0) client.out.erase(client.out.begin(), client.out.begin() + sent);
    const bool blocked = !client.out.empty();
    if (blocked != client.blocked) watch(client.socket.number(), EPOLL_CTL_MOD, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
    client.blocked = blocked;
  }

  Descriptor listener_, epoll_;
  Buffer input_;
  std::map<int, Client> clients_;
};

Descriptor listen_on(std::uint16_t port) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.number(), SOMAXCONN) != 0)
    return Descriptor();
  return socket;
}

}  // namespace

int main(int count, char** arguments) {
  std::uint16_t port = 0;
  const char* text = count == 2 ? arguments[1] : "";
  if (std::from_chars(text, text + std::strlen(text), port).ec != std::errc()) {
    std::fputs("usage: relay PORT\n", stderr);
    return 1;
  }
  Descriptor listener = listen_on(port);
  Descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!listener.is_open() || !epoll.is_open()) {
    std::perror("relay");
    return 2;
  }
  Relay(std::move(listener), std::move(epoll)).run();
}
