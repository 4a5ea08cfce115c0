#include "cli/audit.h"

#include <unistd.h>

#include "authority/audit_log.h"
#include "base/text.h"
#include "base/try.h"
#include "cli/command.h"
#include "keystore/file_access.h"

namespace sealmq::cli {

Result<> record(const RegistryChoice& choice, std::string_view what, std::string_view name, std::string_view text) {
  const BrokerPlace place = TRY(find_place(choice));
  if (!exists(place.folder.path)) {
    notice("not in an audit log: there is no data folder " + place.folder.path + " here");
    return {};
  }
  const authority::AuditLog log(place.folder, "uid " + std::to_string(::getuid()));
  return log.add(what, name, text, wall_milliseconds()).map_error([](const Error& error) {
    return Error{error.blame, "done, but not in the audit log: " + error.what};
  });
}

std::string rights_in_words(const std::vector<std::string>& publish, const std::vector<std::string>& subscribe,
                            const std::vector<std::string>& schemes) {
  std::string text;
  for (const auto& [word, values] : {std::pair{"publish", &publish}, {"subscribe", &subscribe}, {"schemes", &schemes}}) {
    if (values->empty()) continue;
    text.append(text.empty() ? "" : "; ").append(word);
    for (const std::string& value : *values) text.append(&value == values->data() ? " " : ",").append(printable(value));
  }
  return text;
}

}  // namespace sealmq::cli
