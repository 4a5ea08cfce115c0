// Every decoder of SL1's frames; what decodes encodes to the same bytes, and no side of the scheme accepts what nobody signed.
#include <algorithm>
#include <cstdlib>

#include "schemes/sl1/messages.h"
#include "schemes/sl1/sl1.h"
#include "support/parties.h"

using namespace sealmq;

namespace {

template <class Frame>
void must_mirror(const Result<Frame>& frame, Bytes input) {
  if (!frame) return;
  Buffer again = sl1::encode(*frame);
  if (!std::equal(again.begin(), again.end(), input.begin(), input.end())) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static testing::BrokerBench broker;
  static testing::Party party(broker, "boiler-7", {"#"}, {"#"}, "sl1");
  static testing::Party paper(broker, "boiler-8", {"#"}, {"#"}, "sl1@paper", {party.keys->identity()});
  static auto sides = [] {
    std::vector<std::unique_ptr<BrokerScheme>> made;
    for (const auto& scheme : all_schemes()) made.push_back(scheme.broker_side({*broker.key, broker.random}));
    return made;
  }();
  static Directory directory({party.identity, paper.identity});

  Bytes input(data, size);
  must_mirror(sl1::decode_subscribe(input), input);
  must_mirror(sl1::decode_message(input), input);
  must_mirror(sl1::decode_paper_message(input), input);
  if (auto listed = sl1::decode_listed(input)) {
    Buffer again;
    sl1::encode(*listed, again);
    if (!std::equal(again.begin(), again.end(), input.begin(), input.end())) std::abort();
  }
  for (auto& side : sides) {
    Incoming incoming{"plant/7/temp", input};
    if (side->info().claims.authorship == Authorship::none || !testing::its_broker_judges_messages(side->info())) continue;
    // The seeds are honestly signed, but for another time: nothing may be accepted.
    if (side->recognises(incoming) && side->open(incoming, {broker.now, directory})) std::abort();
    Incoming request{"$sl/sub", input};
    if (side->info().profile == Profile::hardened && side->recognises(request) &&
        side->read_request(request, {broker.now, directory}))
      std::abort();
    (void)side->read_subscribe(as_text(input), "plant/#", {broker.now, directory});
  }
  testing::Party* parties[] = {&party, &paper};
  for (auto* p : parties)
    if (p->scheme->unprotect({"plant/7/temp", input, false, false}, broker.now)) std::abort();
  return 0;
}
