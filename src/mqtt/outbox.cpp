#include "mqtt/outbox.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sealmq::mqtt {

Buffer& Outbox::tail() {
  return tail_;
}

void Outbox::append(Bytes bytes) {
  sealmq::append(tail_, bytes);
}

void Outbox::append_shared(std::shared_ptr<const Buffer> packet) {
  if (packet->size() < share_from) return append(*packet);
  close_tail();
  if (!pieces_) pieces_ = std::make_unique<std::deque<Piece>>();
  size_ += packet->size();
  pieces_->push_back({std::move(packet), {}, 0});
}

void Outbox::close_tail() {
  if (tail_.size() == tail_taken_) {  // everything written, or nothing there
    tail_.clear();
    tail_taken_ = 0;
    return;
  }
  if (!pieces_) pieces_ = std::make_unique<std::deque<Piece>>();
  size_ += tail_.size() - tail_taken_;
  own_ += tail_.size();
  pieces_->push_back({nullptr, std::exchange(tail_, {}), std::exchange(tail_taken_, 0)});
}

std::size_t Outbox::gather(std::span<iovec> parts) const {
  std::size_t count = 0;
  auto add = [&](Bytes bytes) {
    if (bytes.empty() || count == parts.size()) return;
    parts[count++] = {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};  // writev() takes no const; it does not write there
  };
  if (pieces_)
    for (const Piece& piece : *pieces_) {
      if (count == parts.size()) break;
      add(piece.left());
    }
  add(Bytes(tail_).subspan(tail_taken_));
  return count;
}

void Outbox::consume(std::size_t count) {
  assert(count <= size());
  busy_ = true;
  while (pieces_ && count > 0) {
    Piece& first = pieces_->front();
    std::size_t taken = std::min(count, first.left().size());
    first.taken += taken;
    size_ -= taken;
    count -= taken;
    if (!first.left().empty()) return;
    own_ -= first.own.size();
    pieces_->pop_front();
    if (pieces_->empty()) pieces_.reset();
  }
  tail_taken_ += count;
  if (tail_taken_ == tail_.size()) {
    tail_taken_ = 0;
    if (tail_.capacity() > keep_at_most)
      tail_ = Buffer();
    else
      tail_.clear();
  } else if (tail_taken_ >= share_from && tail_taken_ >= tail_.size() / 2) {
    // A reader that is never quite finished must not make the written part grow; moving at most what was written costs little.
    tail_.erase(tail_.begin(), tail_.begin() + static_cast<std::ptrdiff_t>(tail_taken_));
    tail_taken_ = 0;
  }
}

void Outbox::give_back() {
  if (empty()) clear();
}

void Outbox::rest() {
  if (!std::exchange(busy_, false)) give_back();
}

void Outbox::clear() {
  pieces_.reset();
  size_ = own_ = 0;
  tail_ = Buffer();
  tail_taken_ = 0;
}

}  // namespace sealmq::mqtt
