#include "crypto/epochs.h"

#include <utility>

#include "base/try.h"
#include "crypto/kdf.h"

namespace sealmq::crypto {
namespace {

constexpr std::size_t iv_size = 12, update_size = 32;
constexpr std::uint64_t previous_lasts = 64;  // messages of the epoch after it

ChannelLimits count_limits() {
  return {.messages = OpeningEpochs::spread, .bytes = UINT64_MAX, .forgeries = UINT64_MAX};
}

}  // namespace

EpochKeys::EpochKeys(std::string label, Secret update, std::size_t key_size)
    : label_(std::move(label)), update_(std::move(update)), key_size_(key_size) {}

Secret EpochKeys::next() {
  const auto part = [&](const char* what, std::size_t size) {
    return hkdf_expand(update_.reveal(), as_bytes(label_ + what), size);
  };
  const Secret key = part(" key", key_size_), iv = part(" iv", iv_size);
  Buffer joined;
  joined.reserve(key_size_ + iv_size);  // it does not move, and leaves no copy behind
  append(joined, key.reveal());
  append(joined, iv.reveal());
  update_ = part(" update", update_size);
  return Secret(std::move(joined));
}

void EpochKeys::mix(const Secret& secret, std::string_view info) {
  const Secret root = hkdf_extract(update_.reveal(), secret.reveal());
  update_ = hkdf_expand(root.reveal(), as_bytes(info), update_size);
}

EpochKeys EpochKeys::fork() const {
  return {label_, Secret(update_.reveal()), key_size_};
}

// -- sealing

SealingEpochs::SealingEpochs(FirstEpoch first, const EpochLimits& limits, std::uint64_t spread)
    : keys_(std::move(first.others)), limits_(limits), spread_(spread) {
  channel_.emplace(first.key_and_iv, own_limits());
}

bool SealingEpochs::is_due(std::uint64_t steady) const {
  const KeyUse& use = channel_->use();
  return use.messages() >= limits_.messages || use.bytes() >= limits_.bytes || (began_ && steady - *began_ >= limits_.age);
}

Result<> SealingEpochs::go_on() {
  constexpr std::uint64_t last = UINT64_MAX >> OpeningEpochs::count_bits;
  const std::uint64_t epoch = TRY(epochs_.take());
  if (spread_ != 0 && epoch > last) return fail(Blame::caller_misused, "the keys of this connection are used up");
  began_.reset();
  channel_.emplace(keys_.next(), own_limits(), epoch * spread_);
  return {};
}

Result<> SealingEpochs::mix(const Secret& secret, std::string_view info) {
  keys_.mix(secret, info);
  return go_on();
}

Result<> SealingEpochs::seal(Bytes aad, Bytes plaintext, std::uint64_t steady, Buffer& out) {
  if (!began_) began_ = steady;
  return channel_->seal(aad, plaintext, out);
}

// -- opening

OpeningEpochs::OpeningEpochs(FirstEpoch first, std::uint64_t most_forgeries)
    : keys_(std::move(first.others)), most_forgeries_(most_forgeries) {
  present_.emplace(first.key_and_iv, count_limits());
}

Result<OpeningChannel::Opened> OpeningEpochs::open(std::uint64_t number, Bytes aad, Bytes ciphertext_and_tag) {
  if (has_too_many_forgeries()) return fail(Blame::peer_misbehaved, "too many on this connection did not open");
  const std::uint64_t epoch = number >> count_bits;
  const auto opened = [&]() -> Result<OpeningChannel::Opened> {
    if (epoch == epoch_) return present_->open(number, aad, ciphertext_and_tag);
    if (previous_ && epoch + 1 == epoch_) return previous_->open(number, aad, ciphertext_and_tag);
    if (epoch > epoch_ && epoch - epoch_ <= ahead) return open_ahead(number, aad, ciphertext_and_tag);
    return fail(Blame::peer_misbehaved, "the key of this number is not there");
  }();
  if (!opened) ++forgeries_;
  if (present_->use().messages() >= previous_lasts) previous_.reset();
  return opened;
}

/// Nothing moves before it has been verified.
Result<OpeningChannel::Opened> OpeningEpochs::open_ahead(std::uint64_t number, Bytes aad, Bytes ciphertext_and_tag) {
  const std::uint64_t epoch = number >> count_bits;
  EpochKeys keys = keys_.fork();
  std::optional<OpeningChannel> before;
  for (std::uint64_t passed = epoch_ + 1; passed < epoch; ++passed)
    before.emplace(keys.next(), count_limits(), passed << count_bits);
  OpeningChannel its(keys.next(), count_limits(), epoch << count_bits);
  auto opened = its.open(number, aad, ciphertext_and_tag);
  if (!opened) return opened;
  previous_ = epoch == epoch_ + 1 ? std::move(present_) : std::move(before);
  present_.emplace(std::move(its));
  keys_ = std::move(keys);
  epoch_ = epoch;
  return opened;
}

}  // namespace sealmq::crypto
