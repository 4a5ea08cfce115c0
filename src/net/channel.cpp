#include "net/channel.h"

#include "base/try.h"
#include "sealmq/secret.h"

namespace sealmq::net {
namespace {

class Stacked final : public Channel {
 public:
  Stacked(std::unique_ptr<Channel> lower, std::unique_ptr<Channel> upper) : lower_(std::move(lower)), upper_(std::move(upper)) {}

  Result<> start(Buffer& to_peer) override {
    starts_upper_ = true;  // as soon as the lower one is open
    return lower_->start(to_peer);
  }

  Result<> receive(Bytes from_peer, Buffer& plain, Buffer& to_peer) override {
    Buffer between, answer;
    const Result<> lower = lower_->receive(from_peer, between, to_peer);
    Result<> upper;
    if (lower_->is_open() && std::exchange(starts_upper_, false)) upper = upper_->start(answer);
    if (upper && !between.empty()) upper = upper_->receive(between, plain, answer);
    wipe(between.data(), between.size());  // a password may be in it
    if (!answer.empty() && lower_->is_open()) TRY(send_lower(answer, to_peer));
    if (!upper) lower_->close(to_peer);
    return upper ? lower : upper;
  }

  bool is_open() const override { return upper_->is_open(); }
  bool has_ended() const override { return upper_->has_ended() || lower_->has_ended(); }

  Result<std::size_t> send(std::span<const iovec> parts, Buffer& to_peer) override {
    Buffer wrapped;
    const std::size_t taken = TRY(upper_->send(parts, wrapped));
    TRY(send_lower(wrapped, to_peer));
    return taken;
  }

  void close(Buffer& to_peer) override {
    Buffer goodbye;
    upper_->close(goodbye);
    if (lower_->is_open() && send_lower(goodbye, to_peer)) lower_->close(to_peer);
  }

  void describe(PeerInfo& peer) const override {
    lower_->describe(peer);
    upper_->describe(peer);
  }

 private:
  Result<> send_lower(Bytes bytes, Buffer& to_peer) {
    while (!bytes.empty()) {
      const iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};  // only read
      bytes = bytes.subspan(TRY(lower_->send(std::span(&part, 1), to_peer)));
    }
    return {};
  }

  std::unique_ptr<Channel> lower_, upper_;
  bool starts_upper_ = false;
};

}  // namespace

std::unique_ptr<Channel> stack(std::unique_ptr<Channel> lower, std::unique_ptr<Channel> upper) {
  return std::make_unique<Stacked>(std::move(lower), std::move(upper));
}

}  // namespace sealmq::net
