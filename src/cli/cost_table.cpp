#include "cli/cost_table.h"

#include <algorithm>
#include <ctime>
#include <iomanip>
#include <sstream>

#include "base/try.h"
#include "schemes/sl1/sl1.h"
#include "schemes/sl2/delivery.h"
#include "schemes/sl2/escrow.h"
#include "schemes/sl2/messages.h"
#include "schemes/sl2/paper_messages.h"
#include "schemes/sl3/group.h"
#include "schemes/sl3/paper_session.h"
#include "schemes/sl3/session.h"
#include "sealmq/keystore.h"
#include "sealmq/scheme.h"

namespace sealmq::cli {
namespace {

using crypto::Operations;
constexpr auto subscribing = CostPhase::subscribe;
constexpr auto publishing = CostPhase::publish;
constexpr auto by_publisher = CostRole::publisher;
constexpr auto by_broker = CostRole::broker;
constexpr auto by_subscriber = CostRole::subscriber;

// Malina, Srivastava, Dzurenda, Hajny, Fujdiak, ARES 2019, section 5.1, Table 2, the rows "Our solution".
namespace table_2 {
constexpr Operations sl1_subscribe{};  // broker and subscriber
constexpr Operations sl1_publish_publisher{.sm = 1, .m = 1, .a = 1, .h = 1};
constexpr Operations sl1_publish_broker{.sm = 2, .a = 1, .h = 1};  // printed as 2SM+A1+1H
constexpr Operations sl1_publish_subscriber{.sm = 2, .a = 1, .h = 1};
constexpr Operations sl2_subscribe_broker{.rad = 1};
constexpr Operations sl2_subscribe_subscriber{.m = 1};
constexpr Operations sl2_publish_publisher{.sm = 1, .m = 2, .a = 1, .h = 1};
constexpr Operations sl2_publish_broker{.sm = 2, .a = 1, .h = 1, .aes = 1, .rad = 1};
constexpr Operations sl2_publish_subscriber{.aes = 1};
constexpr Operations sl3_subscribe_broker{.sm = 3, .a = 1, .h = 1, .aes = 1};
constexpr Operations sl3_subscribe_subscriber{.sm = 3, .m = 1, .a = 1, .h = 1, .aes = 1};
constexpr Operations sl3_publish_publisher{.sm = 3, .m = 1, .a = 1, .h = 1, .aes = 1};
constexpr Operations sl3_publish_broker{.sm = 1, .aes = 2};
constexpr Operations sl3_publish_subscriber{.sm = 2, .a = 1, .h = 1, .aes = 1};
}  // namespace table_2

namespace remarks {
constexpr auto signed_request = "a right to subscribe belongs to an identity: the subscriber signs SL1_1, the broker verifies it";
constexpr auto listing = "the broker's word, by ECDSA, that the author is on its list: once for the messages of 30 s";
constexpr auto drawn = "what makes the key is drawn as a square, which is one squaring more; AES seals the data under that key";
constexpr auto sealed_request = "AES seals the request under the key that Rabin carries, and the confirmation";
constexpr auto sealed_message = "AES seals the message under the key that Rabin carries";
constexpr auto escrow = "AES as without an authority; and the author, sealed for the authority alone: one ECIES for each message";
constexpr auto author = "the paper does not have the broker verify the author; but anybody can make a session, in any name";
constexpr auto exchange = "a second ephemeral key for forward secrecy, hashes of all that was seen, and an answer that confirms";
constexpr auto in_session = "the paper's figure includes the session's making, which the hardened form does once, beforehand";
constexpr auto by_session =
    "the session is there, and its signed request stands for the author; subscribers verify each signature";
constexpr auto group = "once for all members; without what the broker does to open the message";
constexpr auto signed_group = "once for all members; the broker signs by ECDSA, since every member has the group's key";
}  // namespace remarks

/// Of this thread, so that a busy machine disturbs it less.
double cpu_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Takes the steps down, in the order in which they first happen; every later round has the same ones.
class Ledger {
 public:
  void begin_round() { at_ = 0; }

  /// Does it. Counted and timed is `action` and nothing else.
  template <class Action>
  auto step(const CostStep& step, Action action) {
    crypto::CountOperations counter;
    const double start = cpu_microseconds();
    auto result = action();
    const double end = cpu_microseconds();
    note(step, counter.so_far(), end - start);
    return result;
  }

  /// What the last step sends.
  void sent(Bytes frame) { entries_[at_ - 1].row.bytes = frame.size(); }

  Result<std::vector<CostRow>> rows() const {
    if (differs_) return fail(Blame::environment, "a step cost other operations at another time");
    std::vector<CostRow> rows;
    for (const Entry& entry : entries_) {
      rows.push_back(entry.row);
      rows.back().microseconds = median(entry.times);
    }
    return rows;
  }

 private:
  struct Entry {
    CostRow row;
    std::vector<double> times;
  };

  void note(const CostStep& step, const Operations& counted, double time) {
    if (at_ == entries_.size()) entries_.push_back({{step, counted}, {}});
    Entry& entry = entries_[at_++];
    differs_ = differs_ || entry.row.counted != counted;
    entry.times.push_back(time);
  }

  std::vector<Entry> entries_;
  std::size_t at_ = 0;
  bool differs_ = false;
};

/// Who takes part, and what they know of each other before anything is sent.
struct Parties {
  Parties(const crypto::rabin::PrivateKey& rabin_key, Random& chance, Now moment)
      : rabin(rabin_key),
        random(chance),
        now(moment),
        broker(make_memory_keys("broker-1", Kind::broker, random)),
        device(make_memory_keys("boiler-7", Kind::device, random)),
        app(make_memory_keys("control", Kind::service, random)),
        authority(make_memory_keys("authority", Kind::authority, random)),
        pinned(broker_identity(broker->identity())),
        directory(listed()) {}

  const crypto::rabin::PrivateKey& rabin;
  Random& random;
  Now now;
  std::unique_ptr<KeyStore> broker;
  std::unique_ptr<KeyStore> device;
  std::unique_ptr<KeyStore> app;
  std::unique_ptr<KeyStore> authority;
  BrokerIdentity pinned;
  Directory directory;
  malina::KnownKeys known_to_broker;
  malina::KnownKeys known_to_app;
  Buffer payload = Buffer(cost_message_size, 0x20);

  const malina::Id& author() const { return device->identity().keys.schnorr; }
  ClientPorts ports_of(KeyStore& key) const { return {&key, pinned, {device->identity()}, random}; }

 private:
  std::vector<Identity> listed() const {
    Identity publisher;
    static_cast<PublicIdentity&>(publisher) = device->identity();
    publisher.publish = {std::string(cost_topic)};
    Identity subscriber;
    static_cast<PublicIdentity&>(subscriber) = app->identity();
    subscriber.subscribe = {std::string(cost_topic)};
    return {publisher, subscriber};
  }
};

// -- SL1: both profiles have the same parts

Result<Buffer> forward(BrokerScheme& broker, const Scene& scene, Bytes frame) {
  auto opened = TRY(broker.open({cost_topic, frame}, scene));
  Buffer out;
  TRY(broker.seal({opened->topic, opened->payload, frame, broker.info().name, opened->author}, scene, out));
  return out;
}

Result<> run_sl1(Ledger& ledger, Parties& with, std::string_view profile) {
  const bool hardened = profile == "hardened";
  const Scheme& scheme = *find_scheme(hardened ? "sl1" : "sl1@paper");
  auto broker = scheme.broker_side(BrokerPorts{*with.broker, with.random});
  auto device = TRY(scheme.client_side(with.ports_of(*with.device)));
  auto app = TRY(scheme.client_side(with.ports_of(*with.app)));
  const Scene scene{with.now, with.directory};
  const auto publish = [&] { return device->protect(cost_topic, with.payload, with.now); };

  const std::string_view signed_request = hardened ? remarks::signed_request : "";
  auto request =
      TRY(ledger.step({"sl1", profile, subscribing, by_subscriber, "asks: SL1_1", table_2::sl1_subscribe, signed_request},
                      [&] { return app->subscribe_request(cost_topic, {}, with.now); }));
  ledger.sent(request->payload);
  TRY(ledger.step({"sl1", profile, subscribing, by_broker, "takes it", table_2::sl1_subscribe, signed_request}, [&] {
    return broker->read_request({request->topic, request->payload}, scene);
  }));

  // The first message of an author costs more: its key is decoded and, in the hardened form, a listing is made.
  Buffer first = TRY(publish());
  if (!hardened) {
    Buffer forwarded = TRY(forward(*broker, scene, first));
    TRY(app->unprotect({cost_topic, forwarded}, with.now));
  } else {
    Buffer listed = TRY(ledger.step(
        {"sl1", profile, publishing, by_broker, "a listing's first message", table_2::sl1_publish_broker, remarks::listing},
        [&] { return forward(*broker, scene, first); }));
    ledger.sent(listed);
    TRY(ledger.step({"sl1", profile, publishing, by_subscriber, "a listing's first message", table_2::sl1_publish_subscriber,
                     remarks::listing},
                    [&] {
                      return app->unprotect({cost_topic, listed}, with.now);
                    }));
  }
  Buffer frame =
      TRY(ledger.step({"sl1", profile, publishing, by_publisher, "signs: SL1_2", table_2::sl1_publish_publisher}, publish));
  ledger.sent(frame);
  Buffer forwarded = TRY(ledger.step({"sl1", profile, publishing, by_broker, "verifies, forwards", table_2::sl1_publish_broker},
                                     [&] { return forward(*broker, scene, frame); }));
  ledger.sent(forwarded);
  TRY(ledger.step({"sl1", profile, publishing, by_subscriber, "verifies", table_2::sl1_publish_subscriber}, [&] {
    return app->unprotect({cost_topic, forwarded}, with.now);
  }));
  return {};
}

// -- SL2

Result<> run_sl2_paper(Ledger& ledger, Parties& with) {
  const auto& to_broker = with.rabin.public_key();
  std::array<std::uint8_t, sl2::subscription_key_size> key{};
  Buffer request =
      TRY(ledger.step({"sl2", "paper", subscribing, by_subscriber, "asks: SL2_1", table_2::sl2_subscribe_subscriber}, [&] {
        with.random.fill(key);
        return sl2::seal(sl2::PaperSubscribe{cost_topic, key}, to_broker, with.random);
      }));
  ledger.sent(request);
  auto broker_key = TRY(ledger.step({"sl2", "paper", subscribing, by_broker, "takes it", table_2::sl2_subscribe_broker},
                                    [&]() -> Result<crypto::AesGcm> {
                                      Bytes c = TRY(sl2::decode_paper_sealed(request, sl2::paper_sl2_1));
                                      Secret data = TRY(crypto::rabin::decrypt(with.rabin, c));
                                      return crypto::AesGcm(TRY(sl2::decode_paper_subscribe(data.reveal())).key);
                                    }));

  Buffer published = TRY(ledger.step(
      {"sl2", "paper", publishing, by_publisher, "signs, seals: SL2_2", table_2::sl2_publish_publisher}, [&]() -> Result<Buffer> {
        sl2::PaperMessage message{cost_topic, with.author(), with.payload, with.now.wall, {}};
        message.signature = TRY(malina::sign(*with.device, sl2::statement_of(message)));
        return sl2::seal(message, to_broker, with.random);
      }));
  ledger.sent(published);
  Buffer delivered =
      TRY(ledger.step({"sl2", "paper", publishing, by_broker, "opens, verifies, seals: SL2_3", table_2::sl2_publish_broker},
                      [&]() -> Result<Buffer> {
                        Bytes c = TRY(sl2::decode_paper_sealed(published, sl2::paper_sl2_2));
                        Secret data = TRY(crypto::rabin::decrypt(with.rabin, c));
                        auto message = TRY(sl2::decode_paper_message(data.reveal()));
                        auto author = TRY(with.known_to_broker.find(message.id, true));
                        if (!malina::verify(author, sl2::statement_of(message), message.signature))
                          return fail(Blame::peer_misbehaved, "the signature does not verify");
                        Buffer out;
                        sl2::seal(sl2::PaperDelivery{message.topic, message.message, message.time, message.signature}, broker_key,
                                  with.random, out);
                        return out;
                      }));
  ledger.sent(delivered);
  crypto::AesGcm app_key{Bytes(key)};
  TRY(ledger.step({"sl2", "paper", publishing, by_subscriber, "opens", table_2::sl2_publish_subscriber}, [&]() -> Result<> {
    Buffer plaintext = TRY(sl2::open_paper_delivery(delivered, app_key));
    TRY(sl2::decode_paper_delivery(plaintext));
    return {};
  }));
  return {};
}

/// The broker's part of a message, without or with an authority.
Result<Buffer> take_and_deliver(Parties& with, Bytes frame, sl2::DeliverySender& sender, const sl2::EscrowKey* authority) {
  auto sealed = TRY(sl2::decode_sealed(frame, sl2::type_sl2_2));
  Secret key = crypto::rabin::decapsulate(with.rabin, sealed.c);
  Secret plaintext = TRY(sl2::open(sealed, key, with.pinned.id));
  auto message = TRY(sl2::decode_message(plaintext.reveal()));
  auto author = TRY(with.known_to_broker.find(message.id, true));
  if (!malina::verify(author, sl2::statement_of(message, with.pinned.id), message.signature))
    return fail(Blame::peer_misbehaved, "the signature does not verify");
  Buffer escrow;
  if (authority != nullptr)
    escrow = authority->seal(message.topic, message.time, {message.id, message.sequence, message.signature}, with.random);
  Buffer out;
  sender.seal({message.topic, message.message, message.time, escrow}, out);
  return out;
}

Result<> open_delivery(sl2::DeliveryKey& key, Bytes frame) {
  auto decoded = TRY(sl2::decode_delivery_frame(frame));
  Buffer plaintext = TRY(key.open(decoded));
  TRY(sl2::decode_delivery(plaintext, decoded.counter));
  return {};
}

Result<> run_sl2_hardened(Ledger& ledger, Parties& with) {
  const auto& to_broker = with.rabin.public_key();
  const std::string& broker_id = with.pinned.id;
  std::array<std::uint8_t, sl2::subscription_key_size> key{};
  Buffer request = ledger.step(
      {"sl2", "hardened", subscribing, by_subscriber, "asks: SL2_1", table_2::sl2_subscribe_subscriber, remarks::drawn}, [&] {
        with.random.fill(key);
        return sl2::seal(sl2::SubscribeRequest{with.now.wall, cost_topic, key, std::nullopt}, to_broker, broker_id, with.random);
      });
  ledger.sent(request);
  std::optional<sl2::DeliverySender> sender;
  Buffer confirmation = TRY(ledger.step({"sl2", "hardened", subscribing, by_broker, "takes it, confirms: SL2_3",
                                         table_2::sl2_subscribe_broker, remarks::sealed_request},
                                        [&]() -> Result<Buffer> {
                                          auto sealed = TRY(sl2::decode_sealed(request, sl2::type_sl2_1));
                                          Secret shared = crypto::rabin::decapsulate(with.rabin, sealed.c);
                                          Secret plaintext = TRY(sl2::open(sealed, shared, broker_id));
                                          auto asked = TRY(sl2::decode_subscribe(plaintext.reveal()));
                                          Buffer out;
                                          sender.emplace(asked, sl2::subscription_id(sealed.c), with.now.wall, out);
                                          return out;
                                        }));
  ledger.sent(confirmation);
  sl2::DeliveryKey app_key(key, sl2::subscription_id(TRY(sl2::decode_sealed(request, sl2::type_sl2_1)).c));
  TRY(ledger.step({"sl2", "hardened", subscribing, by_subscriber, "reads the confirmation"},
                  [&] { return open_delivery(app_key, confirmation); }));

  Buffer published = TRY(ledger.step(
      {"sl2", "hardened", publishing, by_publisher, "signs, seals: SL2_2", table_2::sl2_publish_publisher, remarks::drawn},
      [&]() -> Result<Buffer> {
        const std::uint64_t sequence = TRY(with.device->sequence().next());
        sl2::Message message{cost_topic, with.author(), with.payload, with.now.wall, sequence, {}};
        message.signature = TRY(malina::sign(*with.device, sl2::statement_of(message, broker_id)));
        return sl2::seal(message, to_broker, broker_id, with.random);
      }));
  ledger.sent(published);
  Buffer delivered = TRY(ledger.step({"sl2", "hardened", publishing, by_broker, "opens, verifies, seals: SL2_3",
                                      table_2::sl2_publish_broker, remarks::sealed_message},
                                     [&] { return take_and_deliver(with, published, *sender, nullptr); }));
  ledger.sent(delivered);
  TRY(ledger.step({"sl2", "hardened", publishing, by_subscriber, "opens", table_2::sl2_publish_subscriber},
                  [&] { return open_delivery(app_key, delivered); }));

  auto authority = TRY(sl2::EscrowKey::from_sec1(with.authority->identity().keys.agreement));
  Buffer escrowed = TRY(ledger.step(
      {"sl2", "hardened", publishing, by_broker, "the same, with an authority", table_2::sl2_publish_broker, remarks::escrow},
      [&] { return take_and_deliver(with, published, *sender, &authority); }));
  ledger.sent(escrowed);
  TRY(ledger.step({"sl2", "hardened", publishing, by_subscriber, "opens, with an authority", table_2::sl2_publish_subscriber},
                  [&] { return open_delivery(app_key, escrowed); }));
  return {};
}

// -- SL3

Result<> run_sl3_paper(Ledger& ledger, Parties& with) {
  namespace paper = sl3::paper;
  auto asked =
      TRY(ledger.step({"sl3", "paper", subscribing, by_subscriber, "asks: SL3_1", table_2::sl3_subscribe_subscriber}, [&] {
        return paper::ClientSession::subscribe(cost_topic, *with.app, with.pinned, with.random, with.now);
      }));
  ledger.sent(asked.frame);
  auto subscribed = TRY(ledger.step({"sl3", "paper", subscribing, by_broker, "takes it", table_2::sl3_subscribe_broker},
                                    [&] { return paper::BrokerSession::subscribe(asked.frame, *with.broker, with.now); }));
  paper::Group group(with.random);
  group.join("control");
  (void)group.waiting(with.now);
  paper::GroupMember member(asked.session);
  Buffer group_key = TRY(group.seal_key("control", subscribed.session, with.now));
  TRY(member.take_key(group_key, asked.session, with.now));

  auto published =
      TRY(ledger.step({"sl3", "paper", publishing, by_publisher, "first message: SL3_2", table_2::sl3_publish_publisher}, [&] {
        return paper::ClientSession::publish(cost_topic, with.payload, *with.device, with.pinned, with.random, with.now);
      }));
  ledger.sent(published.frame);
  std::optional<paper::BrokerSession> source;
  Buffer delivered = TRY(ledger.step(
      {"sl3", "paper", publishing, by_broker, "opens, verifies, seals: SL3_4", table_2::sl3_publish_broker, remarks::author},
      [&]() -> Result<Buffer> {
        auto taken = TRY(paper::BrokerSession::publish(published.frame, *with.broker, with.now));
        source.emplace(std::move(taken.session));
        return subscribed.session.seal(taken.message->body, with.random, with.now);
      }));
  ledger.sent(delivered);
  TRY(ledger.step({"sl3", "paper", publishing, by_subscriber, "opens, verifies", table_2::sl3_publish_subscriber},
                  [&] { return asked.session.open(delivered, with.known_to_app, with.now); }));

  Buffer later = TRY(ledger.step({"sl3", "paper", publishing, by_publisher, "later messages: SL3_3"}, [&] {
    return published.session.protect(cost_topic, with.payload, *with.device, with.random, with.now);
  }));
  ledger.sent(later);
  Buffer body;
  Buffer sealed =
      TRY(ledger.step({"sl3", "paper", publishing, by_broker, "opens, verifies, seals: SL3_4"}, [&]() -> Result<Buffer> {
        auto taken = TRY(source->open(later, with.known_to_broker, with.now));
        body = taken->body;
        return subscribed.session.seal(taken->body, with.random, with.now);
      }));
  ledger.sent(sealed);
  Buffer for_group = TRY(ledger.step({"sl3", "paper", publishing, by_broker, "seals for a group: SL3_6", {}, remarks::group},
                                     [&] { return group.seal(body, with.now); }));
  ledger.sent(for_group);
  TRY(ledger.step({"sl3", "paper", publishing, by_subscriber, "opens, verifies in a group"},
                  [&] { return member.open(for_group, with.known_to_app, with.now); }));
  return {};
}

struct Sl3Session {
  sl3::ClientSession client;
  sl3::BrokerSession broker;
};

/// The exchange that makes a session, the same for both roles.
Result<Sl3Session> run_sl3_exchange(Ledger& ledger, Parties& with, sl3::Role role) {
  const bool subscribes = role == sl3::Role::subscriber;
  const CostPhase phase = subscribes ? subscribing : publishing;
  const CostRole client = subscribes ? by_subscriber : by_publisher;
  // Table 2 has the publisher's session in the costs of its message.
  std::optional<Operations> asks, takes;
  if (subscribes) {
    asks = table_2::sl3_subscribe_subscriber;
    takes = table_2::sl3_subscribe_broker;
  }
  KeyStore& key = subscribes ? *with.app : *with.device;
  auto request = TRY(ledger.step(
      {"sl3", "hardened", phase, client, subscribes ? "asks: SL3_1" : "asks for a session: SL3_2", asks, remarks::exchange},
      [&] { return sl3::ClientRequest::make(role, cost_topic, key, with.pinned, with.random, with.now); }));
  ledger.sent(request.frame());
  auto answered = TRY(ledger.step({"sl3", "hardened", phase, by_broker, "verifies, answers", takes, remarks::exchange},
                                  [&]() -> Result<sl3::BrokerSession::Answered> {
                                    auto read = TRY(sl3::BrokerSession::read_request(request.frame(), *with.broker, with.now));
                                    return sl3::BrokerSession::answer(read, with.random, with.now);
                                  }));
  ledger.sent(answered.frame);
  auto session = TRY(ledger.step({"sl3", "hardened", phase, client, "takes the answer", {}, remarks::exchange},
                                 [&] { return request.take(answered.frame, with.now); }));
  return Sl3Session{std::move(session), std::move(answered.session)};
}

Result<> run_sl3_hardened(Ledger& ledger, Parties& with) {
  auto app = TRY(run_sl3_exchange(ledger, with, sl3::Role::subscriber));
  auto device = TRY(run_sl3_exchange(ledger, with, sl3::Role::publisher));
  sl3::Group group(with.random);
  group.join("control");
  (void)group.waiting(with.now);
  auto member = TRY(sl3::GroupMember::make(app.client));
  Buffer group_key = TRY(group.seal_key("control", app.broker, with.now));
  TRY(member.take_key(group_key, app.client, with.now));

  Buffer frame = TRY(ledger.step(
      {"sl3", "hardened", publishing, by_publisher, "signs, seals: SL3_3", table_2::sl3_publish_publisher, remarks::in_session},
      [&] { return device.client.protect(cost_topic, with.payload, *with.device, with.now); }));
  ledger.sent(frame);
  Buffer body;
  Buffer delivered = TRY(ledger.step(
      {"sl3", "hardened", publishing, by_broker, "opens, seals: SL3_4", table_2::sl3_publish_broker, remarks::by_session},
      [&]() -> Result<Buffer> {
        auto taken = TRY(device.broker.open(frame, sl3::AuthorCheck::session, with.pinned.id, with.known_to_broker, with.now));
        body = taken->body;
        return app.broker.seal(taken->body, with.now);
      }));
  ledger.sent(delivered);
  TRY(ledger.step({"sl3", "hardened", publishing, by_subscriber, "opens, verifies", table_2::sl3_publish_subscriber},
                  [&] { return app.client.open(delivered, with.known_to_app, with.now); }));
  Buffer for_group =
      TRY(ledger.step({"sl3", "hardened", publishing, by_broker, "seals for a group: SL3_6", {}, remarks::signed_group},
                      [&] { return group.seal(body, *with.broker, with.now); }));
  ledger.sent(for_group);
  TRY(ledger.step({"sl3", "hardened", publishing, by_subscriber, "opens, verifies in a group", {}, remarks::signed_group},
                  [&] { return member.open(for_group, with.known_to_app, with.now); }));
  return {};
}

Result<> run_all(Ledger& ledger, Parties& with) {
  TRY(run_sl1(ledger, with, "paper"));
  TRY(run_sl1(ledger, with, "hardened"));
  TRY(run_sl2_paper(ledger, with));
  TRY(run_sl2_hardened(ledger, with));
  TRY(run_sl3_paper(ledger, with));
  return run_sl3_hardened(ledger, with);
}

// -- the table

/// Each text once, in order of appearance; a number is its place, from 1.
class Remarks {
 public:
  std::size_t number_of(std::string_view text) {
    auto found = std::find(texts_.begin(), texts_.end(), text);
    if (found == texts_.end()) found = texts_.insert(found, text);
    return static_cast<std::size_t>(found - texts_.begin()) + 1;
  }
  const std::vector<std::string_view>& texts() const { return texts_; }

 private:
  std::vector<std::string_view> texts_;
};

}  // namespace

std::string_view name(CostRole role) {
  switch (role) {
    case CostRole::publisher:
      return "publisher";
    case CostRole::broker:
      return "broker";
    case CostRole::subscriber:
      break;
  }
  return "subscriber";
}

std::string_view name(CostPhase phase) {
  return phase == CostPhase::subscribe ? "subscribe" : "publish";
}

Result<std::vector<CostRow>> measure_costs(const crypto::rabin::PrivateKey& rabin, Random& random, Now now, unsigned repeat) {
  Parties parties(rabin, random, now);
  Ledger ledger;
  for (unsigned round = 0; round < std::max(repeat, 1U); ++round) {
    ledger.begin_round();
    TRY(run_all(ledger, parties));
  }
  return ledger.rows();
}

std::string to_text(const Operations& operations) {
  std::string text;
  const auto add = [&text](std::uint64_t times, const char* kind) {
    if (times == 0) return;
    if (!text.empty()) text += '+';
    text.append(std::to_string(times)).append(kind);
  };
  add(operations.rad, "RAD");
  add(operations.sm, "SM");
  add(operations.m, "M");
  add(operations.a, "A");
  add(operations.h, "H");
  add(operations.aes, "AES");
  return text.empty() ? "0" : text;
}

std::string cost_table(const std::vector<CostRow>& rows) {
  std::ostringstream out;
  const auto line = [&out](const std::string& scheme, std::string_view phase, std::string_view role, std::string_view what,
                           const std::string& paper, const std::string& counted, const std::string& time,
                           const std::string& bytes, const std::string& remark) {
    std::ostringstream text;
    text << std::left << std::setw(10) << scheme << std::setw(10) << phase << std::setw(11) << role << std::setw(30) << what
         << std::setw(20) << paper << std::setw(20) << counted << std::right << std::setw(7) << time << std::setw(6) << bytes
         << (remark.empty() ? "" : "  ") << remark;
    out << text.str() << '\n';
  };
  line("scheme", "phase", "role", "step", "paper", "counted", "us", "bytes", "");
  Remarks remarks;
  std::string_view scheme, profile;
  for (const CostRow& row : rows) {
    const CostStep& step = row.step;
    if (!scheme.empty() && (scheme != step.scheme || profile != step.profile)) out << '\n';
    scheme = step.scheme;
    profile = step.profile;
    std::ostringstream time;
    time << std::fixed << std::setprecision(1) << row.microseconds;
    line(std::string(scheme) + (profile == "paper" ? "@paper" : ""), name(step.phase), name(step.role), step.what,
         step.paper ? to_text(*step.paper) : "-", to_text(row.counted), time.str(),
         row.bytes == 0 ? "-" : std::to_string(row.bytes),
         step.remark.empty() ? "" : std::to_string(remarks.number_of(step.remark)));
  }
  out << '\n';
  for (std::size_t i = 0; i < remarks.texts().size(); ++i)
    out << std::right << std::setw(2) << i + 1 << "  " << remarks.texts()[i] << '\n';
  return out.str();
}

}  // namespace sealmq::cli
