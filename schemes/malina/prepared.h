// What a scheme finds out on the worker pool, as one value or its error: work that costs much and needs nothing of the shard.
#pragma once

#include <functional>

#include "sealmq/scheme.h"

namespace sealmq::malina {

template <class T>
class Prepared : public Preparation {
 public:
  /// `work` is called once, on another thread, and owns what it needs.
  explicit Prepared(std::function<Result<T>()> work) : work_(std::move(work)) {}
  void run() override { found_ = work_(); }

  /// What it found. Null: the message was one that needs no such work.
  static Result<T> take(Preparation* prepared) {
    auto* its = dynamic_cast<Prepared*>(prepared);
    if (its == nullptr) return fail(Blame::environment, "was not prepared");
    return std::move(its->found_);
  }

 private:
  std::function<Result<T>()> work_;
  Result<T> found_ = fail(Blame::environment, "was not prepared");
};

}  // namespace sealmq::malina
