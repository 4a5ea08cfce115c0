// A load of SL3 for bench/compare: sl3_load PORT PID BROKER.pub PUBLISHER.key SUBSCRIBER.key MESSAGES SUBSCRIBERS WINDOW
//
// The frames are signed and sealed before the clock starts, so that the client's work is not in the figures; subscribers count
// frames and open none. Prints one JSON object: CPU seconds of the broker (the process PID) for each million of delivered
// messages.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "client/session.h"
#include "crypto/random.h"
#include "mqtt/packet.h"
#include "sealmq/keystore.h"

namespace sealmq {
namespace {

constexpr std::string_view topic = "bench/sl3";
constexpr std::size_t payload_size = 64;

[[noreturn]] void fail_with(const std::string& what) {
  std::fprintf(stderr, "sl3_load: %s\n", what.c_str());
  std::exit(2);
}

Now now() {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  const auto steady = std::chrono::steady_clock::now().time_since_epoch();
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return {static_cast<std::uint64_t>(duration_cast<milliseconds>(steady).count()),
          static_cast<std::uint64_t>(duration_cast<milliseconds>(wall).count())};
}

double cpu_seconds(pid_t process) {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &time) != 0)
    fail_with("cannot read the broker's CPU time");
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

class Peer {
 public:
  Peer(std::uint16_t port, const std::string& name, const std::string& key, const BrokerIdentity& broker) : broker_(broker) {
    auto opened = open_key_file(key, random_);
    if (!opened) fail_with(opened.error().what);
    key_ = *std::move(opened);
    auto made = find_scheme("sl3")->client_side({key_.get(), broker_, {}, random_});
    if (!made) fail_with(made.error().what);
    scheme_ = *std::move(made);
    options_.client_id = name;
    session_ = std::make_unique<ClientSession>(options_, scheme_.get());
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const int one = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail_with("cannot connect");
    if (auto started = session_->start(now()); !started) fail_with(started.error().what);
    run_until<Connected>();
  }

  void subscribe() {
    if (auto asked = session_->subscribe(topic, {}, now()); !asked) fail_with(asked.error().what);
    run_until<Subscribed>();
  }

  /// The session with the broker, and one message by it.
  void begin_publishing() {
    if (auto asked = session_->publish(topic, Buffer(payload_size, 'x'), {}, now()); !asked) fail_with(asked.error().what);
    run_until<Published>();
  }

  Buffer packet() {
    auto frame = scheme_->protect(topic, Buffer(payload_size, 'x'), now());
    if (!frame) fail_with(frame.error().what);
    mqtt::Publish publish;
    publish.topic = scheme_->wire_topic();
    publish.payload = *frame;
    Buffer bytes;
    mqtt::encode(publish, options_.version, bytes);
    return bytes;
  }

  void write(Bytes bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (written <= 0) fail_with("the broker has closed the connection");
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }

  /// Takes in what is there; answers how many messages that were.
  std::size_t count_messages() {
    std::uint8_t chunk[64 * 1024];
    const ssize_t size = ::recv(socket_, chunk, sizeof chunk, 0);
    if (size <= 0) fail_with("the broker has closed the connection");
    append(unread_, Bytes(chunk, static_cast<std::size_t>(size)));
    std::size_t messages = 0;
    std::size_t at = 0;
    while (true) {
      const Bytes rest = Bytes(unread_).subspan(at);
      const auto header = mqtt::decode_header(rest, options_.version);
      if (!header || !*header || rest.size() < (*header)->size + (*header)->remaining) break;
      if ((*header)->type == mqtt::PacketType::publish) {
        const auto got =
            mqtt::decode_publish((*header)->flags, rest.subspan((*header)->size, (*header)->remaining), options_.version);
        if (got && got->payload.size() > 1 && (got->payload[1] == 0x34 || got->payload[1] == 0x36)) ++messages;
      }
      at += (*header)->size + (*header)->remaining;
    }
    unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(at));
    return messages;
  }

  int socket() const { return socket_; }

 private:
  template <class Event>
  void run_until() {
    while (true) {
      flush();
      for (ClientEvent& event : session_->take_events()) {
        if (std::holds_alternative<Event>(event)) return flush();
        if (const auto* closed = std::get_if<Closed>(&event)) fail_with(closed->error.what);
      }
      std::uint8_t chunk[16 * 1024];
      const ssize_t size = ::recv(socket_, chunk, sizeof chunk, 0);
      if (size <= 0) fail_with("the broker has closed the connection");
      session_->receive(Bytes(chunk, static_cast<std::size_t>(size)), now());
    }
  }

  void flush() {
    iovec parts[16];
    while (const std::size_t count = session_->outbox().gather(parts)) {
      for (std::size_t i = 0; i < count; ++i) {
        write({static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
        session_->outbox().consume(parts[i].iov_len);
      }
    }
  }

  crypto::OsRandom random_;
  BrokerIdentity broker_;
  std::unique_ptr<KeyStore> key_;
  std::unique_ptr<ClientScheme> scheme_;
  ConnectOptions options_;
  std::unique_ptr<ClientSession> session_;
  int socket_ = -1;
  Buffer unread_;
};

/// Sends a window, waits until every subscriber has it.
void send(Peer& publisher, std::vector<std::unique_ptr<Peer>>& subscribers, Bytes packets, std::size_t messages) {
  publisher.write(packets);
  std::vector<std::size_t> lacking(subscribers.size(), messages);
  std::vector<pollfd> sockets;
  for (const auto& subscriber : subscribers) sockets.push_back({subscriber->socket(), POLLIN, 0});
  std::size_t waiting = subscribers.size();
  while (waiting > 0) {
    if (::poll(sockets.data(), sockets.size(), 5000) <= 0) fail_with("messages are missing");
    for (std::size_t i = 0; i < sockets.size(); ++i) {
      if ((sockets[i].revents & (POLLIN | POLLHUP)) == 0) continue;
      const std::size_t got = subscribers[i]->count_messages();
      if (got > lacking[i]) fail_with("more messages than were sent");
      if (got > 0 && got == lacking[i]) --waiting;
      lacking[i] -= got;
    }
  }
}

int run(char** arguments) {
  const auto number = [&](int i) { return std::strtoul(arguments[i], nullptr, 10); };
  const auto port = static_cast<std::uint16_t>(number(1));
  const auto process = static_cast<pid_t>(number(2));
  const auto broker = read_broker_identity(arguments[3]);
  if (!broker) fail_with(broker.error().what);
  const std::size_t count = number(6), readers = number(7), window = number(8);

  std::vector<std::unique_ptr<Peer>> subscribers;
  for (std::size_t i = 0; i < readers; ++i) {
    subscribers.push_back(std::make_unique<Peer>(port, "reader-" + std::to_string(i), arguments[5], *broker));
    subscribers.back()->subscribe();
  }
  Peer publisher(port, "writer", arguments[4], *broker);
  publisher.begin_publishing();
  send(publisher, subscribers, {}, 1);

  std::vector<Buffer> windows;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % window == 0) windows.emplace_back();
    append(windows.back(), publisher.packet());
  }
  const std::size_t warm_up = windows.size() / 8;
  double cpu = 0;
  auto began = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (i == warm_up) {
      cpu = cpu_seconds(process);
      began = std::chrono::steady_clock::now();
    }
    send(publisher, subscribers, windows[i], std::min(window, count - i * window));
  }
  const double used = cpu_seconds(process) - cpu;
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - began;
  const double deliveries = static_cast<double>((count - warm_up * window) * readers);
  std::printf("{\"deliveries\":%.0f,\"deliveries_per_second\":%.0f,\"broker_cpu_s_per_million\":%.4f}\n", deliveries,
              deliveries / taken.count(), used / deliveries * 1e6);
  return 0;
}

}  // namespace
}  // namespace sealmq

int main(int count, char** arguments) {
  if (count != 9) sealmq::fail_with("PORT PID BROKER.pub PUBLISHER.key SUBSCRIBER.key MESSAGES SUBSCRIBERS WINDOW");
  return sealmq::run(arguments);
}
