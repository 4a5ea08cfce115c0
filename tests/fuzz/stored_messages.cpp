// A client's file of messages: what is read up to an end is read again up to there as the same. The input is such a file, and
// then records alone (u16 length and body), which are given their tags, so that what stands in them is reached.
#include <cstdlib>

#include "base/reader.h"
#include "base/writer.h"
#include "client/message_store.h"
#include "crypto/hash.h"

namespace sealmq {
namespace {

void read(Bytes file) {
  std::size_t end = 0;
  const auto messages = read_stored_messages(file, "device", nullptr, end);
  if (!messages) return;
  if (end > file.size()) std::abort();
  for (const auto& [number, message] : *messages)
    if (number == 0 || message.topic.empty() || message.options.qos == mqtt::QoS::at_most_once) std::abort();
  std::size_t same_end = 0;
  const auto again = read_stored_messages(file.first(end), "device", nullptr, same_end);
  if (!again || same_end != end || *again != *messages) std::abort();
}

Buffer with_tags(Bytes bodies) {
  Buffer header;
  Writer(header).text("SEALMQ-MESSAGES-1\n").u8(0).lp16("device");
  Buffer file = header;
  Reader in(bodies);
  for (std::uint64_t count = 0; in.remaining() > 0; ++count) {
    const Bytes body = in.lp16();
    if (in.failed()) break;
    Buffer all = header;
    Writer(all).u64(count).bytes(body);
    Buffer record = to_buffer(body);
    append(record, Bytes(crypto::sha256(all)).first(16));
    Writer(file).lp32(record);
  }
  return file;
}

}  // namespace
}  // namespace sealmq

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  sealmq::read({data, size});
  sealmq::read(sealmq::with_tags({data, size}));
  return 0;
}
