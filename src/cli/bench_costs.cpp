// sealmq bench costs: what each step of SL1, SL2 and SL3 costs, beside what their publication says.
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/try.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "cli/cost_table.h"
#include "crypto/random.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "what each step of SL1, SL2 and SL3 costs",
    .text =
        R"(Counts and times what publisher, broker and subscriber compute in each step of SL1, SL2 and SL3, as published and
hardened. Prints it beside Table 2 of the publication (Malina, Srivastava, Dzurenda, Hajny, Fujdiak, ARES 2019,
section 5.1). No network.

SM multiplication of a point, M multiplication modulo q or n, A addition, H hash, AES message sealed or opened, RAD
Rabin decryption. As in the paper, derivations of keys are not counted; nor are encodings, the padding and the hash of
a nonce. The time is CPU time of one core, the median in microseconds; the bytes are those of the frame that the step
sends.)",
    .examples = R"($ sealmq bench costs
$ sealmq bench costs --repeat 1001 --json | grep '"role":"broker"'
)",
};

struct Options {
  unsigned repeat = 101;
  bool json = false;
};

nlohmann::ordered_json json_of(const crypto::Operations& operations) {
  return {{"sm", operations.sm}, {"m", operations.m},     {"a", operations.a},
          {"h", operations.h},   {"aes", operations.aes}, {"rad", operations.rad}};
}

void print_json(const CostRow& row) {
  const CostStep& step = row.step;
  nlohmann::ordered_json object;
  object["scheme"] = step.scheme;
  object["profile"] = step.profile;
  object["role"] = name(step.role);
  object["phase"] = name(step.phase);
  object["step"] = step.what;
  object["counted"] = json_of(row.counted);
  object["paper"] = step.paper ? json_of(*step.paper) : nlohmann::ordered_json(nullptr);
  object["microseconds"] = std::round(row.microseconds * 10) / 10;
  object["bytes"] = row.bytes;
  object["remark"] = step.remark.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(step.remark);
  std::cout << object.dump() << '\n';
}

Result<> run(const Options& options) {
  notice("making a Rabin key of " + std::to_string(crypto::rabin::usual_bits) + " bits, which takes some seconds");
  const auto rabin = crypto::rabin::PrivateKey::generate();
  notice("doing each step " + std::to_string(options.repeat) + " times");
  crypto::OsRandom random;
  const auto rows = TRY(measure_costs(rabin, random, {0, wall_milliseconds()}, options.repeat));
  if (!options.json) {
    std::cout << "topic of " << cost_topic.size() << " bytes, message of " << cost_message_size << ", Rabin modulus of "
              << crypto::rabin::usual_bits << " bits; paper: Malina et al. 2019, Table 2; us: median of " << options.repeat
              << "\n\n"
              << cost_table(rows);
    return {};
  }
  for (const CostRow& row : rows) print_json(row);
  return {};
}

}  // namespace

void add_bench_costs(Command& bench, int& exit_code) {
  const auto options = std::make_shared<Options>();  // the callback owns it
  Command& costs = bench.add("costs", about);
  costs.option("--repeat", options->repeat, "N", "how often each step is done")->check(within(1, 100'000))->capture_default_str();
  add_json_option(costs, options->json);
  costs.callback([options, &exit_code] { exit_code = finish(run(*options)); });
}

}  // namespace sealmq::cli
