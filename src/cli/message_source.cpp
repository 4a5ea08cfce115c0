#include "cli/message_source.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/error_text.h"
#include "base/file_kind.h"
#include "base/text.h"
#include "base/try.h"

namespace sealmq::cli {
namespace {

Result<std::string> read_all(std::istream& in, const std::string& name) {
  std::string all{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) return fail(Blame::environment, "cannot read " + printable(name));
  return all;
}

}  // namespace

void add_message_source(Command& command, MessageSource& source, bool takes_lines) {
  source.choices = {command.option("-m,--message", source.text, "TEXT", "the message"),
                    command.option("-f,--file", source.file, "FILE", "what is in this file"),
                    command.flag("-s,--stdin-file", source.whole_input, "all of standard input is the message"),
                    command.flag("-n,--null-message", source.empty, "an empty message")};
  if (takes_lines)
    source.choices.push_back(
        command.flag("-l,--stdin-line", source.lines, "every line of standard input that is not empty is a message"));
}

Result<std::string> read_message(const MessageSource& source) {
  const auto given = std::ranges::count_if(source.choices, [](const Option* choice) { return choice->count() > 0; });
  if (given != 1)
    return fail_with_hint(Blame::caller_misused, given == 0 ? "what is the message?" : "a message comes from one place",
                          source.choices.size() == 4 ? "one of -m, -f, -s and -n" : "one of -m, -f, -l, -s and -n");
  if (source.whole_input) return read_all(std::cin, "standard input");
  if (source.file.empty()) return source.text;
  std::ifstream file(source.file, std::ios::binary);
  if (!file) return fail(Blame::environment, "cannot read " + printable(source.file) + ": " + error_text(errno));
  if (std::filesystem::is_directory(source.file)) return fail(Blame::environment, printable(source.file) + " is a folder");
  auto message = TRY(read_all(file, source.file));
  TRY(check_no_secret(source.file, message));
  return message;
}

}  // namespace sealmq::cli
