// Who may talk to whom: the broker's table of allowed partners, as an operator fills it in, which an end may have too.
//
//   patient1  dr.house dr.wilson      patient1 may talk to each of them, and they to patient1
//   # what is behind a '#' is for people
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "sealmq/scheme.h"

namespace sealmq::pmqtt {

class PartnerTable {
 public:
  /// Without one everybody may talk to everybody.
  PartnerTable() = default;
  /// By the option `partners` of the scheme, with or without its profile. Error: caller_misused with the line, for what is no
  /// identity's name, or a name alone.
  static Result<PartnerTable> make(const SchemeOptions& options, std::string_view scheme);
  static Result<PartnerTable> parse(std::string_view text);

  bool allows(std::string_view one, std::string_view other) const;

 private:
  bool is_open_ = true;
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> partners_;
};

}  // namespace sealmq::pmqtt
