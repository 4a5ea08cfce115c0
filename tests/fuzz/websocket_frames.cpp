// Any bytes as WebSocket frames of either side. Whole or in pieces they must mean the same, and never more than was sent.
// Input: one byte that chooses the side and the size of the pieces, then frames.
#include "net/websocket_frames.h"

#include <algorithm>
#include <cstdlib>

using namespace sealmq;
using namespace sealmq::net;

namespace {

struct Outcome {
  bool refused = false;
  bool ended = false;
  Buffer plain, answers;
  bool operator==(const Outcome&) const = default;
};

Outcome read(Side side, Bytes bytes, std::size_t piece) {
  FrameReader reader(side);
  Outcome outcome;
  while (!outcome.refused && !bytes.empty()) {
    const Bytes part = bytes.first(std::min(piece, bytes.size()));
    bytes = bytes.subspan(part.size());
    outcome.refused = !reader.read(part, outcome.plain, outcome.answers);
  }
  outcome.ended = reader.has_ended();
  if (side == Side::client) outcome.answers.clear();  // masked by chance
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const Side side = (data[0] & 1) != 0 ? Side::client : Side::broker;
  const Bytes bytes(data + 1, size - 1);
  const Outcome whole = read(side, bytes, SIZE_MAX);
  if (whole.plain.size() > bytes.size() || whole.answers.size() > bytes.size()) std::abort();
  if (read(side, bytes, 1 + data[0] / 2) != whole) std::abort();
  return 0;
}
