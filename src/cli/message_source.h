// What a command is to send: -m, -f, -s, -n, and for some -l.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace sealmq::cli {

struct MessageSource {
  std::string text;
  std::string file;
  bool lines = false;  ///< the caller reads them
  bool whole_input = false;
  bool empty = false;
  std::vector<const Option*> choices;
};

void add_message_source(Command& command, MessageSource& source, bool takes_lines);

/// Reads it; empty with -l. Errors: caller_misused unless exactly one is given; environment.
Result<std::string> read_message(const MessageSource& source);

}  // namespace sealmq::cli
