// sealmq authority serve: sends the orders of the ledger to every broker, keeps and tells the key log, and takes complaints.
//
// One thread runs the connections; a second one judges complaints, because the list of identities may be slow to answer.
#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "authority/complaint_book.h"
#include "authority/log_keeper.h"
#include "base/text.h"
#include "base/try.h"
#include "broker/own_topics.h"
#include "cli/authority_options.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/evidence.h"
#include "cli/stray_signals.h"
#include "crypto/random.h"
#include "net/url.h"
#include "registry/data_folder.h"
#include "sealmq/async_client.h"

namespace sealmq::cli {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using authority::IssuedOrder;
using authority::Served;
using std::chrono::milliseconds;

constexpr milliseconds look_interval{5};  // at the ledger
constexpr milliseconds shortest_pause{1000};
constexpr milliseconds longest_pause{30'000};
constexpr milliseconds longest_goodbye{2000};
constexpr milliseconds quiet_after_refusal{1000};  // strangers shall not fill the log

// Of the key log.
constexpr milliseconds shortest_between_heads{100};
constexpr milliseconds late_head{500};         // behind SUBACK, until a broker that retains a head has shown it
constexpr milliseconds late_entries{2000};     // likewise, of all entries
constexpr milliseconds longest_hearing{5000};  // of brokers that do not answer, before the first head is signed
constexpr std::uint64_t heads_until_all_again = 5;

struct Options {
  std::string folder;
  RegistryChoice registry;
  ClientOptions client;
  std::vector<std::string> brokers;
  std::string complaints;
  std::vector<std::string> asking;
  std::vector<std::string> administrators;
  bool adopt = false;
};

/// What of the log is told at present.
struct Told {
  std::uint64_t number = 0;
  std::uint64_t size = 0;
  Buffer head, state, frontier;
};

awaitable<void> wait_for(asio::steady_timer& timer, milliseconds time) {
  boost::system::error_code cancelled;
  timer.expires_after(time);
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

void say(const std::string& broker, const std::string& what) {
  notice(broker + ": " + what);
}

/// A broker as people know it: without user and password.
Result<std::string> label_of(const ConnectOptions& options) {
  const net::Url url = TRY(net::parse_url(options.url));
  if (url.transport == net::Transport::unix_socket) return std::string(net::prefix(url.transport)) + url.path;
  const std::string host = url.host.find(':') == url.host.npos ? url.host : "[" + url.host + "]";
  return std::string(net::prefix(url.transport)) + host + ":" + std::to_string(url.port);
}

/// What complaints have to get past. One thread.
class Desk {
 public:
  Desk(KeyStore& key, std::unique_ptr<authority::ComplaintBook> book, std::unique_ptr<Registry> registry,
       std::vector<BrokerIdentity> brokers)
      : key_(key), book_(std::move(book)), registry_(std::move(registry)), brokers_(std::move(brokers)) {}

  /// Answers what to tell about it.
  Result<std::string> take(Bytes frame) {
    const Shown shown = TRY(read_shown(frame));
    if (!shown.has_requester) return fail(Blame::peer_misbehaved, "not a signed request");
    std::vector<Identity> listed;
    // Subscribers of SL2 are anonymous: they sign with a key that nobody knows, and what they show proves itself.
    bool is_anonymous = false;
    if (registry_ != nullptr) {
      listed = TRY(registry_->list());
      const auto requester = std::ranges::find_if(listed, [&](const Identity& one) { return one.keys.ecdsa == shown.requester; });
      is_anonymous = requester == listed.end() && shown.level() == malina::Level::sl2;
      const bool is_broker = std::ranges::find(brokers_, shown.requester, &BrokerIdentity::ecdsa) != brokers_.end();
      is_anonymous = is_anonymous && !is_broker;
      if (!is_anonymous && !is_broker && (requester == listed.end() || requester->status != Status::active))
        return fail(Blame::not_authorised, "its requester is not on the list");
    }
    const malina::Id author = TRY(author_of(shown, key_, listed));
    authority::Complaint complaint;
    if (!is_anonymous) {
      complaint.requester = shown.requester;
      complaint.request = shown.number;
    }
    complaint.wall = wall_milliseconds();
    complaint.frame = to_buffer(frame);
    const auto number = TRY(book_->add(complaint));
    const auto known = find_by_id(listed, author);
    return "complaint " + std::to_string(number) + " about " + (known ? known->name : "id " + to_hex(author)) + ": " +
           printable(shown.reason, 200);
  }

 private:
  KeyStore& key_;
  std::unique_ptr<authority::ComplaintBook> book_;
  std::unique_ptr<Registry> registry_;
  const std::vector<BrokerIdentity> brokers_;
};

class Service;

/// One broker, for as long as the program runs. Coroutines hold it until they end.
class Line : public std::enable_shared_from_this<Line> {
 public:
  Line(Service& service, ClientOptions options, Served served);

  void start();
  /// The ledger may hold more.
  void look() {
    changed_ = true;
    work_.cancel();
  }
  void stop();
  bool is_over() const { return over_; }
  /// It is known whether a later head than ours is retained there, or cannot be known at present.
  bool has_heard() const { return has_heard_ || over_; }

 private:
  using Self = std::shared_ptr<Line>;
  static awaitable<void> run(Self self) { co_await self->serve(); }
  static awaitable<void> read(Self self) { co_await self->take_messages(); }
  awaitable<void> serve();
  awaitable<Result<>> attend();
  awaitable<Result<>> send_orders();
  awaitable<Result<>> hear_log();
  awaitable<Result<>> send_log();
  awaitable<Result<>> retain(std::string topic, Buffer frame);
  void take_log(const ReceivedMessage& message);
  void end_log(Error why);
  awaitable<Result<>> send(const IssuedOrder& order, bool& starts_over);
  awaitable<void> take_messages();
  static awaitable<Result<std::string>> judge(Desk& desk, Buffer frame) { co_return desk.take(frame); }
  awaitable<void> take_complaint(Buffer payload);
  void check_known_order(Bytes frame);
  void note();

  Service& service_;
  ClientOptions options_;
  Served served_;
  std::optional<AsyncClient> client_;
  asio::steady_timer work_;   // cancelled when there is something to do
  asio::steady_timer pause_;  // between attempts to connect
  milliseconds next_pause_ = shortest_pause;
  std::optional<Error> ended_;  // the connection
  std::optional<std::chrono::steady_clock::time_point> last_refusal_;
  std::uint64_t told_ = 0;           // the number of what was told last on this connection
  std::uint64_t told_size_ = 0;      // the entries that it told
  bool log_is_refused_ = false;      // on this connection
  std::optional<Buffer> seen_head_;  // retained here when the connection began
  std::map<std::uint64_t, Buffer> seen_bundles_;
  bool has_heard_ = false;  // whether there is one
  bool reading_ = false;
  bool changed_ = false;
  bool stopping_ = false;
  bool over_ = false;
};

class Service {
 public:
  Service(OpenAuthority& its, authority::LogKeeper& log, std::vector<PublicIdentity> administrators, bool adopts, Desk* desk,
          std::string complaints)
      : its_(its),
        log_(log),
        administrators_(std::move(administrators)),
        adopts_(adopts),
        desk_(desk),
        complaints_(std::move(complaints)) {}

  Result<> run(const std::vector<std::pair<ClientOptions, Served>>& brokers) {
    for (const auto& [options, served] : brokers) lines_.push_back(std::make_shared<Line>(*this, options, served));
    for (const auto& line : lines_) line->start();
    asio::co_spawn(loop_, watch(), asio::detached);
    ignore_stray_signals();
    asio::signal_set signals(loop_, SIGINT, SIGTERM);
    signals.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) stop();
    });
    notice("ready");
    loop_.run();
    judges_.join();
    if (failure_) return Failure(*failure_);
    return {};
  }

  /// A line is given up: going on there would make it worse. The others go on.
  void note_failure(Error why) {
    if (!failure_) failure_ = std::move(why);
  }

  /// This folder is not the newest: no head is signed in it any more. Orders still go to brokers that have no others.
  void close_log(Error why) {
    note_failure(std::move(why));
    is_closed_ = true;
    told_ = nullptr;
  }

  authority::LogKeeper& log() { return log_; }
  bool adopts() const { return adopts_; }
  /// Null: nothing has been signed yet.
  std::shared_ptr<const Told> told() const { return told_; }
  Result<> submit(Bytes frame) {
    const auto submitted = TRY(key_log::read_submitted(frame));
    is_due_ = TRY(log_.enter(submitted, administrators_, wall_milliseconds())) || is_due_;
    return {};
  }

  asio::io_context& loop() { return loop_; }
  asio::thread_pool& judges() { return judges_; }
  OpenAuthority& its() { return its_; }
  Desk* desk() { return desk_; }
  const std::string& complaints() const { return complaints_; }

 private:
  void stop() {
    if (std::exchange(stopping_, true)) return;
    for (const auto& line : lines_) line->stop();
    // A broker that does not answer keeps nobody waiting.
    ending_.expires_after(longest_goodbye);
    ending_.async_wait([this](const boost::system::error_code&) { loop_.stop(); });
  }

  awaitable<void> watch() {
    asio::steady_timer timer(loop_);
    std::optional<std::uint64_t> seen;
    const auto start = std::chrono::steady_clock::now();
    while (true) {
      co_await wait_for(timer, look_interval);
      if (std::ranges::all_of(lines_, [](const auto& line) { return line->is_over(); })) break;
      const auto now = std::chrono::steady_clock::now();
      const bool have_heard = std::ranges::all_of(lines_, [](const auto& line) { return line->has_heard(); });
      const auto version = its_.ledger->version();
      const bool is_changed = !version || seen != *version;
      if (version) seen = *version;
      may_sign_ = may_sign_ || have_heard || now - start > longest_hearing;
      const bool is_told = may_sign_ && !is_closed_ && !stopping_ && tell_log(is_changed, now);
      if (is_changed || is_told)
        for (const auto& line : lines_) line->look();
    }
    loop_.stop();
  }

  /// A head is signed at once when something is entered, and otherwise as a sign of life. True: there is one.
  bool tell_log(bool look, std::chrono::steady_clock::time_point now) {
    if (look || told_ == nullptr) {
      const auto entered = log_.enter_orders(wall_milliseconds());
      if (!entered) notice("orders do not get into the log: " + entered.error().what);
      is_due_ = is_due_ || (entered && *entered);
    }
    const bool is_silent = told_ == nullptr || now - signed_at_ >= std::chrono::seconds(authority::LogKeeper::period);
    if (!is_silent && (!is_due_ || now - signed_at_ < shortest_between_heads)) return false;
    auto head = log_.make_head(wall_milliseconds());
    signed_at_ = now;
    if (!head) {
      notice("no head of the log: " + head.error().what);
      return false;
    }
    is_due_ = false;
    const std::uint64_t number = told_ == nullptr ? 1 : told_->number + 1;
    told_ = std::make_shared<const Told>(Told{number, log_.size(), *std::move(head), log_.state(), log_.frontier()});
    return true;
  }

  OpenAuthority& its_;
  authority::LogKeeper& log_;
  const std::vector<PublicIdentity> administrators_;
  const bool adopts_;
  Desk* desk_;
  const std::string complaints_;
  std::shared_ptr<const Told> told_;
  std::chrono::steady_clock::time_point signed_at_;
  bool is_due_ = false;     // something was entered that no head has
  bool may_sign_ = false;   // it is known that this folder is the newest
  bool is_closed_ = false;  // it is known that it is not
  asio::io_context loop_{1};
  asio::thread_pool judges_{1};
  asio::steady_timer ending_{loop_};
  std::vector<std::shared_ptr<Line>> lines_;
  std::optional<Error> failure_;
  bool stopping_ = false;
};

Line::Line(Service& service, ClientOptions options, Served served)
    : service_(service),
      options_(std::move(options)),
      served_(std::move(served)),
      work_(service.loop()),
      pause_(service.loop()) {}

void Line::start() {
  asio::co_spawn(service_.loop(), run(shared_from_this()), asio::detached);
}

void Line::stop() {
  stopping_ = true;
  work_.cancel();
  pause_.cancel();
}

void Line::note() {
  if (const auto noted = service_.its().ledger->note(served_); !noted) say(served_.broker, "not noted: " + noted.error().what);
}

awaitable<void> Line::serve() {
  while (!stopping_) {
    const auto result = co_await attend();
    has_heard_ = true;
    if (stopping_) break;
    if (!result && served_.trouble != result.error().what) {
      say(served_.broker, result.error().what);
      served_.trouble = result.error().what;
      note();
    }
    co_await wait_for(pause_, next_pause_);
    next_pause_ = std::min(next_pause_ * 2, longest_pause);
  }
  over_ = true;
}

/// One connection, from its beginning to its end.
awaitable<Result<>> Line::attend() {
  auto options = plain_connect_options(options_);  // orders and complaints protect themselves
  if (!options) co_return Failure(options.error());
  auto client = co_await AsyncClient::connect(*std::move(options));
  if (!client) co_return Failure(with_hint(client.error(), options_));
  client_.emplace(*std::move(client));
  ended_.reset();
  say(served_.broker, "connected");

  // What is given to the client has names: g++ 12 destroys temporaries of a co_await twice.
  SubscribeOptions subscribing;
  subscribing.qos = mqtt::QoS::at_least_once;
  // Not every broker lets us see what orders it has; without, nothing is lost but an early warning.
  std::string filter(broker::orders_filter);
  static_cast<void>(co_await client_->subscribe(filter, subscribing));
  if (!service_.complaints().empty()) {
    filter = service_.complaints();
    const auto granted = co_await client_->subscribe(filter, subscribing);
    if (!granted) say(served_.broker, "no complaints come from here: " + granted.error().what);
  }
  reading_ = true;
  asio::co_spawn(service_.loop(), read(shared_from_this()), asio::detached);
  auto result = co_await hear_log();
  if (result) result = co_await send_orders();
  static_cast<void>(co_await client_->disconnect());
  client_.reset();
  while (reading_) co_await wait_for(work_, look_interval);
  co_return result;
}

/// Whether the broker retains a head that is ours and that this folder does not know: nothing is signed before that is known.
awaitable<Result<>> Line::hear_log() {
  told_ = told_size_ = 0;
  log_is_refused_ = false;
  seen_head_.reset();
  seen_bundles_.clear();
  SubscribeOptions subscribing;
  subscribing.qos = mqtt::QoS::at_least_once;
  subscribing.no_local = true;
  const std::string& name = service_.its().key->identity().name;
  std::string filter = key_log::submit_topic(name);
  static_cast<void>(co_await client_->subscribe(filter, subscribing));
  if (service_.adopts()) {
    filter = key_log::entries_filter(name);
    static_cast<void>(co_await client_->subscribe(filter, subscribing));
  }
  filter = key_log::head_topic(name);
  const auto granted = co_await client_->subscribe(filter, subscribing);
  const milliseconds longest = service_.adopts() ? late_entries : late_head;
  const auto end = std::chrono::steady_clock::now() + longest;
  while (granted && !stopping_ && !ended_ && std::chrono::steady_clock::now() < end && (!seen_head_ || service_.adopts()))
    co_await wait_for(pause_, look_interval);
  auto judged = seen_head_ ? service_.log().judge(*seen_head_) : Result<>{};
  if (!judged && service_.adopts()) {
    judged = service_.log().adopt(*seen_head_, seen_bundles_);
    if (judged) say(served_.broker, "has later entries of the log; they are taken over");
  }
  seen_bundles_.clear();
  has_heard_ = true;
  if (!judged) end_log(judged.error());
  co_return judged;
}

/// The head first: a broker that knows the authority takes the rest under it.
awaitable<Result<>> Line::send_log() {
  const auto told = service_.told();
  if (told == nullptr || log_is_refused_ || told->number == told_) co_return Result<>{};
  const std::string& name = service_.its().key->identity().name;
  const bool is_first = told_ == 0;
  const bool has_grown = is_first || told->size != told_size_;
  auto sent = co_await retain(key_log::head_topic(name), told->head);
  if (sent && (has_grown || told->number % heads_until_all_again == 0)) {
    sent = co_await retain(key_log::state_topic(name), told->state);
    if (sent) sent = co_await retain(key_log::frontier_topic(name), told->frontier);
    const std::uint64_t from = has_grown ? told_size_ : (told->size == 0 ? 0 : told->size - 1);
    for (std::uint64_t bundle = from / key_log::bundle_size; sent && bundle * key_log::bundle_size < told->size; ++bundle) {
      auto frame = service_.log().bundle(bundle);
      if (!frame) co_return Failure(frame.error());
      sent = co_await retain(key_log::entries_topic(name, bundle), *std::move(frame));
    }
  }
  told_ = told->number;
  told_size_ = told->size;
  if (sent || ended_) co_return Result<>{};
  log_is_refused_ = true;
  say(served_.broker, "does not take the key log: " + sent.error().what);
  co_return Result<>{};
}

awaitable<Result<>> Line::retain(std::string topic, Buffer frame) {
  PublishOptions publishing;
  publishing.qos = mqtt::QoS::at_least_once;
  publishing.retain = true;
  co_return co_await client_->publish(std::move(topic), std::move(frame), publishing);
}

/// Of the log, as it comes.
void Line::take_log(const ReceivedMessage& message) {
  const std::string& name = service_.its().key->identity().name;
  if (message.topic == key_log::submit_topic(name)) {
    const auto taken = service_.submit(message.payload);
    if (taken) return;
    const auto now = std::chrono::steady_clock::now();
    if (last_refusal_ && now - *last_refusal_ < quiet_after_refusal) return;
    last_refusal_ = now;
    return say(served_.broker, "not entered into the log: " + taken.error().what);
  }
  if (message.topic != key_log::head_topic(name)) {
    if (auto entries = key_log::decode_entries(message.payload))
      seen_bundles_[entries->first / key_log::bundle_size] = message.payload;
    return;
  }
  seen_head_ = message.payload;
  if (!has_heard_ || told_ == 0) return;  // hear_log() judges it
  if (const auto judged = service_.log().judge(message.payload); !judged) end_log(judged.error());
}

void Line::end_log(Error why) {
  const std::string what = why.what.substr(0, why.what.find('\n'));
  say(served_.broker, what + "; it is served no more");
  served_.trouble = what;
  note();
  why.what.insert(0, served_.broker + ": ");
  service_.close_log(std::move(why));
  stop();
}

/// In order, and the last one again: a broker that has lost it shall say so now, and not when the next one is given.
awaitable<Result<>> Line::send_orders() {
  std::uint64_t sent = served_.serial > 0 ? served_.serial - 1 : 0;
  bool is_from_start = sent == 0;
  while (!stopping_) {
    changed_ = false;
    const auto orders = service_.its().ledger->after(sent);
    if (!orders) co_return Failure(orders.error());
    const std::uint64_t had = std::exchange(served_.serial, sent);
    bool starts_over = false;
    for (const IssuedOrder& order : *orders) {
      const auto result = co_await send(order, starts_over);
      if (result) {
        sent = served_.serial = order.serial;
        continue;
      }
      if (!starts_over || is_from_start) {
        note();
        co_return result;
      }
      say(served_.broker, "lacks earlier orders; all are sent again");
      sent = served_.serial = 0;
      break;
    }
    is_from_start = is_from_start || starts_over;
    if (starts_over) continue;
    next_pause_ = shortest_pause;
    const auto told = co_await send_log();
    if (!told) co_return told;
    if (served_.serial != had || !served_.trouble.empty()) {
      served_.trouble.clear();
      note();
      if (served_.serial != had) say(served_.broker, "has all orders up to " + std::to_string(served_.serial));
    }
    if (!changed_ && !ended_ && !stopping_) co_await wait_for(work_, std::chrono::hours(1));
    if (ended_) co_return Failure(*ended_);
  }
  co_return Result<>{};
}

/// `starts_over`: the broker answered, and refused.
awaitable<Result<>> Line::send(const IssuedOrder& order, bool& starts_over) {
  std::string topic(broker::orders_topic);
  Buffer frame = order.frame;
  PublishOptions publishing;
  publishing.qos = mqtt::QoS::at_least_once;
  auto result = co_await client_->publish(std::move(topic), std::move(frame), publishing);
  if (result || result.error().code == 0) co_return result;
  starts_over = true;
  Error error = std::move(result).error();
  error.what = "refuses order " + std::to_string(order.serial) + ": " + error.what +
               "; its log says why: it may not know this authority, or know another with the same key";
  co_return Failure(std::move(error));
}

awaitable<void> Line::take_messages() {
  while (true) {
    auto message = co_await client_->receive();
    if (!message) {
      ended_ = message.error();
      break;
    }
    if (message->topic.starts_with(broker::orders_topic))
      check_known_order(message->payload);
    else if (message->topic.starts_with(key_log::topic_prefix) && message->topic != service_.complaints())
      take_log(*message);
    else
      co_await take_complaint(std::move(message->payload));
    if (!client_) break;
  }
  reading_ = false;
  work_.cancel();
}

/// An order with our signature that we have not given, or not so, was given by somebody else with the same key, or before this
/// folder was set back. A broker takes one of the two; going on would only make more of them. How its signature looks says
/// nothing.
void Line::check_known_order(Bytes frame) {
  const auto key = crypto::ecdsa::VerifyingKey::from_sec1(service_.its().key->identity().keys.ecdsa);
  if (!key) return;
  const auto read = malina::read_order(frame, *key);
  if (!read) return;  // not ours
  const std::uint64_t serial = (*read)->order.serial;
  const auto ours = service_.its().ledger->after(serial - 1);
  if (!ours) return;
  if (!ours->empty())
    if (const auto own = malina::read_order(ours->front().frame, *key); own && (*own)->name == (*read)->name) return;
  const std::string what =
      "has an order " + std::to_string(serial) +
      " of this key that is not in this ledger: another authority works with the key, or this folder was set "
      "back to an older state";
  say(served_.broker, what + "; it is served no more");
  served_.trouble = what;
  note();
  service_.note_failure(
      {Blame::peer_misbehaved,
       served_.broker + " " + what + "\nhint: end the other one, and work with the folder that has the later orders"});
  stop();
}

awaitable<void> Line::take_complaint(Buffer payload) {
  if (service_.desk() == nullptr) co_return;
  auto judging = judge(*service_.desk(), std::move(payload));
  auto taken = co_await asio::co_spawn(service_.judges(), std::move(judging), asio::use_awaitable);
  if (taken) co_return say(served_.broker, *taken);
  const auto now = std::chrono::steady_clock::now();
  if (last_refusal_ && now - *last_refusal_ < quiet_after_refusal) co_return;
  last_refusal_ = now;
  say(served_.broker, "a complaint is not taken: " + taken.error().what);
}

// -- the command

authority::ContentOfOrder content_of_orders(KeyStore& key) {
  return [ecdsa = key.identity().keys.ecdsa](Bytes frame) -> Result<Buffer> {
    const auto verifying = TRY(crypto::ecdsa::VerifyingKey::from_sec1(ecdsa));
    return TRY(malina::read_order(frame, verifying)).release().content;
  };
}

Result<> run(const Options& options) {
  crypto::OsRandom random;
  OpenAuthority its = TRY(open_or_make_authority(options.folder, random));
  const auto lock = TRY(lock_file(its.folder.lock(), "another sealmq authority serve works in " + options.folder));

  std::vector<BrokerIdentity> asking;
  for (const auto& path : options.asking) asking.push_back(TRY(read_broker_identity(path)));
  std::vector<ClientOptions> wanted;
  for (const auto& url : options.brokers) {
    wanted.push_back(options.client);
    wanted.back().url = url;
  }
  if (wanted.empty()) wanted.push_back(options.client);
  std::vector<std::string> labels;
  for (const auto& one : wanted) {
    const ConnectOptions connect = TRY(plain_connect_options(one));
    if (connect.version != mqtt::Version::v5)
      return fail_with_hint(Blame::caller_misused, "older versions of MQTT do not tell whether an order was taken", "-V 5");
    labels.push_back(TRY(label_of(connect)));
    if (std::ranges::count(labels, labels.back()) > 1) return fail(Blame::caller_misused, labels.back() + " is named twice");
  }
  TRY(its.ledger->serve(labels));
  std::vector<std::pair<ClientOptions, Served>> brokers;
  const auto known = TRY(its.ledger->served());
  for (std::size_t i = 0; i < wanted.size(); ++i)
    brokers.emplace_back(wanted[i], *std::ranges::find(known, labels[i], &Served::broker));

  std::vector<PublicIdentity> administrators;
  for (const auto& file : options.administrators)
    administrators.push_back(TRY(read_public_identity(file, options.client.unproved)));
  const auto log = TRY(authority::LogKeeper::open(its.folder.log(), *its.key, *its.ledger, content_of_orders(*its.key)));

  std::optional<Desk> desk;
  if (!options.complaints.empty()) {
    auto book = TRY(authority::ComplaintBook::open(its.folder.complaints()));
    auto registry = TRY(visible_registry(options.registry));
    desk.emplace(*its.key, std::move(book), std::move(registry), std::move(asking));
  }
  notice("the authority " + its.key->identity().name + " serves " + std::to_string(brokers.size()) +
         (brokers.size() == 1 ? " broker" : " brokers"));
  return Service(its, *log, std::move(administrators), options.adopt, desk ? &*desk : nullptr, options.complaints).run(brokers);
}

}  // namespace

void add_authority_serve(Command& authority, int& exit_code) {
  const auto options = std::make_shared<Options>();  // the callback owns it
  Command& serve = authority.add(
      "serve",
      {.summary = "send orders to the brokers, and take complaints",
       .text =
           R"(Connects to every broker, sends it the orders that it lacks, and each new one at once; runs until it is interrupted.
Besides, it tells its key log there, once a minute and whenever something is entered: clients that have pinned this
authority go by it, and open nothing while it is silent for longer than ten minutes.)",
       .examples = "$ sealmq authority serve --broker mqtt://north.example \\\n    --broker mqtt://south.example\n"});
  add_folder_option(serve, options->folder);
  serve.option("--broker", options->brokers, "URL", "a broker to serve; -h, -p or -L name a single one");
  serve.option("--complaints", options->complaints, "TOPIC",
               "where complaints come in: the broker's policy must let the authority read there");
  serve.option("--administrator", options->administrators, "NAME.pub",
               "whose deals of topic keys are entered into the key log (sealmq key share --authority)");
  serve.flag("--adopt", options->adopt,
             "takes entries of the key log over that brokers have and this folder lacks, because it was set back");
  serve.option("--asked-by", options->asking, "BROKER.pub",
               "a broker that asks about misuse (complaints in its configuration) although it is not on the list");
  add_client_options(serve, options->client, "--to");
  add_registry_options(serve, options->registry);
  serve.callback([options, &exit_code] { exit_code = finish(run(*options)); });
}

}  // namespace sealmq::cli
