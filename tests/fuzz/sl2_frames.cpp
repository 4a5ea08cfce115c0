// Every decoder of SL2's frames and of what is sealed in them. What decodes is written again as the same octets, and nothing
// opens that nobody sealed.
#include <algorithm>
#include <cstdlib>

#include "base/writer.h"
#include "crypto/random.h"
#include "schemes/sl2/delivery.h"
#include "schemes/sl2/escrow.h"
#include "schemes/sl2/options.h"
#include "schemes/sl2/paper_messages.h"

using namespace sealmq;

namespace {

void must_equal(const Buffer& written, Bytes read) {
  if (!std::equal(written.begin(), written.end(), read.begin(), read.end())) std::abort();
}

void try_plaintexts(Bytes input) {
  Buffer again;
  Writer out(again);
  if (const auto r = sl2::decode_subscribe(input)) {
    out.u64(r->time).lp16(r->filter).bytes(r->key);
    if (r->capability) out.lp8(*r->capability);
    must_equal(again, input);
  }
  again.clear();
  if (const auto m = sl2::decode_message(input)) {
    out.lp16(m->topic).bytes(m->id).lp32(m->message).u64(m->time).u64(m->sequence).bytes(m->signature);
    must_equal(again, input);
  }
  for (const std::uint64_t counter : {0, 1}) {
    again.clear();
    if (const auto d = sl2::decode_delivery(input, counter)) {
      out.lp16(d->topic).lp32(d->message).u64(d->time).lp16(d->escrow).bytes(Buffer(d->padding));
      must_equal(again, input);
    }
  }
  again.clear();
  if (const auto r = sl2::decode_paper_subscribe(input)) {
    out.lp16(r->topic).bytes(r->key);
    must_equal(again, input);
  }
  again.clear();
  if (const auto m = sl2::decode_paper_message(input)) {
    out.lp16(m->topic).bytes(m->id).lp32(m->message).u64(m->time).bytes(m->signature);
    must_equal(again, input);
  }
  again.clear();
  if (const auto d = sl2::decode_paper_delivery(input)) {
    out.lp16(d->topic).lp32(d->message).u64(d->time).bytes(d->signature);
    must_equal(again, input);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static crypto::OsRandom random;
  static const auto authority = make_memory_keys("authority", Kind::authority, random);
  static const auto rabin = crypto::rabin::PrivateKey::generate(1024);
  static crypto::AesGcm paper_key{Secret(Buffer(16, 1))};
  const Bytes input(data, size);

  for (const auto type : {sl2::type_sl2_1, sl2::type_sl2_2}) {
    const auto sealed = sl2::decode_sealed(input, type);
    if (sealed && sl2::open(*sealed, crypto::rabin::decapsulate(rabin, sealed->c), "broker-1")) std::abort();
  }
  for (const auto name : {sl2::paper_sl2_1, sl2::paper_sl2_2}) {
    const auto c = sl2::decode_paper_sealed(input, name);
    if (c && crypto::rabin::decrypt(rabin, *c)) std::abort();
  }
  if (const auto frame = sl2::decode_delivery_frame(input)) {
    sl2::DeliveryKey key(Buffer(16, 2), frame->subscription);
    if (key.open(*frame)) std::abort();
  }
  if (sl2::open_paper_delivery(input, paper_key)) std::abort();
  if (sl2::open_escrow(*authority, input, "plant/7", 1)) std::abort();
  try_plaintexts(input);
  if (const auto closed = sl2::parse_closed(as_text(input)))
    for (const auto& its : *closed)
      if (!sl2::closed_by(*closed, its.filter) && closed->size() == 1) std::abort();
  return 0;
}
