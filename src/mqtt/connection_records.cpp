// A connection whose packets travel in records.
#include <algorithm>
#include <array>

#include "mqtt/connection.h"

namespace sealmq::mqtt {
namespace {

// Small packets share a record up to about this size.
constexpr std::size_t record_aim = 64 * 1024;

/// Where the last whole packet ends that begins at or behind `at` and ends at or before `most`.
std::size_t end_of_whole_packets(Bytes packets, std::size_t at, std::size_t most, Version version) {
  while (at < packets.size()) {
    const auto header = decode_header(packets.subspan(at), version);
    if (!header || !*header) break;
    const std::size_t end = at + (*header)->size + (*header)->remaining;
    if (end > packets.size() || end > most) break;
    at = end;
  }
  return at;
}

}  // namespace

Result<> Connection::protect_with(std::unique_ptr<Records> records) {
  // Bytes that nobody has authenticated must not be read as if they had come in a record.
  if (!unread_.empty()) return fail(Blame::peer_misbehaved, "sends packets before the login is over");
  peer_maximum_packet_size_ =
      static_cast<std::uint32_t>(std::min<std::size_t>(peer_maximum_packet_size_, records->most_plaintext()));
  protection_ = std::make_unique<Protection>();
  protection_->records = std::move(records);
  protection_->sealed = std::exchange(outbox_, {});  // what was sent up to here goes as it is
  protection_begins_ = role_ == Role::client;
  return {};
}

Result<> Connection::protect_again(const Secret& session_key) {
  if (protection_ == nullptr || over()) return {};
  while (!outbox_.empty() && !over()) seal_waiting();
  if (over()) return {};
  auto mixed = protection_->records->mix(session_key, now_, protection_->sealed.tail());
  if (!mixed) return broken(std::move(mixed).error());
  return {};
}

/// Closed at once: not even a DISCONNECT follows.
Failure Connection::broken(Error error) {
  state_ = State::Closed;
  discard_unwritten();
  return Failure(std::move(error));
}

Result<> Connection::accept_records(Bytes in, Events& events) {
  Buffer& unread = protection_->unread;
  Buffer joined;
  if (!unread.empty()) {
    sealmq::append(unread, in);
    const auto size = protection_->records->size_of(unread);
    if (size && (!*size || **size > unread.size())) return {};
    joined = std::exchange(unread, {});
    in = joined;
  }
  while (!over()) {
    const auto size = protection_->records->size_of(in);
    if (!size) return broken(size.error());
    if (!*size || **size > in.size()) break;
    auto packets = protection_->records->open(in.first(**size));
    if (!packets) return broken(std::move(packets).error());
    in = in.subspan(**size);
    if (auto accepted = accept(*packets, events); !accepted) return accepted;
    if (!held_ && !unread_.empty() && !over()) return broken({Blame::peer_misbehaved, "a record ends within a packet", 0});
  }
  if (!over()) sealmq::append(protection_->unread, in);
  return {};
}

Outbox& Connection::to_wire() {
  if (protection_ == nullptr) return outbox_;
  if (protection_->sealed.empty() && !outbox_.empty()) seal_waiting();
  return protection_->sealed;
}

void Connection::seal_waiting() {
  const std::size_t most = protection_->records->most_plaintext();
  std::array<iovec, 64> parts;  // the first packet has three at most
  const std::size_t count = outbox_.gather(parts);
  Buffer packets;
  std::size_t whole = 0;
  const auto is_enough = [&] { return whole > 0 && packets.size() >= record_aim; };
  for (std::size_t i = 0; i < count && !is_enough(); ++i) {
    Bytes part(static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len);
    while (!part.empty() && !is_enough()) {
      const Bytes some = part.first(std::min(part.size(), record_aim));
      sealmq::append(packets, some);
      part = part.subspan(some.size());
      whole = end_of_whole_packets(packets, whole, most, version_);
    }
  }
  if (whole == 0 || !protection_->records->seal(Bytes(packets).first(whole), now_, protection_->sealed.tail())) {
    (void)broken({Blame::environment, "cannot seal", 0});  // its keys are used up
    return;
  }
  outbox_.consume(whole);
}

std::size_t Connection::unwritten() const {
  return outbox_.size() + (protection_ != nullptr ? protection_->sealed.size() : 0);
}

std::size_t Connection::unwritten_memory() const {
  return outbox_.memory() + (protection_ != nullptr ? protection_->sealed.memory() : 0);
}

void Connection::discard_unwritten() {
  outbox_.clear();
  if (protection_ != nullptr) protection_->sealed.clear();
}

}  // namespace sealmq::mqtt
