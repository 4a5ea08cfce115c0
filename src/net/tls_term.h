// When a certificate counts.
#pragma once

#include <cstdint>
#include <string>

#include "sealmq/result.h"

namespace sealmq::net {

/// Seconds since 1970.
struct Term {
  std::int64_t begins = 0;
  std::int64_t ends = 0;
};
/// Of the first certificate in a PEM file. Errors: environment (it cannot be read), caller_misused (there is none).
Result<Term> read_term(const std::string& path);

/// `server.pem ran out on 2026-11-29`; empty: it counts. `now` in seconds.
std::string why_not_now(const std::string& path, const Term& term, std::int64_t now);

}  // namespace sealmq::net
