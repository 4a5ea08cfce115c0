#include "cli/ask_pin.h"

#include <fcntl.h>
#include <termios.h>

#include <cstdlib>

#include "base/descriptor.h"
#include "base/try.h"
#include "cli/command.h"

namespace sealmq::cli {
namespace {

constexpr std::size_t longest = 64;

Descriptor terminal() {
  return Descriptor(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
}

void show(const Descriptor& tty, std::string_view text) {
  static_cast<void>(!::write(tty.number(), text.data(), text.size()));
}

/// No echo while it is typed.
Result<Secret> ask(const std::string& question) {
  const Descriptor tty = terminal();
  termios before{};
  if (!tty.is_open() || ::tcgetattr(tty.number(), &before) != 0)
    return fail_with_hint(Blame::caller_misused, "there is no terminal to ask for a PIN", "set SEALMQ_PIN");
  show(tty, question + ": ");
  termios quiet = before;
  quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(tty.number(), TCSAFLUSH, &quiet);
  Buffer line(longest);
  const auto size = ::read(tty.number(), line.data(), line.size());
  ::tcsetattr(tty.number(), TCSAFLUSH, &before);
  show(tty, "\n");
  line.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  const Secret typed(std::move(line));
  const auto text = as_text(typed.reveal());
  Secret pin(as_bytes(text.substr(0, text.find_first_of("\r\n"))));
  if (pin.empty()) return fail(Blame::caller_misused, "no PIN was given");
  return pin;
}

}  // namespace

PinAsker pin_asker() {
  if (!terminal().is_open()) return {};
  return ask;
}

Result<Secret> new_pin() {
  const char* given = std::getenv("SEALMQ_NEW_PIN");  // NOLINT(concurrency-mt-unsafe)
  if (given != nullptr) return Secret(as_bytes(given));
  if (!terminal().is_open())
    return fail_with_hint(Blame::caller_misused, "there is no terminal to ask for a new PIN", "set SEALMQ_NEW_PIN");
  auto first = TRY(ask("new PIN"));
  const auto second = TRY(ask("again"));
  if (!same(first.reveal(), second.reveal())) return fail(Blame::caller_misused, "these are two different PINs");
  return first;
}

}  // namespace sealmq::cli
