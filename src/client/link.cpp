#include "client/link.h"

#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/try.h"

namespace sealmq {

namespace asio = boost::asio;
using asio::awaitable;
using Socket = asio::generic::stream_protocol::socket;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t read_size = 64 * 1024;
constexpr milliseconds longest_goodbye{2000};  // for the broker to close its side

Failure cancelled() {
  return fail(Blame::environment, "cancelled");
}

Now now() {
  auto count = [](auto moment) {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(moment.time_since_epoch()).count());
  };
  return {.steady = count(Clock::now()), .wall = count(std::chrono::system_clock::now())};
}

Clock::time_point time_point(std::uint64_t steady) {
  constexpr std::uint64_t latest = std::chrono::duration_cast<milliseconds>(Clock::duration::max()).count();
  return Clock::time_point(milliseconds(std::min(steady, latest)));
}

}  // namespace

AsyncClient::Link::Link(asio::any_io_executor executor, ConnectOptions options, net::Destination to,
                        std::unique_ptr<Random> random, std::unique_ptr<ClientScheme> scheme, std::unique_ptr<MessageStore> store)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      destination_(std::move(to)),
      random_(std::move(random)),
      scheme_(std::move(scheme)),
      store_(std::move(store)),
      session_(options_, scheme_.get(), store_.get()),
      socket_(executor_),
      clock_(executor_),
      read_space_(read_size),
      back_off_(executor_) {}

void AsyncClient::Link::give(const std::shared_ptr<Answer>& answer, Result<> result) {
  answer->result = std::move(result);
  answer->signal.cancel();
}

awaitable<bool> AsyncClient::Link::wait(std::shared_ptr<Answer> answer) {
  error_code ignored;  // "cancelled" is the good case
  if (!answer->result) co_await answer->signal.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  const auto state = co_await asio::this_coro::cancellation_state;
  co_return answer->result || state.cancelled() == asio::cancellation_type::none;
}

std::shared_ptr<AsyncClient::Link::Answer> AsyncClient::Link::answer_within(milliseconds timeout) {
  return std::make_shared<Answer>(executor_, Clock::now() + timeout);
}

// -- calls

awaitable<Result<>> AsyncClient::Link::open() {
  auto self = shared_from_this();
  opening_ = true;
  auto opened = co_await open_now();
  opening_ = false;
  co_return opened;
}

awaitable<Result<>> AsyncClient::Link::begin() {
  auto self = shared_from_this();
  if (store_ && !store_->damage().empty() && options_.on_undelivered)
    options_.on_undelivered({{}, {}, {Blame::environment, store_->damage(), 0}});
  auto opened = co_await open();
  if (opened || !store_ || !options_.reconnect || opened.error().blame != Blame::environment) co_return opened;
  was_connected_ = true;  // by a process before this one, perhaps
  begin_to_restore();
  co_return Result<>{};
}

awaitable<Result<>> AsyncClient::Link::open_now() {
  lost({Blame::environment, "connecting anew", 0});
  auto dialled = co_await dial();
  if (!dialled) co_return Failure(std::move(dialled).error());
  socket_ = std::move(dialled->socket);
  channel_ = std::move(dialled->channel);  // what came behind its handshake, before our CONNECT, cannot be MQTT
  unsent_.clear();
  ++connection_;
  reading_ = paused_ = awaits_writable_ = leaving_ = said_goodbye_ = false;
  clock_set_to_ = std::numeric_limits<std::uint64_t>::max();
  auto started = session_.start(now(), underneath());
  if (!started) {
    lost(started.error());
    co_return started;
  }
  closed_.reset();
  auto login = login_ = answer_within(options_.timeout);
  turn();
  read();
  const bool waited = co_await wait(login);
  login_.reset();
  if (login->result) co_return *login->result;
  Error error = waited ? Error{Blame::environment, "the broker did not answer in time", 0} : cancelled().value();
  lost(error);
  co_return Failure(error);
}

Underneath AsyncClient::Link::underneath() const {
  Underneath known;
  known.is_private = options_.open_socket != nullptr || destination_.transport == net::Transport::unix_socket;
  if (channel_ == nullptr) return known;
  net::PeerInfo peer;
  channel_->describe(peer);
  known.channel_binding = peer.channel_binding;
  known.is_private = known.is_private || peer.encrypted;
  return known;
}

awaitable<Result<net::Dialled>> AsyncClient::Link::dial() {
  if (!options_.open_socket) co_return co_await net::dial(destination_, options_.timeout);
  auto opened = options_.open_socket();
  if (!opened) co_return Failure(std::move(opened).error());
  Socket socket(executor_);
  error_code error;
  socket.assign(asio::generic::stream_protocol(AF_UNIX, 0), *opened,
                error);  // whatever its family, it is read and written like one
  if (!error) socket.non_blocking(true, error);
  if (error) co_return fail(Blame::environment, "cannot use the socket: " + error.message());
  co_return net::Dialled{std::move(socket), nullptr, {}};
}

awaitable<Result<>> AsyncClient::Link::publish(std::unique_ptr<const Order> order) {
  auto self = shared_from_this();
  const bool is_kept = order->options.qos != mqtt::QoS::at_most_once;
  if (closed_ && !(is_kept && (restoring_ || store_))) co_return Failure(*closed_);
  auto handle = session_.publish(order->topic, order->payload, order->options, now());
  if (!handle) co_return Failure(std::move(handle).error());
  if (is_kept && store_) {
    const auto kept = store_->sync();
    turn();
    co_return kept;
  }
  auto answered = co_await answer_to(*handle, is_kept && (options_.publish_across_connections || options_.reconnect));
  if (answered && !is_kept) co_return co_await sent();
  co_return answered;
}

awaitable<Result<>> AsyncClient::Link::subscribe(std::string filter, std::unique_ptr<const SubscribeOptions> options) {
  auto self = shared_from_this();
  if (auto connected = co_await ready(); !connected) co_return connected;
  auto handle = session_.subscribe(filter, *options, now());
  if (!handle) co_return Failure(std::move(handle).error());
  auto granted = co_await answer_to(*handle);
  if (granted) subscriptions_[filter] = *options;
  co_return granted;
}

awaitable<Result<>> AsyncClient::Link::unsubscribe(std::string filter) {
  auto self = shared_from_this();
  if (auto connected = co_await ready(); !connected) co_return connected;
  auto handle = session_.unsubscribe(filter, now());
  if (!handle) co_return Failure(std::move(handle).error());
  subscriptions_.erase(filter);
  co_return co_await answer_to(*handle);
}

awaitable<Result<>> AsyncClient::Link::answer_to(Handle handle, bool outlives_connection) {
  const bool asks_others = scheme_ && (scheme_->info().between_partners || scheme_->info().has_topic_keys);
  const bool waits_for_partner = asks_others && options_.partner_timeout.count() > 0;
  auto answer = outlives_connection ? std::make_shared<Answer>(executor_, Clock::time_point::max())
                                    : answer_within(waits_for_partner ? options_.partner_timeout : options_.timeout);
  answer->outlives_connection = outlives_connection;
  answers_[handle] = answer;
  turn();
  const bool waited = co_await wait(answer);
  answers_.erase(handle);
  if (!answer->result) {
    const std::string partner = session_.give_up(handle);
    if (!waited) co_return cancelled();
    co_return fail(Blame::environment, partner.empty() ? "the broker did not answer in time" : partner);
  }
  co_return *answer->result;
}

awaitable<Result<>> AsyncClient::Link::sent() {
  if (!closed_ && everything_sent()) co_return Result<>{};
  if (closed_) co_return Failure(*closed_);
  auto answer = answer_within(options_.timeout);
  senders_.push_back(answer);
  const bool waited = co_await wait(answer);
  std::erase(senders_, answer);
  if (!waited) co_return cancelled();
  if (!answer->result) co_return fail(Blame::environment, "the broker does not read what is sent");
  co_return *answer->result;
}

awaitable<Result<std::optional<ReceivedMessage>>> AsyncClient::Link::receive(Clock::time_point deadline) {
  auto self = shared_from_this();
  while (inbox_.empty()) {
    if (closed_ && !restoring_) co_return Failure(*closed_);
    auto answer = std::make_shared<Answer>(executor_, deadline);
    receivers_.push_back(answer);
    const bool waited = co_await wait(answer);
    std::erase(receivers_, answer);
    if (!waited) co_return cancelled();
    if (!answer->result && inbox_.empty() && (!closed_ || restoring_)) co_return std::optional<ReceivedMessage>{};
  }
  Arrival arrival = std::move(inbox_.front());
  inbox_.pop_front();
  if (options_.acknowledge_later)
    arrival.message.receipt = arrival.receipt;
  else
    session_.take(arrival.receipt);
  pop_made_room();
  turn();
  co_return std::optional<ReceivedMessage>(std::move(arrival.message));
}

awaitable<Result<>> AsyncClient::Link::disconnect() {
  auto self = shared_from_this();
  ended_ = true;
  if (restoring_) {
    if (!closed_) lost({Blame::environment, "disconnected", 0});  // in the midst of a login
    give_up(*closed_);
  }
  if (closed_) co_return Failure(*closed_);
  leaving_ = true;
  session_.disconnect(mqtt::Reason::success, now());
  auto goodbye = goodbye_ = answer_within(longest_goodbye);
  turn();
  read();  // to its end: what lies unread when a socket is closed makes the system throw away what was sent last
  co_await wait(goodbye);
  goodbye_.reset();
  error_code ignored;
  socket_.close(ignored);
  if (goodbye->result) co_return *goodbye->result;
  if (!everything_sent()) co_return fail(Blame::environment, "the broker does not read what is sent");
  co_return Result<>{};
}

void AsyncClient::Link::abandon() {
  const Error error{Blame::environment, "the client was closed", 0};
  ended_ = true;
  lost(error);
  give_up(error);
  stop_.emit(asio::cancellation_type::terminal);  // a dial that is under way need not end by itself
}

// -- connecting again

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

// -- turns of the event loop

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
