#include "crypto/channel.h"

#include <algorithm>
#include <stdexcept>

#include "base/try.h"

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

SealingChannel::SealingChannel(const Secret& key_and_iv, const ChannelLimits& limits, std::uint64_t first)
    : aead_(key_of(key_and_iv)), iv_(iv_of(key_and_iv)), counter_(first), use_(limits) {}

Result<> SealingChannel::seal(Bytes aad, Bytes plaintext, Buffer& out) {
  if (is_retired()) return fail(Blame::caller_misused, "this channel has sealed all it may");
  // The key seals nowhere else, and the counter only grows: it stays below its limit, so it never wraps.
  aead_.seal(nonce(iv_, TRY(counter_.take())), aad, plaintext, out);
  use_.count(plaintext.size());
  return {};
}

OpeningChannel::OpeningChannel(const Secret& key_and_iv, const ChannelLimits& limits, std::uint64_t first)
    : aead_(key_of(key_and_iv)), iv_(iv_of(key_and_iv)), first_(first), use_(limits) {}

Result<Buffer> OpeningChannel::unseal(std::uint64_t counter, Bytes aad, Bytes ciphertext_and_tag) {
  if (counter < first_ || counter - first_ >= use_.limits().messages)
    return fail(Blame::peer_misbehaved, "its counter lies beyond what the key may protect");
  auto plaintext = aead_.open(nonce(iv_, counter), aad, ciphertext_and_tag);
  if (!plaintext) use_.count_forgery();
  return plaintext;
}

Replay OpeningChannel::judge(std::uint64_t counter) {
  return window_.judge(counter);
}

Result<OpeningChannel::Opened> OpeningChannel::open(std::uint64_t counter, Bytes aad, Bytes ciphertext_and_tag) {
  if (use_.has_too_many_forgeries()) return fail(Blame::peer_misbehaved, "too many under this key did not open");
  Opened opened;
  opened.plaintext = TRY(unseal(counter, aad, ciphertext_and_tag));
  Replay replay = judge(counter);
  if (replay == Replay::stale) return fail(Blame::peer_misbehaved, "its counter fell behind the window");
  opened.repeat = replay == Replay::repeat;
  if (replay == Replay::fresh) use_.count(opened.plaintext.size());
  return opened;
}

}  // namespace sealmq::crypto
