#include "schemes/scacauth/paper_login.h"

#include <variant>

#include "base/text.h"
#include "base/try.h"
#include "mqtt/packet.h"
#include "mqtt/wire.h"
#include "schemes/scacauth/paper_payloads.h"
#include "sealmq/registry.h"

namespace sealmq::scacauth {
namespace {

constexpr std::uint8_t protocol_error = 0x82;

Failure not_as_published(const char* what) {
  return fail(Blame::peer_misbehaved, what, protocol_error);
}

/// What the scheme wants of CONNECT, beside the method and the client identifier.
Result<> check_connect(Bytes encoded, bool allows_will) {
  if (encoded.empty()) return not_as_published("this login is not for logging in again");
  const auto header = TRY(mqtt::decode_header(encoded, mqtt::Version::v5));
  if (!header) return not_as_published("no CONNECT");
  const auto connect = TRY(mqtt::decode_connect(encoded.subspan(header->size)));
  if (connect.user_name || connect.password) return not_as_published("a user name or password beside the method");
  if (!connect.clean_start || connect.properties.session_expiry_interval.value_or(0) != 0)
    return not_as_published("a session that is to outlive the connection, whose keys do not");
  if (connect.properties.receive_maximum.value_or(0xFFFF) != 1) return not_as_published("Receive Maximum is not 1");
  if (!connect.properties.request_problem_information.value_or(true))
    return not_as_published("PUBREL may have no user properties");
  if (connect.will && connect.will->qos != mqtt::QoS::exactly_once) return not_as_published("a Will whose QoS is not 2");
  if (connect.will && !allows_will) return fail(Blame::not_authorised, "a Will, which nothing would protect");
  return {};
}

struct ExpectStep1 {};
struct ExpectStep3 {
  std::string uid;
  Secret expected;  // UID || RN1 || RNp || RNs
};
struct Failed {};

Secret joined(std::initializer_list<Bytes> parts) {
  std::size_t size = 0;
  for (const Bytes part : parts) size += part.size();
  Buffer all;
  all.reserve(size);
  for (const Bytes part : parts) append(all, part);
  return Secret(std::move(all));
}

}  // namespace

// -- the broker's side

class PaperBrokerSide final : public Login {
 public:
  PaperBrokerSide(const PaperPlace& place, const Method& method, LoginRequest& request)
      : place_(place), method_(method), client_id_(request.client_id), connect_(request.connect.reveal()) {
    tested_ = Tested::held_off;
  }

  Result<Step> advance(Bytes in, const Scene& scene) override {
    auto state = std::exchange(state_, Failed{});
    return std::visit([&](auto& s) { return on(s, in, scene); }, state);
  }

 private:
  Result<Step> on(ExpectStep1&, Bytes in, const Scene& scene) {
    TRY(check_connect(connect_.reveal(), place_.allows_plain_will_));
    const Step1 step = TRY(decode_step1(method_, in));
    const std::string uid(step.uid);
    const Identity* known = scene.directory.find(uid);
    const bool has_key = known != nullptr && has_keys(method_, known->keys);
    // Of the broker itself if there is no other, which takes as long and never verifies for it.
    const PublicKeys& keys = has_key ? known->keys : place_.key_->identity().keys;
    const auto proved = recover(method_, keys, step.proof, uid_size + method_.key_size());
    if (uid != client_id_) return refuse(uid, "its client identifier is another one");
    if (known == nullptr) return refuse(uid, "not on the list");
    if (known->status != Status::active) return refuse(uid, "not active");
    if (!has_key) return refuse(uid, "has no key for this method");
    if (!proved || !same(Bytes(*proved).first(uid_size), as_bytes(uid))) return refuse(uid, "not made with its key");

    const Secret publisher = new_key(), subscriber = new_key();
    const Bytes rn1 = Bytes(*proved).subspan(uid_size);
    const Secret sent = joined({as_bytes(uid), publisher.reveal(), subscriber.reveal()});
    const Buffer proof = TRY(prove(method_, *place_.key_, *proved));
    const Buffer sealed = TRY(seal_for(method_, known->keys, sent.reveal(), *place_.random_));
    state_.emplace<ExpectStep3>(ExpectStep3{uid, joined({as_bytes(uid), rn1, publisher.reveal(), subscriber.reveal()})});
    return reply(encode(Step2{proof, sealed}));
  }

  Result<Step> on(ExpectStep3& state, Bytes in, const Scene&) {
    const Bytes sealed = TRY(decode_step3(method_, in));
    const std::size_t size = method_.key_size();
    const Bytes expected = state.expected.reveal();
    const bool is_applets =
        place_.allows_card_v2_ && TRY(holds(sealed, joined({expected.first(uid_size), expected.last(2 * size)})));
    const bool is_papers = TRY(holds(sealed, state.expected));
    if (!is_papers && !is_applets) return refuse(state.uid, "has not got the keys");
    PaperKeys keys;
    keys.publisher = Secret(expected.subspan(uid_size + size, size));
    keys.subscriber = Secret(expected.last(size));
    LoggedIn who;
    who.identity = state.uid;
    who.binds_client_id = true;
    who.guard = guard_at_broker(method_, is_applets ? Form::card_v2 : Form::paper, state.uid, std::move(keys), *place_.random_);
    return done(std::move(who), {});
  }

  Result<Step> on(Failed&, Bytes, const Scene&) { return fail(Blame::peer_misbehaved, "its login has failed already"); }

  /// Compared and nothing else, so that nobody learns why it differs.
  Result<bool> holds(Bytes sealed, const Secret& expected) const {
    if (sealed.size() != sealed_size(method_, expected.size())) return false;
    const Secret told = TRY(unseal(method_, *place_.key_, sealed, expected.size(), *place_.random_));
    return same(told.reveal(), expected.reveal());
  }

  static Failure refuse(std::string_view uid, const char* why) {
    return fail(Blame::not_authorised, printable(uid) + ": " + why);
  }

  Secret new_key() const {
    Buffer key(method_.key_size());
    place_.random_->fill(key);
    return Secret(std::move(key));
  }

  const PaperPlace place_;
  const Method method_;
  std::string client_id_;
  Secret connect_;
  std::variant<ExpectStep1, ExpectStep3, Failed> state_;
};

PaperPlace::PaperPlace(const BrokerPorts& ports)
    : key_(&ports.key),
      random_(&ports.random),
      methods_(AllowList::make(ports.options, Profile::paper).value_or(AllowList())),
      allows_card_v2_(is_on(ports.options, "scacauth.card_v2")),
      allows_plain_will_(is_on(ports.options, "scacauth.plain_will")) {}

std::unique_ptr<Login> PaperPlace::begin(LoginRequest& request) const {
  const Method* method = methods_.find(request.method);
  if (method == nullptr || !has_keys(*method, key_->identity().keys)) return nullptr;
  return std::make_unique<PaperBrokerSide>(*this, *method, request);
}

// -- the client's side

namespace {

class PaperClientSide final : public ClientLogin {
 public:
  PaperClientSide(const Method& method, SmartCard& card) : method_(to_text(method)), card_(card) {}

  std::string_view method() const override { return method_; }
  bool makes_key() const override { return false; }
  std::string_view farewell() const override { return "Auth Error"; }
  Result<Buffer> first() override { return card_.auth_step_1(); }

  Result<Buffer> answer(Bytes data) override {
    if (std::exchange(has_answered_, true)) return fail(Blame::peer_misbehaved, "the broker goes on after its answer");
    TRY(card_.auth_step_2(data));
    return card_.auth_step_3();
  }

  Result<Secret> finish(Bytes data, std::string_view) override {
    if (!has_answered_) return fail(Blame::peer_misbehaved, "the broker accepts before it was asked to");
    if (!data.empty()) return fail(Blame::peer_misbehaved, "the broker says more than this login has");
    return Secret();
  }

  std::unique_ptr<PayloadGuard> guard() override { return guard_at_client(card_); }

 private:
  std::string method_;
  SmartCard& card_;
  bool has_answered_ = false;
};

}  // namespace

std::unique_ptr<ClientLogin> begin_paper_client_login(const Method& method, SmartCard& card) {
  return std::make_unique<PaperClientSide>(method, card);
}

}  // namespace sealmq::scacauth
