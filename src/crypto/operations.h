// Counts the operations by which publications state what a scheme costs.
//
//   CountOperations counter;
//   sign(key, elements, random);
//   counter.so_far() == Operations{.sm = 1, .m = 1, .a = 1, .h = 1}
//
// Off, a count is one branch on a thread-local pointer. Counted is what the scheme's formulas name; what this implementation adds
// (the hash of a hedged nonce, encodings) is not, or the numbers could not be compared with a publication's table.
#pragma once

#include <cstdint>

namespace sealmq::crypto {

struct Operations {
  std::uint64_t sm = 0;   ///< scalar multiplications in the group
  std::uint64_t m = 0;    ///< multiplications and divisions modulo q, squarings modulo n
  std::uint64_t a = 0;    ///< additions, of points or modulo q
  std::uint64_t h = 0;    ///< hashes
  std::uint64_t aes = 0;  ///< messages sealed or opened with AES
  std::uint64_t rad = 0;  ///< Rabin decryptions

  bool operator==(const Operations&) const = default;
};

namespace detail {
inline constinit thread_local Operations* counting = nullptr;
}

inline void count(std::uint64_t Operations::*kind, std::uint64_t times = 1) {
  if (detail::counting != nullptr) [[unlikely]]
    detail::counting->*kind += times;
}

/// Counts what its thread does during its life. Inside another one, it counts for both.
class CountOperations {
 public:
  CountOperations() : outer_(detail::counting) { detail::counting = &counted_; }
  ~CountOperations();
  CountOperations(const CountOperations&) = delete;
  CountOperations& operator=(const CountOperations&) = delete;

  const Operations& so_far() const { return counted_; }

 private:
  Operations counted_;
  Operations* outer_;
};

}  // namespace sealmq::crypto
