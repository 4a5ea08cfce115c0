// Two ends of a scheme between partners and a broker between them that does as a test likes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>

#include "mqtt/topic.h"
#include "sealmq/scheme.h"
#include "support/fakes.h"

namespace sealmq::testing {

/// A message on its way through the broker.
struct Passing {
  std::string topic;
  Buffer payload;
  bool at_least_once = true;
};

/// One end with its keys, as ClientSession would drive it.
struct End {
  End(std::string name, Random& random) : keys(make_memory_keys(name, Kind::device, random)) {}

  /// A new process of the same identity.
  void start(std::string_view scheme_name, std::vector<PublicIdentity> peers, Random& random, Now now) {
    scheme = find_scheme(scheme_name)->client_side({keys.get(), std::nullopt, std::move(peers), random}).value();
    scheme->connected(now);
  }
  bool is_for(const Passing& passing) const {
    for (const auto& inbox : scheme->inboxes())
      if (mqtt::matches(inbox.filter, passing.topic)) return true;
    return false;
  }
  void take(const Passing& passing, Now now) {
    auto received =
        scheme->unprotect({.topic = passing.topic, .payload = passing.payload, .at_least_once = passing.at_least_once}, now);
    for (const Delivered& delivered : scheme->deliveries()) deliveries.push_back(delivered);
    if (!received) {
      refusals.push_back(received.error().what);
    } else if ((*received)->what == Received::What::message) {
      texts.emplace_back(as_text((*received)->payload));
      notices.push_back((*received)->notice);
      authors.push_back((*received)->author);
      if (takes && (*received)->delivery != 0) scheme->taken((*received)->delivery);
    }
  }
  bool was_told(std::string_view words) const {
    for (const auto& refusal : refusals)
      if (refusal.find(words) != refusal.npos) return true;
    return false;
  }
  bool was_told_that(Delivered::Outcome outcome) const {
    for (const auto& delivered : deliveries)
      if (delivered.outcome == outcome) return true;
    return false;
  }

  std::unique_ptr<KeyStore> keys;
  std::unique_ptr<ClientScheme> scheme;
  std::vector<std::string> texts, authors, notices, refusals;
  std::vector<Delivered> deliveries;
  bool takes = true;  ///< what it receives, at once
};

struct Wire {
  explicit Wire(std::string name) : scheme(std::move(name)) {}

  void start(End& end, const std::vector<End*>& partners) {
    std::vector<PublicIdentity> peers;
    for (const End* partner : partners) peers.push_back(partner->keys->identity());
    end.start(scheme, std::move(peers), random, now);
    if (std::find(ends.begin(), ends.end(), &end) == ends.end()) ends.push_back(&end);
  }
  void listen(End& end, std::string_view filter = "#") {
    EXPECT_TRUE(end.scheme->subscribe(filter, now));
    go_on();
  }

  /// Brings to their ends what passes, and what they ask for then.
  void go_on() {
    for (bool again = true; again;) {
      again = false;
      for (End* end : ends)
        while (auto request = end->scheme->next_request(now).value()) {
          put({request->topic, std::move(request->payload)});
          again = true;
        }
    }
  }
  void put(Passing passing) {
    log.push_back(passing);
    if (meddle && !meddle(passing)) return;
    bring(passing);
  }
  void bring(const Passing& passing) {
    for (End* end : ends)
      if (end->is_for(passing)) end->take(passing, now);
  }

  /// False: there was no session for it.
  bool send(End& from, std::string_view topic, std::string_view text, bool at_least_once = true) {
    bool sent = true;
    for (const auto& address : from.scheme->addresses(topic)) {
      if (!from.scheme->may_publish(address, now)) go_on();
      if (!from.scheme->may_publish(address, now)) {
        sent = false;
        continue;
      }
      put({address, from.scheme->protect(address, as_bytes(text), now).value(), at_least_once});
    }
    go_on();
    return sent;
  }
  void advance(std::uint64_t milliseconds) {
    now.steady += milliseconds;
    now.wall += milliseconds;
    go_on();
  }
  /// The last that passed on a topic that begins so.
  const Passing& last(std::string_view beginning) const {
    for (auto passing = log.rbegin(); passing != log.rend(); ++passing)
      if (passing->topic.starts_with(beginning)) return *passing;
    ADD_FAILURE() << "nothing passed on " << beginning;
    return log.back();
  }
  std::size_t count(std::string_view beginning) const {
    std::size_t number = 0;
    for (const auto& passing : log) number += passing.topic.starts_with(beginning) ? 1U : 0U;
    return number;
  }

  std::string scheme;
  CountingRandom random;
  Now now{1'000'000, 1'800'000'000'000};
  std::vector<End*> ends;
  std::deque<Passing> log;
  std::function<bool(Passing&)> meddle;  ///< false: it does not arrive
};

}  // namespace sealmq::testing
