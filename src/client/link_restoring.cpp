// A client that connects again by itself.
#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "client/link.h"

namespace sealmq {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
using std::chrono::milliseconds;

awaitable<Result<>> AsyncClient::Link::reconnect() {
  ended_ = false;
  restoring_ = restore_runs_;
  return restoring_ ? ready() : open();
}

awaitable<Result<>> AsyncClient::Link::ready() {
  if (!restoring_) co_return closed_ ? Result<>(Failure(*closed_)) : Result<>{};
  auto answer = answer_within(options_.timeout);
  waiters_.push_back(answer);
  const bool waited = co_await wait(answer);
  std::erase(waiters_, answer);
  if (!waited) co_return cancelled();
  if (answer->result) co_return *answer->result;
  co_return Failure(closed_ ? *closed_ : Error{Blame::environment, "the broker did not answer in time", 0});
}

/// Taken over: by whoever would be thrown out in turn.
bool AsyncClient::Link::comes_back_from(const Error& error) const {
  if (!options_.reconnect || !was_connected_ || opening_ || ended_) return false;
  if (error.code == static_cast<std::uint8_t>(mqtt::Reason::session_taken_over)) return false;
  return error.blame == Blame::environment || error.blame == Blame::peer_misbehaved;
}

void AsyncClient::Link::begin_to_restore() {
  restoring_ = true;
  asio::co_spawn(
      executor_, [self = shared_from_this()] { return self->restore(); },
      asio::bind_cancellation_slot(stop_.slot(), asio::detached));
}

awaitable<void> AsyncClient::Link::restore() {
  auto self = shared_from_this();
  restore_runs_ = true;
  milliseconds delay = options_.reconnect_delay;
  while (!ended_) {
    error_code ignored;
    back_off_.expires_after(with_chance(delay));
    co_await back_off_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (ended_) break;
    session_.hold();
    const auto opened = co_await open();
    if (opened && !ended_) co_await subscribe_again();
    session_.release(now());
    turn();
    if (ended_) break;
    if (!closed_) {
      restoring_ = restore_runs_ = false;
      for (auto& waiter : std::exchange(waiters_, {})) give(waiter, {});
      if (options_.on_connection) options_.on_connection({});
      co_return;
    }
    if (!opened && !comes_back_from(opened.error())) break;
    delay = std::min(2 * delay, options_.longest_reconnect_delay);
  }
  restore_runs_ = false;
  lost({Blame::environment, "disconnected", 0});
  const bool was_wanted = !ended_;
  give_up(*closed_);
  if (was_wanted && options_.on_connection) options_.on_connection(Failure(*closed_));
}

/// Half of it at least, so that not all clients of a broker come back at the same moment.
milliseconds AsyncClient::Link::with_chance(milliseconds delay) {
  std::array<std::uint8_t, 2> chance{};
  random_->fill(chance);
  return delay / 2 + delay * (chance[0] * 256 + chance[1]) / (2 * 65536);
}

awaitable<void> AsyncClient::Link::subscribe_again() {
  if (session_.asks_again_by_itself()) co_return;
  // Until all of it has been done on one session, which the next connection may find there.
  if (!session_present_) must_subscribe_ = true;
  if (!must_subscribe_) co_return;
  const auto subscriptions = subscriptions_;
  for (const auto& [filter, options] : subscriptions) {
    auto handle = session_.subscribe(filter, options, now());
    Result<> granted;
    if (handle)
      granted = co_await answer_to(*handle);
    else
      granted = Failure(handle.error());
    if (closed_) co_return;
    if (granted) continue;
    if (granted.error().code == 0) co_return lost(granted.error());  // no answer: once more, on another connection
    subscriptions_.erase(filter);
    on(RefusedMessage{filter, granted.error().what});
  }
  must_subscribe_ = false;
}

/// Whoever waits for a connection waits in vain.
void AsyncClient::Link::give_up(const Error& error) {
  ended_ = true;
  restoring_ = false;
  back_off_.cancel();
  const Failure failure(error);
  for (auto& [handle, answer] : std::exchange(answers_, {})) give(answer, failure);
  for (auto& receiver : std::exchange(receivers_, {})) give(receiver, failure);
  for (auto& waiter : std::exchange(waiters_, {})) give(waiter, failure);
}

}  // namespace sealmq
