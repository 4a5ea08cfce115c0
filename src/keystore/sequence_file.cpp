#include "keystore/sequence_file.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/descriptor.h"
#include "base/error_text.h"
#include "base/owned_file.h"

namespace sealmq {
namespace {

constexpr std::size_t digits = 20;  // all of 64 bits, with leading zeros: the file keeps its length, and one write replaces it

/// `00001732161600000042 <boot>` and a line end.
struct Stored {
  std::uint64_t last;
  std::string_view boot;
};

std::optional<Stored> parse(std::string_view text) {
  if (text.size() < digits + 2 || text[digits] != ' ' || text.back() != '\n') return std::nullopt;
  Stored stored{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, stored.last);
  if (error != std::errc() || end != text.data() + digits) return std::nullopt;
  stored.boot = text.substr(digits + 1, text.size() - digits - 2);
  return stored;
}

std::string format(std::uint64_t last, std::string_view boot) {
  auto number = std::to_string(last);
  number.insert(0, digits - number.size(), '0');
  return number.append(" ").append(boot).append("\n");
}

class SequenceFile : public SequenceCounter {
 public:
  SequenceFile(std::string path, Machine machine)
      : path_(std::move(path)), machine_(std::move(machine)), boot_(machine_.boot()) {}

  // Opened anew each time: the lock is then between calls, whether they come from threads or from processes.
  Result<std::uint64_t> next() override {
    const Descriptor file = open_or_make_file(path_, O_RDWR);
    if (!file.is_open()) return trouble("cannot open");
    while (::flock(file.number(), LOCK_EX) != 0) {
      if (errno != EINTR) return trouble("cannot lock");
    }

    std::array<char, 256> content{};
    const auto size = ::pread(file.number(), content.data(), content.size(), 0);
    if (size < 0) return trouble("cannot read");
    const auto number = after(parse({content.data(), static_cast<std::size_t>(size)}));
    if (number == 0) return fail(Blame::environment, path_ + ": the sequence numbers are used up");

    const auto text = format(number, boot_);
    const auto written = ::pwrite(file.number(), text.data(), text.size(), 0);
    if (written != static_cast<ssize_t>(text.size()) || ::ftruncate(file.number(), written) != 0) return trouble("cannot write");
    return number;
  }

 private:
  // A number that comes again makes receivers refuse the message, so a lost file must not start again at 1: it starts from the
  // clock, which is ahead of every number given so far as long as there is less than one message a microsecond. The same after
  // the machine was started anew, because the last writes may not have reached the disk; that spares a flush for every message.
  std::uint64_t after(const std::optional<Stored>& stored) const {
    if (!stored) return machine_.wall_microseconds();
    const std::uint64_t next = stored->last + 1;  // 0 when used up
    const bool same_boot = !boot_.empty() && stored->boot == boot_;
    return same_boot || next == 0 ? next : std::max(next, machine_.wall_microseconds());
  }

  Failure trouble(std::string_view doing) const {
    return fail(Blame::environment, std::string(doing) + " " + path_ + ": " + error_text(errno));
  }

  const std::string path_;
  const Machine machine_;
  const std::string boot_;
};

}  // namespace

std::unique_ptr<SequenceCounter> open_sequence_file(std::string path, Machine machine) {
  return std::make_unique<SequenceFile>(std::move(path), std::move(machine));
}

}  // namespace sealmq
