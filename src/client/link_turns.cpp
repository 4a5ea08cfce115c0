// Turns of the event loop: bytes between the socket and the session, and what the session makes of them.
#include <algorithm>
#include <array>

#include "base/try.h"
#include "client/link.h"

namespace sealmq {

namespace asio = boost::asio;
using Socket = asio::generic::stream_protocol::socket;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

using Clock = std::chrono::steady_clock;

Clock::time_point time_point(std::uint64_t steady) {
  constexpr std::uint64_t latest = std::chrono::duration_cast<milliseconds>(Clock::duration::max()).count();
  return Clock::time_point(milliseconds(std::min(steady, latest)));
}

}  // namespace

/// To be called after every call into the session.
void AsyncClient::Link::turn() {
  flush();
  for (auto events = session_.take_events(); !events.empty(); events = session_.take_events()) {
    for (auto& event : events) std::visit([this](auto& e) { on(std::move(e)); }, event);
    flush();
  }
  arm_clock();
}

void AsyncClient::Link::flush() {
  if (store_)
    if (auto kept = store_->sync(); !kept) {
      ended_ = true;
      if (!closed_) lost(kept.error());
      return;
    }
  if (!socket_.is_open() || awaits_writable_) return;
  while (!everything_sent()) {
    error_code error;
    const Result<> sent = channel_ ? send_wrapped(error) : send_plain(error);
    if (error == asio::error::would_block || error == asio::error::try_again) {
      awaits_writable_ = true;
      socket_.async_wait(Socket::wait_write, [self = shared_from_this(), connection = connection_](error_code) {
        if (connection != self->connection_) return;
        self->awaits_writable_ = false;
        self->turn();
      });
      return;
    }
    if (error) return lost({Blame::environment, "cannot send to the broker: " + error.message(), 0});
    if (!sent) return lost(sent.error());
    if (options_.on_sending) options_.on_sending(session_.outbox().size() + unsent_.size());
  }
  for (auto& sender : std::exchange(senders_, {})) give(sender, {});
  if (!leaving_) return;
  error_code ignored;
  if (channel_ && !std::exchange(said_goodbye_, true)) {
    channel_->close(unsent_);
    socket_.write_some(asio::buffer(unsent_), ignored);  // a courtesy: DISCONNECT has been sent
    unsent_.clear();
  }
  socket_.shutdown(Socket::shutdown_send, ignored);
}

Result<> AsyncClient::Link::send_plain(error_code& error) {
  std::array<iovec, 16> parts;
  const std::size_t count = session_.outbox().gather(parts);
  std::array<asio::const_buffer, 16> buffers;
  for (std::size_t i = 0; i < count; ++i) buffers[i] = asio::const_buffer(parts[i].iov_base, parts[i].iov_len);
  const std::size_t written = socket_.write_some(std::span(buffers).first(count), error);
  if (!error) session_.outbox().consume(written);
  return {};
}

/// First what is wrapped already, so that not more than one piece of it waits for a slow broker.
Result<> AsyncClient::Link::send_wrapped(error_code& error) {
  if (unsent_.empty()) {
    std::array<iovec, 16> parts;
    const std::size_t count = session_.outbox().gather(parts);
    session_.outbox().consume(TRY(channel_->send(std::span(parts).first(count), unsent_)));
  }
  const std::size_t written = socket_.write_some(asio::buffer(unsent_), error);
  if (!error) unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(written));
  return {};
}

Error AsyncClient::Link::closed_by_broker() const {
  return {Blame::environment, login_ ? "the broker closed the connection before any answer" : "the broker closed the connection",
          0};
}

/// Hands received bytes to the session.
void AsyncClient::Link::take(Bytes bytes) {
  if (!channel_) {
    session_.receive(bytes, now());
    return turn();
  }
  Buffer plain;
  const Result<> received = channel_->receive(bytes, plain, unsent_);
  if (!plain.empty()) session_.receive(plain, now());
  turn();
  if (!received) lost(received.error());
  if (received && channel_->has_ended() && !goodbye_) lost(closed_by_broker());
}

void AsyncClient::Link::read() {
  if (reading_ || !socket_.is_open() || (paused_ && !leaving_)) return;
  reading_ = true;
  socket_.async_read_some(
      asio::buffer(read_space_), [self = shared_from_this(), connection = connection_](error_code error, std::size_t size) {
        if (connection != self->connection_) return;
        self->reading_ = false;
        if (error && self->goodbye_) return give(self->goodbye_, {});
        if (error == asio::error::eof) return self->lost(self->closed_by_broker());
        if (error) return self->lost({Blame::environment, "the connection to the broker broke: " + error.message(), 0});
        self->take(Bytes(self->read_space_).first(size));
        self->read();
      });
}

void AsyncClient::Link::arm_clock() {
  std::uint64_t deadline = closed_ ? std::numeric_limits<std::uint64_t>::max() : session_.deadline();
  if (deadline >= clock_set_to_) return;  // a later one is looked at when the clock rings
  clock_set_to_ = deadline;
  clock_.expires_at(time_point(deadline));
  clock_.async_wait([self = shared_from_this(), connection = connection_](error_code error) {
    if (error || connection != self->connection_) return;
    self->clock_set_to_ = std::numeric_limits<std::uint64_t>::max();
    self->session_.tick(now());
    self->turn();
  });
}

void AsyncClient::Link::lost(Error error) {
  ++connection_;
  clock_.cancel();
  error_code ignored;
  socket_.close(ignored);
  session_.connection_lost(std::move(error));
  for (auto& event : session_.take_events()) std::visit([this](auto& e) { on(std::move(e)); }, event);
}

void AsyncClient::Link::pop_made_room() {
  if (!paused_ || inbox_.size() > options_.inbox / 2) return;
  paused_ = false;
  session_.resume(now());
  read();
}

// -- events

void AsyncClient::Link::on(Connected event) {
  session_present_ = event.session_present;
  client_id_ = std::move(event.client_id);
  was_connected_ = true;
  if (login_) give(login_, {});
}

void AsyncClient::Link::answer(Handle handle, std::string_view what, mqtt::Reason reason) {
  auto answer = answers_.find(handle);
  if (answer == answers_.end()) return;
  give(answer->second, is_error(reason) ? Result<>(Failure(refusal(what, reason))) : Result<>());
}

void AsyncClient::Link::on(Published event) {
  const bool is_unwanted = scheme_ && scheme_->info().between_partners && event.reason == mqtt::Reason::no_matching_subscribers;
  if (const auto waiting = answers_.find(event.handle); is_unwanted && waiting != answers_.end())
    return give(waiting->second, fail(Blame::peer_incompatible, "the other end has no subscription to this topic",
                                      static_cast<std::uint8_t>(event.reason)));
  if (const auto waiting = answers_.find(event.handle); event.error && waiting != answers_.end())
    return give(waiting->second, Failure(*std::move(event.error)));
  answer(event.handle, "the broker refused the message", event.reason);
}
void AsyncClient::Link::on(Subscribed event) {
  answer(event.handle, "the broker refused the subscription", event.reason);
}

void AsyncClient::Link::on(Arrival event) {
  if (options_.on_message) {
    if (options_.acknowledge_later) event.message.receipt = event.receipt;
    options_.on_message(std::move(event.message));
    return options_.acknowledge_later ? void() : session_.take(event.receipt);
  }
  inbox_.push_back(std::move(event));
  if (inbox_.size() >= options_.inbox && !paused_) {
    paused_ = true;
    session_.pause(now());
  }
  if (receivers_.empty()) return;
  auto receiver = receivers_.front();
  receivers_.erase(receivers_.begin());
  give(receiver, {});
}

void AsyncClient::Link::on(const RefusedMessage& event) {
  if (options_.on_refused) options_.on_refused(event);
}

void AsyncClient::Link::on(Undelivered event) {
  if (options_.on_undelivered) options_.on_undelivered({std::move(event.topic), std::move(event.payload), std::move(event.why)});
}

void AsyncClient::Link::on(const Notice& event) {
  if (options_.on_notice) options_.on_notice(event.line);
}

void AsyncClient::Link::on(Closed event) {
  closed_ = event.error;
  clock_.cancel();  // or a loop with nothing to do would go on until it rings
  if (!leaving_) {
    flush();  // a last DISCONNECT that says why
    error_code ignored;
    socket_.close(ignored);
    ++connection_;
  }
  const Failure failure(std::move(event.error));
  if (login_) give(login_, failure);
  const bool comes_back = restoring_ || comes_back_from(*closed_);
  std::erase_if(answers_, [&](const auto& waiting) {
    if (waiting.second->outlives_connection && (comes_back || options_.publish_across_connections)) return false;
    give(waiting.second, failure);
    return true;
  });
  if (!comes_back)
    for (auto& receiver : std::exchange(receivers_, {})) give(receiver, failure);
  if (leaving_) return;  // what was sent before is still on its way
  for (auto& sender : std::exchange(senders_, {})) give(sender, failure);
  if (restoring_ || opening_ || ended_ || !options_.reconnect) return;
  if (comes_back) begin_to_restore();
  if (options_.on_connection) options_.on_connection(Failure(*closed_));
}

}  // namespace sealmq
