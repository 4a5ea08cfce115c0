// A message as it lies in the store: what is accepted survives being written and read again.
#include "server/message_record.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace sealmq;
  const Now now{1'000'000, 1'800'000'000'000};
  const auto message = server::decode_record({data, size}, 7, now);
  if (!message) return 0;
  const Buffer record = server::encode_record(**message, now);
  const auto again = server::decode_record(record, 7, now);
  if (!again || (*again)->view().topic != (*message)->view().topic || server::encode_record(**again, now) != record) std::abort();
  return 0;
}
