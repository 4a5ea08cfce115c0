// Ordinary clients beside a flood, for bench/flood.py: bystanders PORT BROKER.pub FOLDER CLIENTS RATE SECONDS
//
// CLIENTS clients of plain MQTT and as many of SL3 (their keys: FOLDER/bystander-N.key), each of which sends itself RATE messages
// a second, QoS 0, on a topic of its own. Prints one JSON object: for each kind how long the slowest took to begin, and the
// latency of messages, from when they were due.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "client/session.h"
#include "crypto/random.h"
#include "sealmq/keystore.h"
#include "server/thread_priority.h"

namespace sealmq {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail_with(const std::string& what) {
  std::fprintf(stderr, "bystanders: %s\n", what.c_str());
  std::exit(2);
}

Now now() {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  return {static_cast<std::uint64_t>(duration_cast<milliseconds>(Clock::now().time_since_epoch()).count()),
          static_cast<std::uint64_t>(duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count())};
}

/// Of one kind of clients; milliseconds.
struct Figures {
  std::vector<double> latencies;
  double begun = 0;
  std::size_t sent = 0;
};

class Bystander {
 public:
  Bystander(std::uint16_t port, std::string name, std::unique_ptr<KeyStore> key, const BrokerIdentity& broker, Figures& figures)
      : topic_("bystander/" + name), key_(std::move(key)), figures_(figures) {
    if (key_ != nullptr) {
      auto made = find_scheme("sl3")->client_side({key_.get(), broker, {}, random_});
      if (!made) fail_with(made.error().what);
      scheme_ = *std::move(made);
    }
    options_.client_id = std::move(name);
    session_ = std::make_unique<ClientSession>(options_, scheme_.get());
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const int one = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail_with("cannot connect");
    ::fcntl(socket_, F_SETFL, O_NONBLOCK);
    if (auto started = session_->start(now()); !started) fail_with(started.error().what);
    flush();
  }

  int socket() const { return socket_; }
  bool is_ready() const { return is_ready_; }

  void publish(Clock::time_point due) {
    std::uint8_t payload[sizeof due];
    std::memcpy(payload, &due, sizeof due);
    if (auto sent = session_->publish(topic_, payload, {}, now()); !sent) fail_with(sent.error().what);
    ++figures_.sent;
    go_on();
  }

  void read() {
    std::uint8_t chunk[16 * 1024];
    const ssize_t size = ::recv(socket_, chunk, sizeof chunk, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) fail_with("the broker has closed the connection of " + options_.client_id);
    session_->receive(Bytes(chunk, static_cast<std::size_t>(size)), now());
    go_on();
  }

  void tick() {
    session_->tick(now());
    go_on();
  }

 private:
  void go_on() {
    for (ClientEvent& event : session_->take_events()) {
      if (std::holds_alternative<Connected>(event)) {
        if (auto asked = session_->subscribe(topic_, {}, now()); !asked) fail_with(asked.error().what);
      } else if (const auto* subscribed = std::get_if<Subscribed>(&event)) {
        if (mqtt::is_error(subscribed->reason)) fail_with(options_.client_id + " may not subscribe");
        // One message makes the session to publish by.
        if (auto sent = session_->publish(topic_, {}, {}, now()); !sent) fail_with(sent.error().what);
      } else if (auto* arrival = std::get_if<Arrival>(&event)) {
        arrived(arrival->message.payload);
        session_->take(arrival->receipt);
      } else if (const auto* refused = std::get_if<RefusedMessage>(&event)) {
        fail_with(options_.client_id + " got what does not verify: " + refused->why);
      } else if (const auto* closed = std::get_if<Closed>(&event)) {
        fail_with(options_.client_id + ": " + closed->error.what);
      }
    }
    flush();
  }

  void arrived(const Buffer& payload) {
    const auto since = [](Clock::time_point then) {
      return std::chrono::duration<double, std::milli>(Clock::now() - then).count();
    };
    if (!is_ready_) {
      is_ready_ = true;
      figures_.begun = std::max(figures_.begun, since(began_));
    } else if (payload.size() == sizeof(Clock::time_point)) {
      Clock::time_point due;
      std::memcpy(&due, payload.data(), sizeof due);
      figures_.latencies.push_back(since(due));
    }
  }

  void flush() {
    iovec parts[16];
    while (const std::size_t count = session_->outbox().gather(parts)) {
      const ssize_t written = ::writev(socket_, parts, static_cast<int>(count));
      if (written < 0) return;  // little is ever owed: at the next turn
      session_->outbox().consume(static_cast<std::size_t>(written));
    }
  }

  const std::string topic_;
  crypto::OsRandom random_;
  std::unique_ptr<KeyStore> key_;
  std::unique_ptr<ClientScheme> scheme_;
  ConnectOptions options_;
  std::unique_ptr<ClientSession> session_;
  Figures& figures_;
  const Clock::time_point began_ = Clock::now();
  int socket_ = -1;
  bool is_ready_ = false;
};

using Everybody = std::vector<std::unique_ptr<Bystander>>;

void wait_until(Everybody& all, Clock::time_point until) {
  std::vector<pollfd> sockets;
  for (const auto& one : all) sockets.push_back({one->socket(), POLLIN, 0});
  for (;;) {
    const auto left = std::chrono::duration<double, std::nano>(until - Clock::now()).count();
    if (left <= 0) return;
    const timespec wait{static_cast<time_t>(left / 1e9), static_cast<long>(left) % 1'000'000'000};
    if (::ppoll(sockets.data(), sockets.size(), &wait, nullptr) <= 0) continue;
    for (std::size_t i = 0; i < sockets.size(); ++i)
      if (sockets[i].revents != 0) all[i]->read();
  }
}

void print(const char* name, Figures& figures, const char* end) {
  auto& all = figures.latencies;
  std::ranges::sort(all);
  const auto at = [&](double part) {
    return all.empty() ? 0 : all[std::min(all.size() - 1, static_cast<std::size_t>(part * static_cast<double>(all.size())))];
  };
  std::printf(
      "\"%s\":{\"sent\":%zu,\"received\":%zu,\"slowest_begin_ms\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}%s", name,
      figures.sent, all.size(), figures.begun, at(0.5), at(0.99), at(1), end);
}

int run(char** arguments) {
  const auto port = static_cast<std::uint16_t>(std::atoi(arguments[1]));
  const auto broker = read_broker_identity(arguments[2]);
  if (!broker) fail_with(broker.error().what);
  const auto count = static_cast<std::size_t>(std::atoi(arguments[4]));
  const double rate = std::atof(arguments[5]), seconds = std::atof(arguments[6]);
  server::prefer_latency();  // the flood is made on the same processor

  crypto::OsRandom random;
  Figures plain, sl3;
  Everybody all;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = "bystander-" + std::to_string(i);
    auto key = open_key_file(std::string(arguments[3]) + "/" + name + ".key", random);
    if (!key) fail_with(key.error().what);
    all.push_back(std::make_unique<Bystander>(port, "plain-" + std::to_string(i), nullptr, *broker, plain));
    all.push_back(std::make_unique<Bystander>(port, name, *std::move(key), *broker, sl3));
  }
  const auto patience = Clock::now() + std::chrono::seconds(60);
  while (!std::ranges::all_of(all, &Bystander::is_ready)) {
    if (Clock::now() > patience) fail_with("some cannot begin");
    wait_until(all, Clock::now() + std::chrono::milliseconds(50));
    for (const auto& one : all) one->tick();
  }

  // One after the other, so that they do not wait for each other.
  const auto step =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate / static_cast<double>(all.size())));
  const auto start = Clock::now();
  auto due = start;
  for (std::size_t i = 0; due < start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
       ++i) {
    due += step;
    wait_until(all, due);
    all[i % all.size()]->publish(due);
  }
  wait_until(all, Clock::now() + std::chrono::seconds(1));
  std::printf("{");
  print("plain", plain, ",");
  print("sl3", sl3, "}\n");
  return 0;
}

}  // namespace
}  // namespace sealmq

int main(int count, char** arguments) {
  if (count != 7) sealmq::fail_with("PORT BROKER.pub FOLDER CLIENTS RATE SECONDS");
  return sealmq::run(arguments);
}
