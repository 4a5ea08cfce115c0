// Which threads go first when there are fewer processors than work. Linux keeps this for each thread; where it is refused,
// nothing is lost but the preference.
#pragma once

namespace sealmq::server {

/// For threads that wake up for a moment, and often: they need not wait until another one's time slice is over.
void prefer_latency();
/// For work that anybody may ask for: it must not take the processor from the event loops.
void give_way();

}  // namespace sealmq::server
