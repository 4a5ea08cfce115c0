// The device's and the application's part of SL1 as published. A subscriber pins its publishers: the paper gives it no list.
#include <algorithm>

#include "base/keyed_hash.h"
#include "base/try.h"
#include "mqtt/topic.h"
#include "schemes/malina/author_memory.h"
#include "schemes/malina/pinned.h"
#include "schemes/malina/revocation.h"
#include "schemes/malina/seen.h"
#include "schemes/sl1/messages.h"
#include "schemes/sl1/sl1.h"

namespace sealmq::sl1 {
namespace {

/// Of an author's messages on a topic.
struct LastTime {
  std::uint64_t time = 0;
  std::uint64_t highest() const { return time; }
  static LastTime above(std::uint64_t time) { return {time}; }
};

class ClientSide : public ClientScheme {
 public:
  explicit ClientSide(ClientPorts ports)
      : key_(ports.key), pinned_(std::move(ports.peers)), keeps_evidence_(ports.keeps_evidence) {}

  const SchemeInfo& info() const override { return paper_info; }

  Result<Buffer> protect(std::string_view topic, Bytes payload, Now now) override {
    if (key_ == nullptr) return fail(Blame::caller_misused, "signing needs a private key; name one with --key");
    PaperMessage frame{topic, key_->identity().keys.schnorr, payload, now.wall, {}};
    frame.signature = TRY(malina::sign(*key_, malina::PaperStatement{"SL1_2", topic, frame.id, payload, frame.time}));
    return encode(frame);
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now now) override {
    if (pinned_.empty())
      return fail(Blame::caller_misused, "without pinned publishers anybody's signature would do; name them with --from");
    auto frame = TRY(decode_paper_message(message.payload));
    if (frame.topic != message.topic) return refused("signed for another topic");
    if (!pinned_.accepts(frame.id)) return refused("signed by a key that is not in --from");
    auto key = TRY(keys_.find(frame.id, true));
    if (!malina::verify(key, {"SL1_2", frame.topic, frame.id, frame.message, frame.time}, frame.signature))
      return refused("the signature does not verify");

    Received received;
    malina::Seen::Digest digest;
    std::ranges::copy(Bytes(frame.signature).last(32), digest.begin());
    received.repeat = seen_.has(digest);
    if (!received.repeat) {
      // What may have waited (retained, or in a stored session) has no window; it must be newer than all before from its author
      // here.
      const bool may_be_old = message.retain || message.stored;
      if (!may_be_old && !malina::is_fresh(frame.time, now)) return refused("its time is outside the window");
      auto* last = last_.find(frame.id, frame.topic, frame.time);
      if (may_be_old && (last == nullptr || frame.time <= last->time))
        return refused("older than what was already seen from its author");
      if (last != nullptr) last->time = std::max(last->time, frame.time);
      seen_.put(digest, now);
    }
    received.topic = frame.topic;
    received.payload = to_buffer(frame.message);
    received.author = pinned_.name_of(frame.id);
    received.checked = "signature, topic, time; publisher pinned";
    if (keeps_evidence_)
      received.evidence = malina::encode_paper_evidence(
          {malina::Level::sl1, frame.topic, frame.message, frame.time, frame.signature, frame.id, {}});
    return verified(std::move(received));
  }

  Result<std::optional<std::pair<std::string, std::string>>> subscribe_property(std::string_view, const ThisConnection&,
                                                                                Now) override {
    return std::pair{std::string(property), std::string("SL1_1")};
  }

  Result<std::optional<Request>> subscribe_request(std::string_view filter, const ThisConnection&, Now) override {
    if (!mqtt::is_topic_name(filter))  // MQTT 3 has no word for the broker's refusal
      return fail(Blame::caller_misused, "the published form has no wildcards in MQTT 3");
    return Request{std::string(request_topic), encode_paper_subscribe(filter)};
  }

 private:
  static Failure refused(const char* why) { return fail(Blame::peer_misbehaved, why); }

  KeyStore* key_;
  malina::Pinned pinned_;
  const bool keeps_evidence_;
  malina::KnownKeys keys_;
  malina::AuthorMemory<LastTime> last_;
  malina::Seen seen_;
};

}  // namespace

Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports) {
  return std::make_unique<ClientSide>(std::move(ports));
}

}  // namespace sealmq::sl1
