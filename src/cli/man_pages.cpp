#include "cli/man_pages.h"

#include <filesystem>
#include <fstream>

#include "cli/help.h"
#include "cli/settings_text.h"

namespace sealmq::cli {
namespace {

Result<> write(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  if (!(file << text).flush()) return fail(Blame::environment, "cannot write " + path);
  return {};
}

Result<> write_pages(const std::string& folder, const Command& command) {
  if (command.is_hidden()) return {};
  TRY(write(folder + "/" + page_name(command) + ".1", man_page(command)));
  for (const Command* sub : command.commands()) TRY(write_pages(folder, *sub));
  return {};
}

Result<> run(const std::string& folder, const Command& app) {
  for (const char* section : {"/man1", "/man5"}) {
    std::error_code error;
    std::filesystem::create_directories(folder + section, error);
    if (error) return fail(Blame::environment, "cannot make " + folder + section + ": " + error.message());
  }
  TRY(write_pages(folder + "/man1", app));
  return write(folder + "/man5/sealmq.toml.5", settings_page());
}

}  // namespace

void add_man_pages(Command& app, int& exit_code) {
  Command& command = app.add("man-pages", {.summary = "write the man pages"});
  command.hide();
  const auto folder = std::make_shared<std::string>();  // the callback owns it
  command.argument("DIR", *folder, "where to");
  command.callback([folder, &app, &exit_code] { exit_code = finish(run(*folder, app)); });
}

}  // namespace sealmq::cli
