// The paper profile's clients: end to end, and up to a broker that opens what they send.
#include "base/try.h"
#include "schemes/payload/paper_keys.h"
#include "schemes/payload/payload.h"

namespace sealmq::payload {
namespace {

using paper::StampKind;

/// What its reader may rely on.
std::string_view checked_by(const paper::Keys& keys) {
  switch (keys.stamp()) {
    case StampKind::none:
      break;
    case StampKind::checksum:
      return "a checksum for this topic, which anybody can make, as published";
    case StampKind::hash:
      return "a hash for this topic, which anybody can make, as published";
    case StampKind::mac:
      return "a MAC for this topic by somebody who has its key, as published";
    case StampKind::signature:
      if (keys.checks_stamps()) return "stamped for this topic by one of its authors, as published";
  }
  return "encrypted, as published";
}

class PaperClientSide : public ClientScheme {
 public:
  PaperClientSide(paper::Keys keys, Random& random) : keys_(std::move(keys)), random_(random) {}
  const SchemeInfo& info() const override { return paper_info; }

  Result<Buffer> protect(std::string_view topic, Bytes payload, Now) override { return keys_.seal(topic, payload, random_); }

  Result<Checked<Received>> unprotect(const Arrived& message, Now) override {
    Received received;
    received.payload = TRY(keys_.open(message.topic, message.payload));
    received.topic = message.topic;
    received.checked = checked_by(keys_);
    return verified(std::move(received));
  }

 private:
  paper::Keys keys_;
  Random& random_;
};

/// Its subscribers are plain ones: they get what the broker has opened.
class PaperHopClientSide : public ClientScheme {
 public:
  PaperHopClientSide(paper::Keys keys, Random& random) : keys_(std::move(keys)), random_(random) {}
  const SchemeInfo& info() const override { return paper_hop_info; }

  Result<Buffer> protect(std::string_view topic, Bytes payload, Now) override { return keys_.seal(topic, payload, random_); }
  Result<std::optional<std::pair<std::string, std::string>>> subscribe_property(std::string_view, const ThisConnection&,
                                                                                Now) override {
    return no_use();
  }
  Result<std::optional<Request>> subscribe_request(std::string_view, const ThisConnection&, Now) override { return no_use(); }
  Result<Checked<Received>> unprotect(const Arrived&, Now) override {
    return fail(Blame::peer_misbehaved, "nothing is sealed for subscribers");
  }

 private:
  static Failure no_use() {
    return fail(Blame::caller_misused,
                "as published, subscribers get from the broker what it has opened\nhint: leave out --scheme");
  }

  paper::Keys keys_;
  Random& random_;
};

}  // namespace

Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports) {
  auto keys = TRY(paper::Keys::read(ports.options, "payload."));
  return std::make_unique<PaperClientSide>(std::move(keys), ports.random);
}

Result<std::unique_ptr<ClientScheme>> paper_hop_client(ClientPorts ports) {
  auto keys = TRY(paper::Keys::read(ports.options, "payload-hop."));
  return std::make_unique<PaperHopClientSide>(std::move(keys), ports.random);
}

}  // namespace sealmq::payload
