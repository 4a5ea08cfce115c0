// TRY(expression): the value of a Result, or return its error from the enclosing function. Statement expressions are
// understood by both compilers this project supports. The counter gives a nested TRY a name of its own.
//
// It stands alone or as the only thing that owns memory in its expression: when it returns from the middle of one, g++ 12 does
// not destroy what was already built, as in `Pair{std::string(a), TRY(b)}`. Give the value a name first.
#pragma once

#include <utility>

#include "sealmq/result.h"

#define SEALMQ_TRY_2(expression, name)                            \
  __extension__({                                                 \
    auto&& name = (expression);                                   \
    if (!name) return ::sealmq::Failure(std::move(name).error()); \
    ::sealmq::detail::take(std::move(name));                      \
  })
#define SEALMQ_TRY_1(expression, number) SEALMQ_TRY_2(expression, try_result_##number)
#define SEALMQ_TRY_0(expression, number) SEALMQ_TRY_1(expression, number)
#define TRY(expression) SEALMQ_TRY_0(expression, __COUNTER__)

namespace sealmq::detail {
template <class T>
T take(tl::expected<T, Error>&& result) {
  return *std::move(result);
}
inline void take(tl::expected<void, Error>&&) {}
}  // namespace sealmq::detail
