// sealmq card simulate: a card in a virtual reader of vsmartcard's vpcd, by its protocol over TCP: u16 length and as many octets.
// One octet is a control code (power off, power on, reset, "send the ATR"), more are a command.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <iostream>

#include "base/descriptor.h"
#include "base/error_text.h"
#include "cli/card.h"
#include "cli/command.h"
#include "crypto/random.h"
#include "keystore/card_applet.h"
#include "net/address.h"

namespace sealmq::cli {
namespace {

constexpr std::uint8_t send_atr = 4;
// T=1 and no historical bytes: commands may be extended.
const Buffer atr{0x3B, 0x80, 0x80, 0x01, 0x01};

struct Options {
  std::string folder;
  std::string host = "127.0.0.1";
  std::uint16_t port = 35963;
};

Result<Descriptor> connect_to(const Options& options) {
  const auto addresses = TRY(net::resolve(options.host, options.port));
  for (const auto& address : addresses) {
    Descriptor connection(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connection.is_open() &&
        ::connect(connection.number(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0)
      return connection;
  }
  return fail_with_hint(
      Blame::environment,
      "no virtual card reader on " + options.host + ":" + std::to_string(options.port) + ": " + error_text(errno),
      "pcscd with the reader of vsmartcard-vpcd listens there");
}

/// SIGTERM and SIGINT as something to wait for beside the connection.
Descriptor end_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return Descriptor(::signalfd(-1, &set, SFD_CLOEXEC));
}

class Reader {
 public:
  Reader(Descriptor connection, Descriptor signals) : connection_(std::move(connection)), signals_(std::move(signals)) {}

  /// False: the end, by a signal or of the connection.
  bool read(std::span<std::uint8_t> out) {
    while (!out.empty()) {
      pollfd wait[]{{connection_.number(), POLLIN, 0}, {signals_.number(), POLLIN, 0}};
      if (::poll(wait, 2, -1) < 0 && errno != EINTR) return false;
      if (wait[1].revents != 0) return false;
      if (wait[0].revents == 0) continue;
      const auto got = ::recv(connection_.number(), out.data(), out.size(), 0);
      if (got <= 0) return false;
      // The reader writes the length and the rest one after the other: a late acknowledgement would cost each command 40 ms.
      const int on = 1;
      ::setsockopt(connection_.number(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
      out = out.subspan(static_cast<std::size_t>(got));
    }
    return true;
  }
  bool write(Bytes answer) {
    Buffer frame{static_cast<std::uint8_t>(answer.size() >> 8), static_cast<std::uint8_t>(answer.size())};
    append(frame, answer);
    for (Bytes rest = frame; !rest.empty();) {
      const auto sent = ::send(connection_.number(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      rest = rest.subspan(static_cast<std::size_t>(sent));
    }
    return true;
  }

 private:
  Descriptor connection_;
  Descriptor signals_;
};

/// Until the reader or the user ends it.
void serve(Reader& reader, card::CardApplet& applet) {
  std::array<std::uint8_t, 2> length{};
  while (reader.read(length)) {
    Buffer message(static_cast<std::size_t>(length[0]) << 8 | length[1]);
    if (!reader.read(message)) return;
    if (message.size() > 1) {
      Buffer answer = applet.process(message);
      // What does not fit into a frame cannot be said: wrong length.
      if (answer.size() > 0xFFFF) answer = {0x67, 0x00};
      if (!reader.write(answer)) return;
    } else if (message == Buffer{send_atr}) {
      if (!reader.write(atr)) return;
    } else {
      applet.power_off();
    }
  }
}

Result<> run(const Options& options) {
  crypto::OsRandom random;
  Descriptor signals = end_signals();
  auto applet = TRY(card::CardApplet::open(options.folder, random));
  Reader reader(TRY(connect_to(options)), std::move(signals));
  std::cerr << "the card is in the reader\n";
  serve(reader, applet);
  return {};
}

}  // namespace

void add_card_simulate(Command& card, int& exit_code) {
  Command& command = card.add(
      "simulate",
      {.summary = "a card in software",
       .text =
           R"(A card that answers in software, in a reader of vsmartcard's vpcd, until it is told to end. For tests and for trying
things out: what it keeps in DIR is no safer than a file.)",
       .examples = "$ sealmq card simulate --folder my-card &\n"});
  const auto options = std::make_shared<Options>();  // the callback owns it
  command.option("--folder", options->folder, "DIR", "where it keeps what it holds; made with mode 0700")->required();
  command.option("-h,--host", options->host, "HOST", "where vpcd listens")->capture_default_str();
  command.option("-p,--port", options->port, "PORT", "its port; 35963 is that of its first slot")
      ->check(within(1, 65535))
      ->capture_default_str();
  command.callback([options, &exit_code] { exit_code = finish(run(*options)); });
}

}  // namespace sealmq::cli
