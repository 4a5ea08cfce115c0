// doctor_view DOCTOR.key PATIENT.pub...: draws what the patients' monitors send, as it comes.
//
// On a terminal each patient has a few lines that are drawn anew; otherwise each message is a line. ROWS: ends after so many
// messages. BROKER: mqtt://localhost:1883.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "sealmq/client.h"

namespace {

std::string from_environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

/// The number behind "name": in what the monitor has made; 0 if there is none.
double number(const std::string& json, const std::string& name) {
  const auto at = json.find("\"" + name + "\":");
  return at == json.npos ? 0 : std::strtod(json.c_str() + at + name.size() + 3, nullptr);
}

/// One quantity over time, as a line of blocks.
struct Trace {
  double low;
  double high;
  const char* name;
  const char* unit;
  std::deque<double> values{};

  void add(double value) {
    values.push_back(value);
    if (values.size() > 60) values.pop_front();
  }
  std::string drawn() const {
    static const char* const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    std::string line;
    for (double value : values) {
      const double height = (value - low) / (high - low) * 7;
      line += blocks[std::clamp(static_cast<int>(height + 0.5), 0, 7)];
    }
    return line;
  }
};

/// What was not what it claims to be. Told by the thread of the connection.
class Refusals {
 public:
  void add(const std::string& why) {
    const std::lock_guard lock(mutex_);
    ++count_;
    last_ = why;
  }
  std::pair<std::size_t, std::string> told() const {
    const std::lock_guard lock(mutex_);
    return {count_, last_};
  }

 private:
  mutable std::mutex mutex_;
  std::size_t count_ = 0;
  std::string last_;
};

struct Patient {
  Trace pulse{50, 140, "pulse", "/min"};
  Trace oxygen{90, 100, "oxygen", "%"};
  Trace breaths{8, 30, "breaths", "/min"};
  std::string warning;
  std::size_t messages = 0;
};

void draw(const std::map<std::string, Patient>& patients, const Refusals& refusals) {
  std::cout << "\x1b[H\x1b[J";
  for (const auto& [name, patient] : patients) {
    std::cout << "\x1b[1m" << name << "\x1b[0m  " << patient.messages << " messages\n";
    for (const Trace* trace : {&patient.pulse, &patient.oxygen, &patient.breaths}) {
      std::cout << "  " << trace->name << std::string(8 - std::string(trace->name).size(), ' ');
      std::cout << (trace->values.empty() ? 0 : trace->values.back()) << ' ' << trace->unit << "\t" << trace->drawn() << '\n';
    }
    if (!patient.warning.empty()) std::cout << "  \x1b[33m" << patient.warning << "\x1b[0m\n";
  }
  if (const auto [count, last] = refusals.told(); count > 0)
    std::cout << "\x1b[31m" << count << " refused; the last: " << last << "\x1b[0m\n";
  std::cout << std::flush;
}

void print(const std::string& name, const Patient& patient) {
  std::cout << name << ": pulse " << patient.pulse.values.back() << " oxygen " << patient.oxygen.values.back() << " breaths "
            << patient.breaths.values.back() << (patient.warning.empty() ? "" : "  warning: " + patient.warning) << std::endl;
}

int fail(const std::string& why) {
  std::cerr << "doctor_view: " << why << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return fail("usage: doctor_view DOCTOR.key PATIENT.pub...");
  const bool on_terminal = ::isatty(STDOUT_FILENO) != 0;
  const long rows = std::strtol(from_environment("ROWS", "0").c_str(), nullptr, 10);

  sealmq::ConnectOptions options;
  options.url = from_environment("BROKER", "mqtt://localhost:1883");
  options.scheme = "pmqtt";
  options.key_file = argv[1];
  for (int i = 2; i < argc; ++i) {
    auto patient = sealmq::read_public_identity(argv[i]);
    if (!patient) return fail(patient.error().what);
    options.peers.push_back(*std::move(patient));
  }
  Refusals refusals;
  options.on_refused = [&](const sealmq::RefusedMessage& refused) {
    refusals.add(refused.why);
    if (!on_terminal) std::cerr << "refused: " + refused.why + "\n";
  };
  auto client = sealmq::Client::connect(std::move(options));
  if (!client) return fail(client.error().what);
  if (auto granted = client->subscribe("vitals"); !granted) return fail(granted.error().what);

  std::map<std::string, Patient> patients;
  for (long shown = 0; rows == 0 || shown < rows;) {
    auto message = client->receive(std::chrono::seconds(1));
    if (!message) return fail(message.error().what);
    if (!*message) continue;
    ++shown;
    const std::string json(sealmq::as_text((*message)->payload));
    Patient& patient = patients[(*message)->author];
    ++patient.messages;
    patient.warning = (*message)->notice;
    for (Trace* trace : {&patient.pulse, &patient.oxygen, &patient.breaths}) trace->add(number(json, trace->name));
    on_terminal ? draw(patients, refusals) : print((*message)->author, patient);
  }
  if (auto left = client->disconnect(); !left) return fail(left.error().what);
}
