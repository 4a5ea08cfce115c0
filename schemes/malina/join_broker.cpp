#include "schemes/malina/join_broker.h"

#include "base/try.h"
#include "schemes/malina/frame.h"
#include "schemes/malina/join.h"
#include "schemes/malina/revocation.h"

namespace sealmq::malina {
namespace {

constexpr std::uint64_t point_is_remembered = 24 * 60 * 60 * 1000ULL;  // as long as any key that a point leads to

class Registration : public Preparation {
 public:
  Registration(const Incoming& incoming, Profile profile, const BrokerPorts& ports)
      : topic_(incoming.topic),
        frame_(to_buffer(incoming.payload)),
        now_(incoming.now),
        profile_(profile),
        key_(ports.key),
        random_(ports.random),
        registrar_(*ports.registrar) {}

  bool waits() const override { return true; }
  void run() override { outcome_ = topic_ == join_topic ? join() : order(); }
  Result<Registered> outcome() { return std::move(outcome_); }

 private:
  Result<Registered> join() {
    const bool is_paper = profile_ == Profile::paper;
    auto read = TRY(is_paper ? read_paper_join(frame_, key_, now_) : read_join(frame_, key_, now_));
    const Joining& joining = *read.joining;
    auto joined = registrar_.join(joining.ticket, joining.keys, joining.all_keys_proved, joining.rights.publish,
                                  joining.rights.subscribe, now_);
    const Id& id = joining.keys.schnorr;
    const JoinStatus status = joined ? JoinStatus::accepted : JoinStatus::refused;
    Registered registered;
    registered.reply = is_paper ? answer_paper_join(read.answer_key, status, id, random_, now_)
                                : answer_join(read.answer_key, status, id, random_, now_);
    // Strangers must not fill the memory; a copy of a refused one finds its ticket used up.
    if (joined) {
      ReplayMark mark;
      mark.author = id;
      mark.digest = read.used_point;
      mark.forget_after = now_.wall + point_is_remembered;
      registered.mark = mark;
    } else {
      registered.refusal = joined.error();
    }
    return registered;
  }

  Result<Registered> order() {
    TRY(registrar_.take_order(frame_, now_));
    return Registered{};
  }

  std::string topic_;
  Buffer frame_;
  Now now_;
  Profile profile_;
  KeyStore& key_;
  Random& random_;
  Registrar& registrar_;
  Result<Registered> outcome_ = fail(Blame::environment, "was not prepared");
};

}  // namespace

bool takes_registration(std::string_view topic) {
  return topic == join_topic || topic == authority_topic;
}

bool is_registration(const Incoming& incoming, Profile profile) {
  const bool joins = incoming.topic == join_topic;
  if (!joins && incoming.topic != authority_topic) return false;
  if (profile == Profile::paper) return begins(incoming.payload, joins ? "JOIN_" : "RVK1");
  return begins(incoming.payload, joins ? type_join : type_revocation_order);
}

bool is_join(const Incoming& incoming) {
  return incoming.topic == join_topic;
}

bool is_order(const Incoming& incoming) {
  return incoming.topic == authority_topic;
}

std::unique_ptr<Preparation> prepare_registration(const Incoming& incoming, Profile profile, const BrokerPorts& ports) {
  if (ports.registrar == nullptr) return nullptr;
  return std::make_unique<Registration>(incoming, profile, ports);
}

Result<Registered> registered(Preparation* prepared) {
  if (prepared == nullptr) return fail(Blame::not_authorised, "nobody registers here");
  return static_cast<Registration&>(*prepared).outcome();
}

}  // namespace sealmq::malina
