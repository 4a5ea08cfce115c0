#include "sealmq/async_client.h"
#include "client/open_scheme.h"
#include "client/under_authority.h"

#include <array>
#include <boost/asio/this_coro.hpp>

#include "base/text.h"
#include "base/try.h"
#include "client/link.h"
#include "client/message_properties.h"
#include "crypto/random.h"
#include "net/url.h"
#include "sealmq/scheme.h"

namespace sealmq {

namespace asio = boost::asio;
using asio::awaitable;
using std::chrono::milliseconds;

// -- what the options say -------------------------------------------------------------------------------------------------------

namespace {

/// Where to, with what TLS needs for it. User and password of a URL go into the options.
Result<net::Destination> destination(ConnectOptions& options) {
  net::Url url{.host = options.host, .port = options.port};
  if (!options.url.empty()) {
    url = TRY(net::parse_url(options.url));
    if (!url.user.empty()) options.user_name = url.user;
    if (!url.password.empty()) options.password = Secret(as_bytes(url.password));
  }
  auto to = TRY(net::destination_of(url, options.tls, options.proxy));
  to.from = options.bind_address;
  if (!to.from.empty() && (options.open_socket || to.transport == net::Transport::unix_socket))
    return fail(Blame::caller_misused, "a connection within this machine has no address to come from");
  const Scheme* scheme = find_scheme(options.scheme);
  if (to.proxy && to.proxy->user.empty() && scheme != nullptr && scheme->info->claims.hides_subscriber)
    for (std::string* word : {&to.proxy->user, &to.proxy->password}) {
      std::array<std::uint8_t, 16> chance{};
      crypto::OsRandom().fill(chance);
      *word = to_hex(chance);
    }
  return to;
}

Result<> complete(ConnectOptions& options, Random& random) {
  TRY(check_version(options.version, options));
  bool is_v5 = options.version == mqtt::Version::v5;
  if (!is_v5 && !options.clean_start && options.client_id.empty())  // [MQTT-3.1.3-8]
    return fail(Blame::caller_misused, "a session that outlives its connection needs a client id");
  if (options.version == mqtt::Version::v3_1 && options.client_id.empty()) {  // which has no way to ask for one
    std::array<std::uint8_t, 4> chance{};
    random.fill(chance);
    options.client_id = "sealmq-" + to_hex(chance);
  }
  return {};
}

std::vector<Named> named_by(const ConnectOptions& options) {
  std::vector<Named> named;
  if (options.key || !options.key_file.empty()) named.push_back(Named::key);
  if (options.broker || !options.broker_key_file.empty()) named.push_back(Named::broker_key);
  if (!options.peers.empty()) named.push_back(Named::peers);
  if (options.topic_key_store || !options.topic_keys.empty()) named.push_back(Named::topic_keys);
  if (options.keep_evidence) named.push_back(Named::evidence);
  return named;
}

}  // namespace

/// Null: there is to be none.
static Result<std::unique_ptr<MessageStore>> open_store(const ConnectOptions& options, const ClientScheme* scheme,
                                                        Random& random) {
  if (options.store.empty()) return nullptr;
  if (options.client_id.empty() || options.clean_start)
    return fail(Blame::caller_misused, "a store goes with a client id and a session that lasts (clean_start = false)");
  if (options.version == mqtt::Version::v5 && options.session_expiry.count() == 0)
    return fail(Blame::caller_misused, "a store goes with a session that lasts (session_expiry)");
  if (scheme != nullptr && (scheme->info().exactly_once || scheme->info().between_partners))
    return fail(Blame::caller_misused,
                "what this scheme sends is for one connection, or one partner: it cannot be kept in a store");
  if (scheme != nullptr && !options.key)
    return fail(Blame::caller_misused, "a store is sealed for a key of this client's own\nhint: key_file");
  return MessageStore::open(options.store, options.client_id, scheme != nullptr ? options.key.get() : nullptr,
                            options.store_limit, random);
}

Result<std::unique_ptr<ClientScheme>> open_scheme(ConnectOptions& options, Random& random) {
  TRY(check_uses(options.scheme, named_by(options), options.scheme_options));
  const Scheme* scheme = find_scheme(options.scheme);
  if (scheme == nullptr || options.scheme == "plain") {
    if (options.authority) TRY(check_authority({}, *options.authority, {}));  // says why not
    return nullptr;
  }
  std::shared_ptr<LogFollower> log;
  if (options.authority) {
    TRY(check_authority(options.scheme, *options.authority, options.peers));
    if (options.max_age.count() <= 0 || options.max_age > std::chrono::hours(24))
      return fail(Blame::caller_misused, "what the authority says may be a day old at most");
    const auto max_age = static_cast<std::uint64_t>(std::chrono::milliseconds(options.max_age).count());
    log = TRY(LogFollower::open(*options.authority, options.authority_log, max_age));
  }
  if (!options.key && !options.key_file.empty()) options.key = TRY(open_keys(options.key_file, random, options.ask_pin));
  if (!options.broker && !options.broker_key_file.empty()) options.broker = TRY(read_broker_identity(options.broker_key_file));
  if (!options.topic_key_store && !options.topic_keys.empty())
    options.topic_key_store = TRY(open_topic_keys(options.topic_keys, random));
  auto side = TRY(scheme->client_side({options.key.get(), options.broker, options.peers, random, options.scheme_options,
                                       options.keep_evidence, options.topic_key_store, log}));
  if (log == nullptr) return side;
  return under_authority(std::move(side), *options.authority, std::move(log), options.peers);
}

Result<std::shared_ptr<AsyncClient::Link>> AsyncClient::Link::make(asio::any_io_executor executor, ConnectOptions options) {
  auto random = std::make_unique<crypto::OsRandom>();
  auto to = TRY(destination(options));
  TRY(complete(options, *random));
  auto scheme = TRY(open_scheme(options, *random));
  auto store = TRY(open_store(options, scheme.get(), *random));
  return std::make_shared<Link>(std::move(executor), std::move(options), std::move(to), std::move(random), std::move(scheme),
                                std::move(store));
}

// -- the public face ------------------------------------------------------------------------------------------------------------

AsyncClient::AsyncClient(std::shared_ptr<Link> link) : link_(std::move(link)) {}
AsyncClient::AsyncClient(AsyncClient&&) noexcept = default;

AsyncClient& AsyncClient::operator=(AsyncClient&& other) noexcept {
  std::swap(link_, other.link_);
  return *this;
}

AsyncClient::~AsyncClient() {
  if (link_) link_->abandon();
}

// The calls are no coroutines: those of g++ 12 destroy an aggregate twice that is made in the expression which awaits them.

awaitable<Result<AsyncClient>> AsyncClient::connect(ConnectOptions&& options) {
  return open(std::make_unique<ConnectOptions>(std::move(options)));
}

awaitable<Result<AsyncClient>> AsyncClient::open(std::unique_ptr<ConnectOptions> options) {
  auto link = Link::make(co_await asio::this_coro::executor, std::move(*options));
  if (!link) co_return Failure(std::move(link).error());
  AsyncClient client(*std::move(link));
  auto opened = co_await client.link_->begin();
  if (!opened) co_return Failure(std::move(opened).error());
  co_return Result<AsyncClient>(std::move(client));
}

awaitable<Result<>> AsyncClient::publish(std::string_view topic, Bytes payload, const PublishOptions& options) {
  return link_->publish(std::make_unique<Link::Order>(Link::Order{std::string(topic), to_buffer(payload), options}));
}
awaitable<Result<>> AsyncClient::publish(std::string_view topic, std::string_view payload, const PublishOptions& options) {
  return publish(topic, as_bytes(payload), options);
}
awaitable<Result<>> AsyncClient::publish(std::string_view topic, std::string_view payload, mqtt::QoS qos) {
  const PublishOptions options{.qos = qos};
  return publish(topic, as_bytes(payload), options);
}
awaitable<Result<>> AsyncClient::subscribe(std::string_view filter, mqtt::QoS qos) {
  const SubscribeOptions options{.qos = qos};
  return subscribe(filter, options);
}
awaitable<Result<>> AsyncClient::subscribe(std::string_view filter, const SubscribeOptions& options) {
  return link_->subscribe(std::string(filter), std::make_unique<SubscribeOptions>(options));
}
awaitable<Result<>> AsyncClient::unsubscribe(std::string_view filter) {
  return link_->unsubscribe(std::string(filter));
}

awaitable<Result<std::optional<ReceivedMessage>>> AsyncClient::receive(milliseconds timeout) {
  return link_->receive(Link::Clock::now() + timeout);
}

awaitable<Result<ReceivedMessage>> AsyncClient::receive() {
  auto message = co_await link_->receive(Link::Clock::time_point::max());
  if (!message) co_return Failure(std::move(message).error());
  co_return **std::move(message);
}

void AsyncClient::acknowledge(std::uint64_t receipt) {
  link_->acknowledge(receipt);
}

awaitable<Result<>> AsyncClient::disconnect() {
  return link_->disconnect();
}
awaitable<Result<>> AsyncClient::reconnect() {
  return link_->reconnect();
}

bool AsyncClient::session_present() const {
  return link_->session_present();
}
const std::string& AsyncClient::client_id() const {
  return link_->client_id();
}

}  // namespace sealmq
