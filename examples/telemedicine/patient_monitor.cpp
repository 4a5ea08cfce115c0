// patient_monitor PATIENT.key DOCTOR.pub... FILE: sends a recorded series to its doctors, a row at a time, and to nobody else.
//
// Rows a second: RATE (1). BROKER: mqtt://localhost:1883. Each row is sent until every doctor has it, or a minute has passed.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "sealmq/client.h"

namespace {

std::string from_environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> parts;
  std::stringstream rest(line);
  for (std::string part; std::getline(rest, part, ',');) parts.push_back(part);
  return parts;
}

/// {"second":12,"pulse":71,...}: the names stand in the first line of the file.
std::string as_json(const std::vector<std::string>& names, const std::vector<std::string>& values) {
  std::string text = "{";
  for (std::size_t i = 0; i < std::min(names.size(), values.size()); ++i)
    text += (i == 0 ? "\"" : ",\"") + names[i] + "\":" + values[i];
  return text + "}";
}

int fail(const std::string& why) {
  std::cerr << "patient_monitor: " << why << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return fail("usage: patient_monitor PATIENT.key DOCTOR.pub... FILE");
  const int pause = 1000 / std::clamp(std::atoi(from_environment("RATE", "1").c_str()), 1, 1000);

  sealmq::ConnectOptions options;
  options.url = from_environment("BROKER", "mqtt://localhost:1883");
  options.scheme = "pmqtt";
  options.key_file = argv[1];
  options.partner_timeout = std::chrono::minutes(1);
  options.on_refused = [](const sealmq::RefusedMessage& refused) { std::cerr << "refused: " << refused.why << '\n'; };
  for (int i = 2; i < argc - 1; ++i) {
    auto doctor = sealmq::read_public_identity(argv[i]);
    if (!doctor) return fail(doctor.error().what);
    options.peers.push_back(*std::move(doctor));
  }
  auto client = sealmq::Client::connect(std::move(options));
  if (!client) return fail(client.error().what);

  std::ifstream file(argv[argc - 1]);
  std::string line;
  if (!std::getline(file, line)) return fail("nothing to read in " + std::string(argv[argc - 1]));
  const auto names = split(line);
  while (std::getline(file, line)) {
    const auto sent = client->publish("vitals", as_json(names, split(line)), {.qos = sealmq::mqtt::QoS::at_least_once});
    if (!sent) std::cerr << "not confirmed: " << sent.error().what << '\n';
    std::this_thread::sleep_for(std::chrono::milliseconds(pause));
  }
  if (auto left = client->disconnect(); !left) return fail(left.error().what);
}
