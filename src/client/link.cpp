#include "client/link.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sealmq {

namespace asio = boost::asio;
using asio::awaitable;
using Socket = asio::generic::stream_protocol::socket;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t read_size = 64 * 1024;
constexpr milliseconds longest_goodbye{2000};  // for the broker to close its side

}  // namespace

Failure AsyncClient::Link::cancelled() {
  return fail(Blame::environment, "cancelled");
}

Now AsyncClient::Link::now() {
  auto count = [](auto moment) {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(moment.time_since_epoch()).count());
  };
  return {.steady = count(Clock::now()), .wall = count(std::chrono::system_clock::now())};
}

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
  // On the executor also where this is called from elsewhere, when the loop does not run: a signal that Asio has to pass on later
  // may come to a coroutine that is gone.
  asio::dispatch(executor_, [self = shared_from_this(), error] {
    self->stop_.emit(asio::cancellation_type::terminal);  // a dial that is under way need not end by itself
    self->give_up(error);
  });
}

}  // namespace sealmq
