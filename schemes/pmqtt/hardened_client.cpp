// An end of PMQTT-2, patient's or doctor's: it writes to the partners it was given and reads what they write, under keys that no
// broker learns.
#include <algorithm>
#include <set>

#include "base/try.h"
#include "mqtt/topic.h"
#include "schemes/pmqtt/login_client.h"
#include "schemes/pmqtt/partner.h"
#include "schemes/pmqtt/partners.h"
#include "schemes/pmqtt/pmqtt.h"

namespace sealmq::pmqtt {
namespace {

Failure refused(std::string why) {
  return fail(Blame::peer_misbehaved, std::move(why));
}

class ClientSide : public ClientScheme {
 public:
  ClientSide(const SchemeInfo& info, Topics topics, const ClientPorts& ports, std::vector<Partner> partners)
      : info_(info),
        topics_(std::move(topics)),
        own_(ports.key->identity().name),
        partners_(std::move(partners)),
        logins_(ports) {}

  const SchemeInfo& info() const override { return info_; }

  std::vector<Inbox> inboxes() const override {
    std::vector<Inbox> all;
    for (const Partner& partner : partners_) {
      all.push_back({topics_.exchange(partner.name(), own_), 1});
      all.push_back({topics_.messages(partner.name(), own_) + "/#", 2});
    }
    return all;
  }
  std::vector<std::string> addresses(std::string_view topic) const override {
    std::vector<std::string> all;
    for (const Partner& partner : partners_) all.push_back(topics_.message(own_, partner.name(), topic));
    return all;
  }

  void connected(Now) override {
    for (Partner& partner : partners_) partner.connected();
  }

  Result<std::unique_ptr<ClientLogin>> begin_login(const ClientLoginRequest& request) override { return logins_.begin(request); }

  // -- publishing

  bool may_publish(std::string_view address, Now now) override {
    Partner* partner = addressed(address);
    return partner == nullptr || partner->may_publish(now);  // protect() tells
  }
  Result<Buffer> protect(std::string_view address, Bytes payload, Now now) override {
    Partner* partner = addressed(address);
    if (partner == nullptr) return fail(Blame::caller_misused, "addressed to nobody who was named");
    auto frame = partner->protect(address, payload, now);
    delivery_ = partner->delivery();
    return frame;
  }
  std::uint64_t delivery() const override { return delivery_; }
  bool is_current(std::uint64_t delivery, Now now) const override {
    const auto place = Partner::place_of(delivery);
    return place < partners_.size() && partners_[place].is_current(delivery, now);
  }
  std::vector<Delivered> deliveries() override {
    std::vector<Delivered> all;
    for (Partner& partner : partners_)
      for (const Delivered& delivered : partner.deliveries()) all.push_back(delivered);
    return all;
  }
  std::string awaited(std::string_view address) const override {
    const auto read = topics_.read(address);
    return read ? std::string(read->to) : std::string();
  }

  // -- subscribing

  Result<> subscribe(std::string_view filter, Now) override {
    if (!mqtt::is_topic_filter(filter)) return fail(Blame::caller_misused, "not a filter for a subscription under this scheme");
    filters_.emplace(filter);
    for (Partner& partner : partners_) partner.listen();
    return {};
  }
  void unsubscribe(std::string_view filter) override {
    const auto at = filters_.find(filter);
    if (at != filters_.end()) filters_.erase(at);
  }
  void taken(std::uint64_t delivery) override { answer(delivery, Verdict::taken); }

  // -- what goes and comes

  Result<std::optional<Request>> next_request(Now now) override {
    for (Partner& partner : partners_)
      if (auto request = TRY(partner.next_request(now))) return request;
    return std::nullopt;
  }
  void request_refused(const Request& request) override {
    if (Partner* partner = addressed(request.topic)) partner->request_refused();
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    const auto address = topics_.read(message.topic);
    if (!address || address->to != own_) return refused("not addressed to this end");
    const auto partner = std::ranges::find_if(partners_, [&](const Partner& its) { return its.name() == address->from; });
    if (partner == partners_.end()) return refused("from somebody who was not named");
    if (address->is_exchange) {
      if (message.retain) return refused("was kept by the broker: keys are agreed on afresh");
      TRY(partner->take_exchange(message.payload, now));
      return verified(Received{.what = Received::What::own});
    }
    auto taken = TRY(partner->take_frame(message.topic, message.payload, message.at_least_once, now));
    if (!taken.message) return verified(Received{.what = Received::What::own});

    Received received;
    received.topic = address->topic.empty() ? message.topic : address->topic;
    const bool is_wanted =
        std::ranges::any_of(filters_, [&](const std::string& filter) { return mqtt::matches(filter, received.topic); });
    if (!is_wanted) {
      answer(taken.delivery, Verdict::unwanted);
      return verified(Received{.what = Received::What::own});
    }
    received.payload = std::move(taken.message->plaintext);
    received.author = partner->name();
    received.checked = "sealed for this end by " + partner->name() + ", unchanged, new";
    received.delivery = taken.delivery;
    received.notice = tell_gap(taken.message->missing, taken.message->late);
    return verified(std::move(received));
  }

 private:
  Partner* addressed(std::string_view topic) {
    const auto address = topics_.read(topic);
    if (!address || address->from != own_) return nullptr;
    const auto partner = std::ranges::find_if(partners_, [&](const Partner& its) { return its.name() == address->to; });
    return partner == partners_.end() ? nullptr : &*partner;
  }
  void answer(std::uint64_t delivery, Verdict verdict) {
    const auto place = Partner::place_of(delivery);
    if (delivery != 0 && place < partners_.size()) partners_[place].answer(delivery, verdict);
  }

  const SchemeInfo& info_;
  Topics topics_;
  std::string own_;
  std::vector<Partner> partners_;
  std::set<std::string, std::less<>> filters_;
  std::uint64_t delivery_ = 0;
  ClientLogins logins_;
};

Result<std::unique_ptr<ClientScheme>> make(const SchemeInfo& info, ClientPorts ports) {
  TRY(check_ends(ports, info.name));
  auto topics = TRY(Topics::make(ports.options, info.name));
  std::vector<Partner> partners;
  for (const PublicIdentity& peer : ports.peers) {
    auto key = TRY(crypto::ecdsa::VerifyingKey::from_sec1(peer.keys.ecdsa));
    const auto place = static_cast<std::uint32_t>(partners.size());
    partners.emplace_back(place, Pinned{peer.name, std::move(key)}, topics, *ports.key, ports.random);
  }
  return std::make_unique<ClientSide>(info, std::move(topics), ports, std::move(partners));
}

}  // namespace

Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts ports) {
  return make(hardened_info, std::move(ports));
}
Result<std::unique_ptr<ClientScheme>> smqtt_client(ClientPorts ports) {
  return make(smqtt_info, std::move(ports));
}

}  // namespace sealmq::pmqtt
