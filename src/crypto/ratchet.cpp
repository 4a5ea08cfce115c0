#include "crypto/ratchet.h"

#include <algorithm>
#include <utility>

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/kdf.h"

namespace sealmq::crypto {
namespace {

constexpr std::uint8_t container = 0x48, version = 0x02;
constexpr std::uint8_t payload_format_invalid = 0x99;
constexpr std::size_t chain_size = 32, iv_size = 12;
constexpr std::uint64_t limit = std::uint64_t{1} << 48;

constexpr std::string_view to_broker = "c2b", to_client = "b2c";

Buffer authenticated(std::string_view direction, std::uint64_t number, std::string_view topic) {
  Buffer out;
  Writer(out).text("RATCHET1").text(direction).u64(number).lp16(topic);
  return out;
}

/// The parts of what KeyRatchet::take() answers.
struct MessageKey {
  AesGcm aead;
  Iv iv;
};
MessageKey message_key(const Secret& key_and_iv) {
  const Bytes bytes = key_and_iv.reveal();
  MessageKey key{AesGcm(bytes.first(bytes.size() - iv_size)), {}};
  std::ranges::copy(bytes.last(iv_size), key.iv.begin());
  return key;
}

}  // namespace

KeyRatchet::KeyRatchet(const Secret& session_key, std::string_view direction, std::size_t key_size) : key_size_(key_size) {
  const Secret root = hkdf_extract(as_bytes("SCACAuth2 ratchet"), session_key.reveal());
  chain_ = hkdf_expand(root.reveal(), as_bytes(direction), chain_size);
}

Secret KeyRatchet::take() {
  Secret key = hkdf_expand(chain_.reveal(), as_bytes("msg"), key_size_ + iv_size);
  chain_ = hkdf_expand(chain_.reveal(), as_bytes("next"), chain_size);
  ++next_;
  return key;
}

KeyRatchet KeyRatchet::fork() const {
  KeyRatchet other;
  other.chain_ = Secret(chain_.reveal());
  other.next_ = next_;
  other.key_size_ = key_size_;
  return other;
}

RatchetPayloads::RatchetPayloads(const Secret& session_key, HopEnd own, std::size_t key_size)
    : own_direction_(own == HopEnd::client ? to_broker : to_client),
      peer_direction_(own == HopEnd::client ? to_client : to_broker),
      sealing_(session_key, own_direction_, key_size),
      opening_(session_key, peer_direction_, key_size) {}

Result<> RatchetPayloads::seal(std::string_view topic, Bytes plaintext, Now, Buffer& out) {
  const std::uint64_t number = TRY(counter_.take());  // that of the key
  if (number >= limit) return fail(Blame::caller_misused, "the keys of this connection are used up");
  Writer(out).u8(container).u8(version).u64(number);
  MessageKey key = message_key(sealing_.take());  // of this message alone
  key.aead.seal(key.iv, authenticated(own_direction_, number, topic), plaintext, out);
  return {};
}

Result<PayloadGuard::Opened> RatchetPayloads::open(std::string_view topic, Bytes payload) {
  Reader in(payload);
  const bool is_ours = in.u8() == container && in.u8() == version;
  const std::uint64_t number = in.u64();
  const Bytes sealed = in.rest();
  if (in.failed() || !is_ours || sealed.size() < AesGcm::tag_size)
    return fail(Blame::peer_misbehaved, "not a RATCHET1 payload", payload_format_invalid);
  const Buffer aad = authenticated(peer_direction_, number, topic);

  if (number < opening_.next()) {
    const auto kept = skipped_.find(number);
    if (kept == skipped_.end()) return fail(Blame::peer_misbehaved, "the key of this number is no longer there");
    MessageKey key = message_key(kept->second);
    Buffer plaintext = TRY(key.aead.open(key.iv, aad, sealed));
    skipped_.erase(kept);
    return Opened{std::move(plaintext), false};
  }
  if (number - opening_.next() > most_skipped) return fail(Blame::peer_misbehaved, "too many before it have not come");
  // Nothing moves before it has been verified.
  KeyRatchet ahead = opening_.fork();
  std::map<std::uint64_t, Secret> passed;
  while (ahead.next() < number) {
    const std::uint64_t its_number = ahead.next();
    passed.emplace(its_number, ahead.take());
  }
  MessageKey key = message_key(ahead.take());
  Buffer plaintext = TRY(key.aead.open(key.iv, aad, sealed));
  opening_ = std::move(ahead);
  skipped_.merge(passed);
  while (skipped_.size() > most_skipped) skipped_.erase(skipped_.begin());
  return Opened{std::move(plaintext), false};
}

}  // namespace sealmq::crypto
