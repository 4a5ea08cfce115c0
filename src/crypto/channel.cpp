#include "crypto/channel.h"

#include <algorithm>
#include <stdexcept>

#include "base/try.h"
#include "crypto/process_mark.h"

namespace sealmq::crypto {
namespace {

constexpr std::size_t iv_size = std::tuple_size_v<Iv>;

Bytes key_of(const Secret& key_and_iv) {
  if (key_and_iv.size() <= iv_size) throw std::invalid_argument("a channel needs a key and an iv");
  return key_and_iv.reveal().first(key_and_iv.size() - iv_size);
}

Iv iv_of(const Secret& key_and_iv) {
  Iv iv;
  Bytes last = key_and_iv.reveal().last(iv_size);
  std::copy(last.begin(), last.end(), iv.begin());
  return iv;
}

Iv nonce(Iv iv, std::uint64_t counter) {
  for (std::size_t i = 0; i < 8; ++i) iv[iv_size - 1 - i] ^= static_cast<std::uint8_t>(counter >> (8 * i));
  return iv;
}

}  // namespace

SealingChannel::SealingChannel(const Secret& key_and_iv, std::uint64_t limit)
    : aead_(key_of(key_and_iv)), iv_(iv_of(key_and_iv)), limit_(limit), process_(process_mark()) {}

Result<> SealingChannel::seal(Bytes aad, Bytes plaintext, Buffer& out) {
  if (process_mark() != process_) return fail(Blame::caller_misused, "this channel belongs to the process that forked");
  if (is_retired()) return fail(Blame::caller_misused, "this channel has sealed all it may");
  // The key seals nowhere else, and the counter only grows: it stays below limit_, so it never wraps.
  aead_.seal(nonce(iv_, counter_++), aad, plaintext, out);
  return {};
}

OpeningChannel::OpeningChannel(const Secret& key_and_iv, std::uint64_t limit)
    : aead_(key_of(key_and_iv)), iv_(iv_of(key_and_iv)), limit_(limit) {}

Result<Buffer> OpeningChannel::unseal(std::uint64_t counter, Bytes aad, Bytes ciphertext_and_tag) {
  if (counter >= limit_) return fail(Blame::peer_misbehaved, "its counter lies beyond what the key may protect");
  return aead_.open(nonce(iv_, counter), aad, ciphertext_and_tag);
}

Replay OpeningChannel::judge(std::uint64_t counter) {
  Replay replay = window_.judge(counter);
  if (replay == Replay::fresh) ++opened_;
  return replay;
}

Result<OpeningChannel::Opened> OpeningChannel::open(std::uint64_t counter, Bytes aad, Bytes ciphertext_and_tag) {
  Opened opened;
  opened.plaintext = TRY(unseal(counter, aad, ciphertext_and_tag));
  Replay replay = judge(counter);
  if (replay == Replay::stale) return fail(Blame::peer_misbehaved, "its counter fell behind the window");
  opened.repeat = replay == Replay::repeat;
  return opened;
}

}  // namespace sealmq::crypto
