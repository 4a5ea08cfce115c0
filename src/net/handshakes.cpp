#include "net/handshakes.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "net/address.h"
#include "net/proxy_header.h"
#include "sealmq/secret.h"

namespace sealmq::net {
namespace {

constexpr std::size_t buffer_size = 16 * 1024;
constexpr std::size_t most_unsent = 64 * 1024;  // no honest handshake comes near

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

Handshakes::Handshakes(boost::asio::io_context& loop, std::shared_ptr<const Entry> entry, HandshakeHandler& handler,
                       std::size_t most, std::chrono::milliseconds longest)
    : loop_(loop),
      entry_(std::move(entry)),
      handler_(handler),
      most_(most),
      longest_(longest),
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(buffer_size)),
      timer_(loop.get_executor()) {}

void Handshakes::begin(Descriptor socket, std::shared_ptr<const void> ticket) {
  const auto at = places_.try_emplace(place_of(peer_address(socket.number()))).first;
  if (at->second.waiting.empty()) line_.push_back(at);
  at->second.waiting.push_back({std::move(socket), std::move(ticket)});
  if (++waiting_ > most_waiting) make_room_among_waiting();
  start_waiting();
}

void Handshakes::make_room_among_waiting() {
  const auto by_waiting = [](const auto& a, const auto& b) { return a->second.waiting.size() < b->second.waiting.size(); };
  const auto fullest = *std::ranges::max_element(line_, by_waiting);
  fullest->second.waiting.pop_back();
  --waiting_;
  if (!fullest->second.waiting.empty()) return;
  std::erase(line_, fullest);
  forget_if_empty(fullest);
}

/// Of those from the place that has most, and more than this one would have.
std::optional<Handshakes::Number> Handshakes::displaced_by(const Place& newcomer) const {
  const HalfOpen* chosen = nullptr;
  Number number = 0;
  std::size_t its = newcomer.half_open + 1;
  for (const auto& [other, half_open] : half_open_) {
    const std::size_t there = half_open.place->second.half_open;
    const bool is_better = there > its || (chosen != nullptr && there == its && chosen->has_spoken && !half_open.has_spoken);
    if (!is_better) continue;
    chosen = &half_open;
    number = other;
    its = there;
  }
  return chosen != nullptr ? std::optional(number) : std::nullopt;
}

void Handshakes::start_waiting() {
  const auto by_half_open = [](const auto& a, const auto& b) { return a->second.half_open < b->second.half_open; };
  while (!line_.empty()) {
    auto turn = line_.begin();
    if (half_open_.size() >= most_) {
      turn = std::ranges::min_element(line_, by_half_open);  // may be behind a flood's
      const auto leaving = displaced_by((*turn)->second);
      if (!leaving) break;
      leave(half_open_.find(*leaving));
    }
    const auto place = *turn;
    line_.erase(turn);
    Waiting next = std::move(place->second.waiting.front());
    place->second.waiting.pop_front();
    --waiting_;
    if (!place->second.waiting.empty()) line_.push_back(place);
    start(std::move(next), place);
  }
  set_timer();
}

void Handshakes::start(Waiting waiting, Places::iterator place) {
  Descriptor socket = std::move(waiting.socket);
  const Number number = next_++;
  HalfOpen& begun = half_open_.emplace(number, loop_.get_executor()).first->second;
  boost::system::error_code error;
  begun.socket.assign(socket.number(), error);
  if (error) {
    half_open_.erase(number);
    return forget_if_empty(place);
  }
  socket.release();
  begun.place = place;
  ++place->second.half_open;
  begun.ticket = std::move(waiting.ticket);
  begun.expects_proxy_header = entry_->expects_proxy_header();
  begun.channel = entry_->make_channel();
  wait_readable(number);
}

void Handshakes::leave(std::map<Number, HalfOpen>::iterator half_open) {
  const auto place = half_open->second.place;
  half_open_.erase(half_open);
  --place->second.half_open;
  forget_if_empty(place);
}

void Handshakes::forget_if_empty(Places::iterator place) {
  if (place->second.half_open == 0 && place->second.waiting.empty()) places_.erase(place);
}

Handshakes::HalfOpen* Handshakes::find(Number number) {
  const auto found = half_open_.find(number);
  return found == half_open_.end() ? nullptr : &found->second;
}

void Handshakes::wait_readable(Number number) {
  HalfOpen* at = find(number);
  if (at == nullptr) return;
  at->socket.async_wait(boost::asio::posix::descriptor_base::wait_read, [this, number](const boost::system::error_code& error) {
    if (error != boost::asio::error::operation_aborted) read(number);
  });
}

void Handshakes::wait_writable(Number number) {
  HalfOpen* at = find(number);
  if (at == nullptr || std::exchange(at->waits_to_write, true)) return;
  at->socket.async_wait(boost::asio::posix::descriptor_base::wait_write, [this, number](const boost::system::error_code& error) {
    if (error == boost::asio::error::operation_aborted) return;
    if (HalfOpen* found = find(number)) found->waits_to_write = false;
    flush(number);
  });
}

void Handshakes::read(Number number) {
  HalfOpen* at = find(number);
  if (at == nullptr) return;
  const ssize_t count = ::recv(at->socket.native_handle(), buffer_.get(), buffer_size, 0);
  if (count == 0 || (count < 0 && !would_block(errno))) return end(number);
  if (count > 0) at->has_spoken = true;
  if (count > 0 && !at->refused) {
    const Bytes bytes(buffer_.get(), static_cast<std::size_t>(count));
    at->expects_proxy_header ? take_header(number, bytes) : take(number, bytes);
    wipe(buffer_.get(), bytes.size());  // a password may follow a handshake
  }
  wait_readable(number);
}

void Handshakes::take_header(Number number, Bytes bytes) {
  HalfOpen* at = find(number);
  append(at->header, bytes);
  const auto header = parse_proxy_header(at->header);
  if (!header) return drop(number, header.error().what);  // whoever sent this would not understand an answer
  if (!*header) return;
  at->address = (*header)->source;
  at->expects_proxy_header = false;
  if (!entry_->is_forwarded(address_of(*at)) && !admit(*at)) return end(number);
  const Secret whole(std::exchange(at->header, {}));
  const Bytes rest = whole.reveal().subspan((*header)->size);
  if (!at->channel) return establish(number, rest);
  if (!rest.empty()) take(number, rest);
}

std::string Handshakes::address_of(HalfOpen& half_open) {
  return half_open.address.empty() ? peer_address(half_open.socket.native_handle()) : half_open.address;
}

bool Handshakes::admit(HalfOpen& half_open) {
  half_open.ticket = handler_.admit(address_of(half_open));
  return half_open.ticket != nullptr;
}

/// It came from a proxy, whose request names the client. Empty: the client is let in, otherwise not; then the cause, unless
/// admit() has told it.
std::optional<std::string> Handshakes::admit_forwarded(HalfOpen& half_open) {
  PeerInfo info;
  half_open.channel->describe(info);
  auto client = client_of(info.forwarded_for, address_of(half_open), entry_->proxies());
  if (!client) return "X-Forwarded-For is no list of addresses";
  half_open.address = *std::move(client);
  return admit(half_open) ? std::nullopt : std::optional(std::string());
}

void Handshakes::take(Number number, Bytes bytes) {
  HalfOpen* at = find(number);
  plain_.clear();
  const Result<> received = at->channel->receive(bytes, plain_, at->unsent);
  if (!flush(number)) return;
  at = find(number);
  if (!received) return refuse(number, received.error().what);
  if (at->channel->is_open()) {
    establish(number, plain_);
    return wipe(plain_.data(), plain_.size());
  }
  if (at->unsent.size() > most_unsent) drop(number, "the peer does not read what it asks for");
}

/// False: the connection is over.
bool Handshakes::flush(Number number) {
  HalfOpen* at = find(number);
  if (at == nullptr) return false;
  while (!at->unsent.empty()) {
    const ssize_t count = ::send(at->socket.native_handle(), at->unsent.data(), at->unsent.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && would_block(errno)) {
      wait_writable(number);
      return true;
    }
    if (count < 0) {
      end(number);
      return false;
    }
    at->unsent.erase(at->unsent.begin(), at->unsent.begin() + count);
  }
  if (at->refused) ::shutdown(at->socket.native_handle(), SHUT_WR);
  return true;
}

void Handshakes::establish(Number number, Bytes first) {
  HalfOpen* at = find(number);
  if (at->ticket == nullptr && entry_->is_forwarded(address_of(*at)))
    if (const auto cause = admit_forwarded(*at)) return cause->empty() ? end(number) : drop(number, *cause);
  Stream stream;
  stream.socket = Descriptor(at->socket.release());
  stream.address = std::move(at->address);
  stream.channel = std::move(at->channel);
  stream.unsent = std::move(at->unsent);
  stream.ticket = std::move(at->ticket);
  end(number);
  handler_.established(*entry_, std::move(stream), first);
}

// It is told why, and closed when it has closed its side or its time is up: not before, or the answer might be lost.
void Handshakes::refuse(Number number, const std::string& cause) {
  HalfOpen* at = find(number);
  at->refused = true;
  const std::string address = address_of(*at);
  if (at->unsent.empty()) ::shutdown(at->socket.native_handle(), SHUT_WR);
  PeerInfo info;
  at->channel->describe(info);
  handler_.handshake_failed(address, cause, info.offered_psk_identity);
}

void Handshakes::drop(Number number, const std::string& cause) {
  HalfOpen* at = find(number);
  const bool is_known = at->refused;
  const std::string address = address_of(*at);
  end(number);
  if (!is_known) handler_.handshake_failed(address, cause, {});
}

void Handshakes::end(Number number) {
  leave(half_open_.find(number));
  start_waiting();
}

std::chrono::milliseconds Handshakes::allowed(const HalfOpen& half_open) const {
  if (waiting_ == 0) return longest_;
  return std::min(half_open.has_spoken ? patience : patience_with_the_silent, longest_);
}

void Handshakes::set_timer() {
  if (half_open_.empty()) return;
  // Who has spoken may come before the first silent one, so each is looked at; they are few.
  auto due = Clock::time_point::max();
  for (const auto& [number, half_open] : half_open_) due = std::min(due, half_open.began + allowed(half_open));
  if (timer_.expiry() == due) return;
  timer_.expires_at(due);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    std::vector<Number> late;
    for (const auto& [number, half_open] : half_open_)
      if (half_open.began + allowed(half_open) <= Clock::now()) late.push_back(number);
    for (const Number number : late)
      if (find(number) != nullptr) drop(number, "the handshake takes too long");
    set_timer();
  });
}

}  // namespace sealmq::net
