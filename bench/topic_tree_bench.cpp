// Matching a topic against many subscriptions: what a publish costs before anything is sent.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "broker/routing/topic_tree.h"

namespace {

using sealmq::broker::Subscription;
using sealmq::broker::TopicTree;

struct Tree {
  explicit Tree(std::int64_t size) {
    for (std::int64_t i = 0; i < size; ++i) add("plant/" + std::to_string(i) + "/+");
    add("plant/#");
  }
  Subscription& add(std::string filter) {
    auto& subscription = *all.emplace_back(std::make_unique<Subscription>());
    subscription.filter = std::move(filter);
    tree.add(subscription);
    return subscription;
  }
  TopicTree tree;
  std::vector<std::unique_ptr<Subscription>> all;
};

void steady_topic(benchmark::State& state) {
  Tree t(state.range(0));
  for (auto _ : state) {
    auto* found = &t.tree.match("plant/7/temp");
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(steady_topic)->Arg(100)->Arg(100'000);

void new_topics(benchmark::State& state) {
  Tree t(state.range(0));
  std::vector<std::string> topics;
  for (int i = 0; i < 20'000; ++i) topics.push_back("plant/" + std::to_string(i) + "/temp");  // more than it remembers
  std::size_t next = 0;
  for (auto _ : state) {
    auto* found = &t.tree.match(topics[next++ % topics.size()]);
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(new_topics)->Arg(100)->Arg(100'000);

void subscribe_and_leave(benchmark::State& state) {
  Tree t(state.range(0));
  Subscription subscription;
  subscription.filter = "plant/7/temp";
  for (auto _ : state) {
    t.tree.add(subscription);
    t.tree.remove(subscription);
  }
}
BENCHMARK(subscribe_and_leave)->Arg(100)->Arg(100'000);

}  // namespace

BENCHMARK_MAIN();
