// The frames and topics of PMQTT: what decodes encodes to the same bytes, and what is read of a topic makes it again.
#include <algorithm>
#include <cstdlib>

#include "base/writer.h"
#include "schemes/pmqtt/frames.h"
#include "schemes/pmqtt/paper_frames.h"
#include "schemes/pmqtt/topics.h"

using namespace sealmq;

namespace {

void must_be(Bytes made, Bytes input) {
  if (!std::ranges::equal(made, input)) std::abort();
}

void read_frames(Bytes input) {
  for (auto type : {pmqtt::type_offer, pmqtt::type_answer})
    if (const auto frame = pmqtt::decode_exchange(input, type)) {
      Buffer again = pmqtt::begin_exchange(type, frame->time, frame->nonce, frame->point);
      must_be(again, frame->signed_part);
      append(again, frame->signature);
      must_be(again, input);
    }
  if (const auto frame = pmqtt::decode_request(input)) {
    Buffer again = pmqtt::begin_request(frame->time, frame->session);
    must_be(again, frame->signed_part);
    append(again, frame->signature);
    must_be(again, input);
  }
  for (auto type : {pmqtt::type_message, pmqtt::type_receipt})
    if (const auto frame = pmqtt::decode_sealed(input, type)) {
      Buffer again;
      pmqtt::begin_sealed(type, frame->session, frame->number, again);
      append(again, frame->sealed);
      must_be(again, input);
    }
  if (const auto receipts = pmqtt::decode_receipts(input)) must_be(pmqtt::encode(*receipts), input);
  if (const auto point = pmqtt::paper::decode_exchange(input)) must_be(*point, input);
  if (const auto frame = pmqtt::paper::decode_message(input)) {
    Buffer again = to_buffer(frame->iv);
    append(again, frame->ciphertext);
    must_be(again, input);
  }
}

void read_topic(std::string_view topic) {
  const pmqtt::Topics topics;
  const auto read = topics.read(topic);
  if (!read) return;
  const std::string again = read->is_exchange     ? topics.exchange(read->from, read->to)
                            : read->topic.empty() ? topics.messages(read->from, read->to)
                                                  : topics.message(read->from, read->to, read->topic);
  if (again != topic) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read_frames({data, size});
  read_topic(as_text({data, size}));
  return 0;
}
