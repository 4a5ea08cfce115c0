#include "net/socks.h"

#include <arpa/inet.h>

#include <optional>

#include "base/text.h"
#include "base/try.h"

namespace sealmq::net {
namespace {

constexpr std::uint8_t version = 5;        // RFC 1928, section 3
constexpr std::uint8_t login_version = 1;  // RFC 1929, section 2
constexpr std::uint8_t no_login = 0x00, by_password = 0x02, none_acceptable = 0xFF;
constexpr std::uint8_t connect = 0x01;
enum AddressType : std::uint8_t { ipv4 = 1, domain = 3, ipv6 = 4 };
constexpr std::size_t longest_text = 255;

/// RFC 1928, section 6.
std::string meaning_of(std::uint8_t reply) {
  constexpr std::string_view meanings[] = {"",
                                           "it failed",
                                           "its rules do not allow it",
                                           "network unreachable",
                                           "host unreachable",
                                           "connection refused",
                                           "it took too long",
                                           "it does not connect on",
                                           "it does not know this kind of address"};
  return reply < std::size(meanings) ? std::string(meanings[reply]) : "its code " + std::to_string(reply);
}

void append_text(Buffer& out, std::string_view text) {
  out.push_back(static_cast<std::uint8_t>(text.size()));
  append(out, as_bytes(text));
}

class ByProxy final : public Channel {
 public:
  ByProxy(const Proxy& proxy, const std::string& host, std::uint16_t port)
      : user_(proxy.user), password_(proxy.password), host_(host), port_(port) {}

  /// By one way alone: a proxy that paid no attention to name and password would mix what they are to keep apart.
  Result<> start(Buffer& to_peer) override {
    if (user_.size() > longest_text || password_.size() > longest_text || host_.size() > longest_text || host_.empty())
      return fail(Blame::caller_misused, "a proxy takes names and passwords of at most 255 bytes");
    append(to_peer, Buffer{version, 1, user_.empty() ? no_login : by_password});
    return {};
  }

  Result<> receive(Bytes from_peer, Buffer& plain, Buffer& to_peer) override {
    if (state_ == State::Open) {
      append(plain, from_peer);
      return {};
    }
    append(head_, from_peer);
    while (state_ != State::Open) {
      const std::size_t size = TRY(take(head_, to_peer));
      if (size == 0) return {};  // more has to come
      head_.erase(head_.begin(), head_.begin() + static_cast<std::ptrdiff_t>(size));
    }
    append(plain, std::exchange(head_, {}));
    return {};
  }

  bool is_open() const override { return state_ == State::Open; }
  bool has_ended() const override { return false; }  // the connection's end is all there is
  Result<std::size_t> send(std::span<const iovec> parts, Buffer& to_peer) override {
    return with_contiguous(parts, [&](Bytes bytes) -> Result<> {
      append(to_peer, bytes);
      return {};
    });
  }
  void close(Buffer&) override {}

 private:
  enum class State { ExpectMethod, ExpectVerdict, ExpectReply, Open };

  /// Takes one message at the front; answers its size, 0 if it is not whole.
  Result<std::size_t> take(Bytes in, Buffer& to_peer) {
    switch (state_) {
      case State::ExpectMethod:
        return take_method(in, to_peer);
      case State::ExpectVerdict:
        return take_verdict(in, to_peer);
      case State::ExpectReply:
        return take_reply(in);
      case State::Open:
        break;
    }
    return std::size_t{0};
  }

  Result<std::size_t> take_method(Bytes in, Buffer& to_peer) {
    constexpr std::size_t size = 2;
    if (!in.empty() && in[0] != version) return fail(Blame::peer_misbehaved, "the proxy does not speak SOCKS5");
    if (in.size() < size) return std::size_t{0};
    if (in[1] == none_acceptable)
      return fail(Blame::environment, user_.empty() ? "the proxy wants a name and a password"
                                                    : "the proxy takes no name and password, which keep connections apart");
    if (in[1] != (user_.empty() ? no_login : by_password))
      return fail(Blame::peer_misbehaved, "the proxy chooses a way to log in that was not offered");
    if (user_.empty()) {
      ask(to_peer);
      return size;
    }
    to_peer.push_back(login_version);
    append_text(to_peer, user_);
    append_text(to_peer, password_);
    state_ = State::ExpectVerdict;
    return size;
  }

  Result<std::size_t> take_verdict(Bytes in, Buffer& to_peer) {
    constexpr std::size_t size = 2;
    if (in.size() < size) return std::size_t{0};
    if (in[0] != login_version) return fail(Blame::peer_misbehaved, "the proxy answers a login in another way than RFC 1929");
    if (in[1] != 0) return fail(Blame::environment, "the proxy refuses this name and password");
    ask(to_peer);
    return size;
  }

  void ask(Buffer& to_peer) {
    append(to_peer, Buffer{version, connect, 0});
    in_addr v4{};
    in6_addr v6{};
    if (::inet_pton(AF_INET, host_.c_str(), &v4) == 1) {
      to_peer.push_back(ipv4);
      append(to_peer, {reinterpret_cast<const std::uint8_t*>(&v4), sizeof v4});
    } else if (::inet_pton(AF_INET6, host_.c_str(), &v6) == 1) {
      to_peer.push_back(ipv6);
      append(to_peer, {reinterpret_cast<const std::uint8_t*>(&v6), sizeof v6});
    } else {
      to_peer.push_back(domain);
      append_text(to_peer, host_);
    }
    append(to_peer, Buffer{static_cast<std::uint8_t>(port_ >> 8), static_cast<std::uint8_t>(port_ & 0xFF)});
    state_ = State::ExpectReply;
  }

  /// Version, reply, a reserved byte, and the address that the proxy connects from, which is of no use here.
  Result<std::size_t> take_reply(Bytes in) {
    constexpr std::size_t before_address = 4, port_size = 2;
    if (!in.empty() && in[0] != version) return fail(Blame::peer_misbehaved, "the proxy answers in another version");
    if (in.size() >= 2 && in[1] != 0)
      return fail(Blame::environment, "the proxy cannot connect to " + printable(host_) + ": " + meaning_of(in[1]));
    if (in.size() <= before_address) return std::size_t{0};
    std::size_t address = 0;
    switch (in[3]) {
      case ipv4:
        address = sizeof(in_addr);
        break;
      case ipv6:
        address = sizeof(in6_addr);
        break;
      case domain:
        address = 1 + std::size_t{in[before_address]};
        break;
      default:
        return fail(Blame::peer_misbehaved, "the proxy answers with an unknown kind of address");
    }
    const std::size_t size = before_address + address + port_size;
    if (in.size() < size) return std::size_t{0};
    state_ = State::Open;
    return size;
  }

  const std::string user_, password_, host_;
  const std::uint16_t port_;
  State state_ = State::ExpectMethod;
  Buffer head_;  // of a message that is not whole
};

}  // namespace

std::unique_ptr<Channel> connect_by_proxy(const Proxy& proxy, const std::string& host, std::uint16_t port) {
  return std::make_unique<ByProxy>(proxy, host, port);
}

}  // namespace sealmq::net
