// Outbox: the bytes a connection owes its peer, in order. Small packets are copied into one contiguous tail; a large packet that
// several receivers share stays where it is and is referred to. The transport gathers, writes once per turn and reports what
// went.
//
// One thread. An empty Outbox keeps at most 16 KiB of heap, so that a busy connection does not allocate for each message, and
// after give_back() none at all: idle connections are many. (Connection calls it at each PINGREQ and PINGRESP, and rest() at each
// tick.)
#pragma once

#include <deque>
#include <memory>

#include <sys/uio.h>

#include "sealmq/bytes.h"

namespace sealmq::mqtt {

class Outbox {
 public:
  /// At and above this size a shared packet is referred to instead of copied.
  static constexpr std::size_t share_from = 4096;
  /// The largest empty tail that is kept for the next packet.
  static constexpr std::size_t keep_at_most = 16 * 1024;

  /// The contiguous tail, to which encode() appends. Valid until the next call of any other member.
  Buffer& tail();
  void append(Bytes bytes);
  void append_shared(std::shared_ptr<const Buffer> packet);

  std::size_t size() const { return size_ + tail_.size() - tail_taken_; }
  bool empty() const { return size() == 0; }
  /// Bytes it keeps, without those it shares.
  std::size_t memory() const { return own_ + tail_.capacity() + (pieces_ ? pieces_->size() * sizeof(Piece) : 0); }

  /// Fills `parts` with the first pieces to write; answers how many.
  std::size_t gather(std::span<iovec> parts) const;
  /// `count` bytes were written, at most size(). When everything was, memory beyond keep_at_most is given back.
  void consume(std::size_t count);
  /// Gives back the memory of an empty Outbox; does nothing to another.
  void give_back();
  /// To be called now and then: the same, if nothing was written since the last call.
  void rest();
  void clear();

 private:
  struct Piece {
    std::shared_ptr<const Buffer> shared;
    Buffer own;
    std::size_t taken = 0;
    Bytes left() const { return Bytes(shared ? *shared : own).subspan(taken); }
  };
  void close_tail();

  std::unique_ptr<std::deque<Piece>> pieces_;  // before the tail; rarely any
  std::size_t size_ = 0;                       // of the pieces
  std::size_t own_ = 0;                        // of those that are not shared, with what is written already
  Buffer tail_;
  std::size_t tail_taken_ = 0;
  bool busy_ = false;  // something was written since rest()
};

}  // namespace sealmq::mqtt
