#include "net/websocket.h"

#include <sys/random.h>

#include <system_error>
#include <utility>

#include "base/text.h"
#include "base/try.h"
#include "net/websocket_frames.h"
#include "sealmq/secret.h"

namespace sealmq::net {
namespace {

/// What both ends do once the handshake is over.
class WebSocket : public Channel {
 public:
  explicit WebSocket(Side side) : side_(side), reader_(side) {}

  Result<> receive(Bytes from_peer, Buffer& plain, Buffer& to_peer) override {
    if (open_) return read_frames(from_peer, plain, to_peer);
    append(head_, from_peer);
    const Result<std::size_t> taken = open(to_peer);
    if (!taken) return Failure(taken.error());
    if (!open_) return {};
    const Secret head(std::move(head_));  // CONNECT may follow at once
    head_ = Buffer();
    return read_frames(head.reveal().subspan(*taken), plain, to_peer);
  }

  bool is_open() const override { return open_; }
  bool has_ended() const override { return reader_.has_ended(); }

  Result<std::size_t> send(std::span<const iovec> parts, Buffer& to_peer) override {
    return with_contiguous(parts, [&](Bytes bytes) -> Result<> {
      write_frame(side_, Opcode::binary, bytes, to_peer);
      return {};
    });
  }

  void close(Buffer& to_peer) override {
    if (open_ && !reader_.has_ended() && !std::exchange(said_goodbye_, true)) write_close(side_, CloseCode::normal, to_peer);
  }

 protected:
  /// The handshake, with what has come of it: sets open_ and answers how much that took.
  virtual Result<std::size_t> open(Buffer& to_peer) = 0;

  Buffer head_;  // until it is open
  bool open_ = false;

 private:
  Result<> read_frames(Bytes bytes, Buffer& plain, Buffer& to_peer) {
    Buffer unheard;  // section 5.5.1: nothing is sent after a close frame
    Result<> read = reader_.read(bytes, plain, said_goodbye_ ? unheard : to_peer);
    if (!read && !std::exchange(said_goodbye_, true)) write_close(side_, reader_.close_code(), to_peer);
    return read;
  }

  Side side_;
  FrameReader reader_;
  bool said_goodbye_ = false;
};

class Accepting final : public WebSocket {
 public:
  explicit Accepting(std::shared_ptr<const UpgradeRules> rules) : WebSocket(Side::broker), rules_(std::move(rules)) {}

  Result<> start(Buffer&) override { return {}; }

  void describe(PeerInfo& peer) const override { peer.forwarded_for = forwarded_for_; }

 private:
  Result<std::size_t> open(Buffer& to_peer) override {
    const auto head = parse_head(as_text(head_));
    if (!head) {
      append(to_peer, as_bytes(bad_request()));
      return Failure(head.error());
    }
    if (!*head) return std::size_t{0};
    const Upgraded upgraded = answer_upgrade(**head, *rules_);
    append(to_peer, as_bytes(upgraded.answer));
    if (!upgraded.accepted) return fail(Blame::peer_misbehaved, upgraded.why_not);
    if (rules_->keeps_forwarded) forwarded_for_ = forwarded_for(**head);
    open_ = true;
    rules_.reset();
    return (*head)->size;
  }

  std::shared_ptr<const UpgradeRules> rules_;
  std::string forwarded_for_;
};

class Connecting final : public WebSocket {
 public:
  Connecting(std::string host, std::string path) : WebSocket(Side::client), host_(std::move(host)), path_(std::move(path)) {
    std::array<std::uint8_t, 16> chance{};
    if (::getrandom(chance.data(), chance.size(), 0) != static_cast<ssize_t>(chance.size()))
      throw std::system_error(errno, std::generic_category(), "getrandom");
    key_ = to_base64(chance);
  }

  Result<> start(Buffer& to_peer) override {
    append(to_peer, as_bytes(upgrade_request(host_, path_, key_)));
    return {};
  }

 private:
  Result<std::size_t> open(Buffer&) override {
    const auto head = TRY(parse_head(as_text(head_)));
    if (!head) return std::size_t{0};
    TRY(check_upgrade(*head, key_));
    open_ = true;
    return head->size;
  }

  std::string host_, path_, key_;
};

}  // namespace

std::unique_ptr<Channel> accept_websocket(std::shared_ptr<const UpgradeRules> rules) {
  return std::make_unique<Accepting>(std::move(rules));
}

std::unique_ptr<Channel> connect_websocket(std::string host, std::string path) {
  return std::make_unique<Connecting>(std::move(host), std::move(path));
}

}  // namespace sealmq::net
