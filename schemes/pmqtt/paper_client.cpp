// An end of PMQTT as published. Nothing tells it whose point it got, and nothing whether a message is what was sent: it is here
// to be studied and attacked.
#include <algorithm>
#include <set>

#include "base/try.h"
#include "mqtt/topic.h"
#include "schemes/pmqtt/login_client.h"
#include "schemes/pmqtt/paper_frames.h"
#include "schemes/pmqtt/partners.h"
#include "schemes/pmqtt/pmqtt.h"

namespace sealmq::pmqtt {
namespace {

constexpr std::uint64_t between_points = 5'000;  // milliseconds, while nobody answers

Failure refused(std::string why) {
  return fail(Blame::peer_misbehaved, std::move(why));
}

/// One key for both directions, agreed on by whoever publishes first.
struct Partner {
  std::string name;
  std::optional<crypto::AgreementKey> ephemeral;  ///< of a point that waits for the other one
  std::optional<Secret> key;
  bool wants_key = false;
  std::uint64_t next_point = 0;  ///< steady
  std::optional<Buffer> answer;  ///< our point, to be sent
};

class ClientSide : public ClientScheme {
 public:
  ClientSide(Topics topics, const ClientPorts& ports, std::vector<Partner> partners)
      : topics_(std::move(topics)),
        own_(ports.key->identity().name),
        partners_(std::move(partners)),
        random_(ports.random),
        logins_(ports) {}

  const SchemeInfo& info() const override { return paper_info; }
  Result<std::unique_ptr<ClientLogin>> begin_login(const ClientLoginRequest& request) override {
    return logins_.begin_paper(request);
  }

  std::vector<Inbox> inboxes() const override {
    std::vector<Inbox> all;
    for (const Partner& partner : partners_) {
      all.push_back({topics_.exchange(partner.name, own_), 1});
      all.push_back({topics_.messages(partner.name, own_) + "/#", 2});
    }
    return all;
  }
  std::vector<std::string> addresses(std::string_view topic) const override {
    std::vector<std::string> all;
    for (const Partner& partner : partners_) all.push_back(topics_.message(own_, partner.name, topic));
    return all;
  }
  std::string awaited(std::string_view address) const override {
    const auto read = topics_.read(address);
    return read ? std::string(read->to) : std::string();
  }

  bool may_publish(std::string_view address, Now) override {
    Partner* partner = addressed(address);
    if (partner == nullptr || partner->key) return true;  // protect() tells
    partner->wants_key = true;
    return false;
  }
  Result<Buffer> protect(std::string_view address, Bytes payload, Now) override {
    const Partner* partner = addressed(address);
    if (partner == nullptr || !partner->key) return fail(Blame::caller_misused, "there is no key for this topic");
    return paper::seal(*partner->key, payload, random_);
  }

  Result<> subscribe(std::string_view filter, Now) override {
    if (!mqtt::is_topic_filter(filter)) return fail(Blame::caller_misused, "not a filter for a subscription under this scheme");
    filters_.emplace(filter);
    return {};
  }
  void unsubscribe(std::string_view filter) override {
    const auto at = filters_.find(filter);
    if (at != filters_.end()) filters_.erase(at);
  }

  Result<std::optional<Request>> next_request(Now now) override {
    for (Partner& partner : partners_) {
      if (partner.answer) {
        Request request{topics_.exchange(own_, partner.name), *std::move(partner.answer)};
        partner.answer.reset();
        return request;
      }
      if (!partner.wants_key || now.steady < partner.next_point) continue;
      partner.next_point = now.steady + between_points;
      partner.ephemeral.emplace(crypto::AgreementKey::generate(random_));
      return Request{topics_.exchange(own_, partner.name), paper::exchange_frame(*partner.ephemeral)};
    }
    return std::nullopt;
  }
  void request_refused(const Request& request) override {
    if (Partner* partner = addressed(request.topic)) partner->wants_key = false;
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now) override {
    const auto address = topics_.read(message.topic);
    if (!address || address->to != own_) return refused("not addressed to this end");
    Partner* partner = named(address->from);
    if (partner == nullptr) return refused("from somebody who was not named");
    if (address->is_exchange) {
      TRY(take_point(*partner, message.payload));
      return verified(Received{.what = Received::What::own});
    }
    Received received;
    received.what = Received::What::own;
    if (!partner->key) return verified(std::move(received));
    auto plaintext = paper::open(*partner->key, message.payload);
    if (!plaintext) return verified(std::move(received));  // as published: dropped, without a word
    received.topic = address->topic.empty() ? message.topic : address->topic;
    if (std::ranges::none_of(filters_, [&](const std::string& filter) { return mqtt::matches(filter, received.topic); }))
      return verified(std::move(received));
    received.what = Received::What::message;
    received.payload = *std::move(plaintext);
    received.checked = "that it decrypts; not who wrote it, nor whether it was changed or sent before";
    return verified(std::move(received));
  }

 private:
  Result<> take_point(Partner& partner, Bytes frame) {
    const auto point = TRY(paper::decode_exchange(frame));
    if (partner.ephemeral) {
      partner.key.emplace(TRY(paper::session_key(*partner.ephemeral, point)));
      partner.ephemeral.reset();
      partner.wants_key = false;
      return {};
    }
    if (filters_.empty()) return {};  // nobody reads here
    const auto ephemeral = crypto::AgreementKey::generate(random_);
    partner.key.emplace(TRY(paper::session_key(ephemeral, point)));
    partner.answer = paper::exchange_frame(ephemeral);
    return {};
  }

  Partner* named(std::string_view name) {
    const auto partner = std::ranges::find(partners_, name, &Partner::name);
    return partner == partners_.end() ? nullptr : &*partner;
  }
  Partner* addressed(std::string_view topic) {
    const auto address = topics_.read(topic);
    return address && address->from == own_ ? named(address->to) : nullptr;
  }

  Topics topics_;
  std::string own_;
  std::vector<Partner> partners_;
  Random& random_;
  std::set<std::string, std::less<>> filters_;
  ClientLogins logins_;
};

}  // namespace

Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports) {  // NOLINT(performance-unnecessary-value-param)
  TRY(check_ends(ports, paper_info.name));
  auto topics = TRY(Topics::make(ports.options, paper_info.name));
  std::vector<Partner> partners;
  for (const PublicIdentity& peer : ports.peers) partners.push_back(Partner{.name = peer.name});
  return std::make_unique<ClientSide>(std::move(topics), ports, std::move(partners));
}

}  // namespace sealmq::pmqtt
