// The CBOR codec: what is well-formed is walked through to its end, and what was written is read again.
#include <cstdlib>

#include "base/cbor.h"

using namespace sealmq;

namespace {

/// Writes the next item as this project writes it.
void copy(cbor::Reader& in, cbor::Writer& out) {
  using Kind = cbor::Reader::Kind;
  switch (in.next()) {
    case Kind::integer:
      out.integer(in.integer());
      return;
    case Kind::bytes:
      out.bytes(in.bytes());
      return;
    case Kind::text:
      out.text(in.text());
      return;
    case Kind::array: {
      const auto count = in.array();
      out.array(count);
      for (std::size_t i = 0; i < count; ++i) copy(in, out);
      return;
    }
    case Kind::map: {
      const auto pairs = in.map();
      out.map(pairs);
      for (std::size_t i = 0; i < 2 * pairs; ++i) copy(in, out);
      return;
    }
    case Kind::tag:
      out.tag(in.tag());
      copy(in, out);
      return;
    default:
      out.encoded(in.skip());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto in = cbor::Reader::over({data, size});
  if (!in) return 0;
  cbor::Reader second = *in;
  Buffer written;
  cbor::Writer out(written);
  copy(*in, out);
  if (!in->finish(0)) std::abort();
  if (second.skip().size() != size || !second.finish(0)) std::abort();
  // Once more gives the same: what is written is deterministic, but for the order of what it was given.
  Buffer again;
  auto reread = cbor::Reader::over(written);
  if (!reread) std::abort();
  cbor::Writer out_again(again);
  copy(*reread, out_again);
  if (again != written) std::abort();
  return 0;
}
