// The complaints that an authority has got and not dealt with: a bounded number, each once.
//
// A complaint is kept when its signature and what it shows have been verified; that is the caller's. What its bytes mean is the
// business of its scheme.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "registry/sqlite.h"

namespace sealmq::authority {

struct Complaint {
  std::uint64_t number = 0;                  ///< in this book
  std::array<std::uint8_t, 33> requester{};  ///< its ECDSA key; zeroes: anonymous readers, all of them together
  std::uint64_t request = 0;                 ///< the requester's own number; of anonymous ones nothing
  std::uint64_t wall = 0;                    ///< when it came
  Buffer frame;
  bool operator==(const Complaint&) const = default;
};

inline constexpr std::size_t maximum_complaints = 1000;
inline constexpr std::size_t maximum_of_one_requester = 50;
inline constexpr std::size_t maximum_complaint_size = 1024 * 1024;
inline constexpr std::size_t maximum_complaint_bytes = 64 * 1024 * 1024;
/// What is known of those that were dealt with, so that a copy of one is not taken again.
inline constexpr std::size_t remembered_complaints = 10'000;

/// Any thread, several processes. Errors of all calls: environment.
class ComplaintBook {
 public:
  /// Makes the file (0600) if it is missing.
  static Result<std::unique_ptr<ComplaintBook>> open(const std::string& path);

  /// Answers its number here. Errors: also not_authorised: a copy, or one too many.
  Result<std::uint64_t> add(const Complaint& complaint);
  /// Those not dealt with, as they came.
  Result<std::vector<Complaint>> open_ones();
  /// It has been dealt with. Error: also caller_misused: there is none of that number.
  Result<> close(std::uint64_t number);

 private:
  explicit ComplaintBook(sqlite::Database database) : database_(std::move(database)) {}
  std::mutex mutex_;
  sqlite::Database database_;
};

}  // namespace sealmq::authority
