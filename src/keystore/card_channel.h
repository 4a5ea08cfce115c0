// CardChannel: APDUs to one card and back. Over a reader (pcsc_reader.h), or to a simulated card in this process.
#pragma once

#include <functional>
#include <memory>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq::card {

/// One thread at a time.
class CardChannel {
 public:
  virtual ~CardChannel() = default;
  /// An error of the environment: the card or the reader is gone, or was reset by somebody else; the channel is of no more use.
  virtual Result<Buffer> transmit(Bytes command) = 0;
};

/// How a channel is made, each time one is needed. `alone`: nobody else may talk to the card meanwhile.
using OpenChannel = std::function<Result<std::unique_ptr<CardChannel>>(bool alone)>;

}  // namespace sealmq::card
