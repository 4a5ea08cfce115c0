// Every scheme, in each version of MQTT in which it says that it works.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "conformance/scheme_fixture.h"

namespace sealmq::testing {

struct SchemeCase {
  std::string_view scheme;
  mqtt::Version version = mqtt::Version::v5;
};

inline void PrintTo(const SchemeCase& its, std::ostream* out) {
  *out << its.scheme << " in " << mqtt::name(its.version);
}

inline std::vector<SchemeCase> all_cases() {
  std::vector<SchemeCase> cases;
  for (const auto& scheme : all_schemes()) {
    const std::string_view name = scheme.info->name;
    cases.push_back({name});
    const FixtureLine* line = fixture_line(name);
    if (line != nullptr && line->make()->works_in_mqtt_3()) cases.push_back({name, mqtt::Version::v3_1_1});
  }
  return cases;
}

inline std::vector<SchemeCase> cases_in_mqtt_5() {
  std::vector<SchemeCase> cases = all_cases();
  std::erase_if(cases, [](const SchemeCase& its) { return its.version != mqtt::Version::v5; });
  return cases;
}

inline std::string name_of(const ::testing::TestParamInfo<SchemeCase>& info) {
  std::string name(info.param.scheme);
  std::ranges::replace_if(
      name, [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name + (info.param.version == mqtt::Version::v5 ? "" : "_mqtt3");
}

class SchemeTest : public ::testing::TestWithParam<SchemeCase> {
 protected:
  void SetUp() override { ASSERT_NE(fixture_line(GetParam().scheme), nullptr) << "no fixture: tests/conformance/fixtures.cpp"; }

  static const SchemeInfo& info() { return *find_scheme(GetParam().scheme)->info; }
  static const Claims& claims() { return info().claims; }
  static bool is_end_to_end() { return claims().confidentiality == Confidentiality::end_to_end; }
  static bool verifies_authors() { return claims().authorship == Authorship::verified_by_subscriber; }

  /// A world whose author and reader have met.
  struct Meeting : World {
    explicit Meeting(Strength its_strength = Strength::usual) : World(GetParam().scheme, GetParam().version, its_strength) {
      meet();
    }
  };
};

}  // namespace sealmq::testing
