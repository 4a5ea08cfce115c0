// What the guided tour writes on.
#pragma once

#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "cli/colour.h"

namespace sealmq::cli {

/// Colours on a terminal, nothing in a pipe; or an object a line: scene, label, text, and whether it went well.
class Paper {
 public:
  explicit Paper(bool json = false) : json_(json) {}

  void title(std::string_view text) {
    scene_ = text;
    if (!json_) std::cout << '\n' << painted(colours_, bold, text) << '\n';
  }
  /// What happens between the scenes.
  void remark(std::string_view text) const {
    if (json_)
      write({{"remark", text}});
    else
      std::cout << text << std::endl;
  }
  void row(std::string_view label, std::string_view text) const { row(label, text, "", {}); }
  void good(std::string_view label, std::string_view text) const { row(label, text, green, true); }
  void bad(std::string_view label, std::string_view text) const { row(label, text, red, false); }

 private:
  using Json = nlohmann::ordered_json;

  void row(std::string_view label, std::string_view text, std::string_view colour, const Json& good) const {
    if (json_) return write({{"scene", scene_}, {"label", label}, {"text", text}, {"good", good}});
    std::cout << "  " << std::left << std::setw(28) << label << painted(colours_, colour, text) << std::endl;
  }
  static void write(const Json& line) { std::cout << line.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl; }

  bool json_;
  bool colours_ = takes_colours(STDOUT_FILENO);
  std::string scene_;
};

}  // namespace sealmq::cli
