#include "schemes/sl3/session_keys.h"

#include "base/try.h"
#include "crypto/channel.h"
#include "crypto/kdf.h"
#include "mqtt/topic.h"

namespace sealmq::sl3 {
namespace {

constexpr std::size_t master_size = 32;

/// A channel of one message: its counter 0 leaves the iv as it is.
constexpr crypto::ChannelLimits one_message{.messages = 1};

Secret master_of(const crypto::KeyExchange& second) {
  return second.derive("MALINA-2 sl3 master", master_size);
}

Secret answer_secret(const Secret& master) {
  return crypto::hkdf_expand(master.reveal(), as_bytes("resp"), crypto::channel_secret_size);
}

}  // namespace

bool fits(Role role, std::string_view topic) {
  return role == Role::subscriber ? mqtt::is_topic_filter(topic) : mqtt::is_topic_name(topic);
}

crypto::KeyExchange second_step(const crypto::KeyExchange& first, Bytes request, const crypto::Sec1Compressed& broker_point,
                                const Secret& shared) {
  auto exchange = first.fork();
  exchange.see(request).see(broker_point).step();
  exchange.share(shared);
  return exchange;
}

Secret seal_answer(const crypto::KeyExchange& second, Bytes body, Buffer& out) {
  Secret master = master_of(second);
  crypto::SealingChannel once(answer_secret(master), one_message);
  (void)once.seal(second.hash(), body, out);  // its first message: it cannot be retired
  return master;
}

Result<OpenedAnswer> open_answer(const crypto::KeyExchange& second, Bytes sealed) {
  OpenedAnswer answer;
  answer.master = master_of(second);
  crypto::OpeningChannel once(answer_secret(answer.master), one_message);
  auto opened = TRY(once.open(0, second.hash(), sealed));
  answer.plaintext = std::move(opened.plaintext);
  return answer;
}

Secret data_secret(const Secret& master, std::string_view direction) {
  return crypto::hkdf_expand(master.reveal(), as_bytes(direction), crypto::channel_secret_size);
}

}  // namespace sealmq::sl3
