// A scheme for tests of what uses schemes: a payload is protected as `sealed(TOPIC|PAYLOAD)`, and a second arrival of the same
// one is a repeat. Its answers depend on nothing but its input.
#pragma once

#include <set>
#include <string>

#include "sealmq/scheme.h"

namespace sealmq::testing {

class SealOfTests : public ClientScheme {
 public:
  const SchemeInfo& info() const override { return info_; }

  Result<Buffer> protect(std::string_view topic, Bytes payload, Now) override {
    ++protected_;
    return to_buffer(as_bytes(sealed(topic, as_text(payload)) + std::string(static_cast<std::size_t>(protected_), '.')));
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now) override {
    std::string_view text = as_text(message.payload);
    std::string start = "sealed(" + std::string(message.topic) + "|";
    std::size_t end = text.find(')');
    if (!text.starts_with(start) || end == text.npos) return fail(Blame::peer_misbehaved, "the seal is broken");
    Received received;
    received.topic = message.topic;
    received.payload = to_buffer(as_bytes(text.substr(start.size(), end - start.size())));
    received.author = "boiler-7";
    received.checked = "the seal";
    received.repeat = !seen_.insert(std::string(text)).second;
    return verified(std::move(received));
  }

  Result<std::optional<std::pair<std::string, std::string>>> subscribe_property(std::string_view filter, const ThisConnection&,
                                                                                Now) override {
    return std::pair{std::string("seal"), "may read " + std::string(filter)};
  }
  Result<std::optional<Request>> subscribe_request(std::string_view filter, const ThisConnection&, Now) override {
    return Request{"$seal/subscribe", to_buffer(as_bytes("may read " + std::string(filter)))};
  }

  static std::string sealed(std::string_view topic, std::string_view payload) {
    return "sealed(" + std::string(topic) + "|" + std::string(payload) + ")";
  }

 private:
  inline static const SchemeInfo info_{
      .name = "seal", .title = "a seal of tests", .profile = Profile::hardened, .claims = {}, .hazards = {}};
  int protected_ = 0;  // every protected payload is different, as with a sequence number
  std::set<std::string> seen_;
};

}  // namespace sealmq::testing
