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

std::string in_words(const Right& right) {
  std::string text = (right.is_pattern ? "pattern " : "") + printable(right.filter);
  return right.qos == QosSet::all() ? text : text + " qos " + to_text(right.qos);
}

std::string rights_in_words(const Rights& publish, const Rights& subscribe, const std::vector<std::string>& schemes,
                            Factors require) {
  std::string text;
  const auto begin = [&](std::string_view word) { text.append(text.empty() ? "" : "; ").append(word); };
  for (const auto& [word, rights] : {std::pair{"publish", &publish}, {"subscribe", &subscribe}}) {
    if (rights->empty()) continue;
    begin(word);
    for (const Right& right : *rights) text.append(&right == rights->data() ? " " : ",").append(in_words(right));
  }
  if (!schemes.empty()) begin("schemes");
  for (const std::string& scheme : schemes) text.append(&scheme == schemes.data() ? " " : ",").append(printable(scheme));
  if (!require.empty()) {
    begin("require ");
    text.append(to_text(require));
  }
  return text;
}

}  // namespace sealmq::cli
