// Prints one Schnorr signature of ours as JSON, with everything that went into it, for check_schnorr.py. The key is new each
// time.
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "crypto/random.h"
#include "crypto/schnorr.h"

namespace {

using namespace sealmq;

/// Real chance that remembers what it gave.
class RecordingRandom : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override {
    source_.fill(out);
    given.assign(out.begin(), out.end());
  }
  Buffer given;

 private:
  crypto::OsRandom source_;
};

}  // namespace

int main() {
  RecordingRandom random;
  auto key = crypto::schnorr::SigningKey::generate(random);
  const Buffer time = {0x00, 0x00, 0x01, 0x9b, 0x76, 0xda, 0xa8, 0x00};
  const Bytes empty;
  const std::vector<Bytes> elements = {
      as_bytes("SL1_2"), as_bytes("plant/7/temp"), key.id(), as_bytes(R"({"c":21.5})"), time, empty};
  auto signature = crypto::schnorr::sign(key, elements, random);
  if (!signature) return 1;

  nlohmann::json out;
  out["secret_key"] = to_hex(key.export_secret().reveal());
  out["random"] = to_hex(random.given);
  out["id"] = to_hex(key.id());
  for (Bytes element : elements) out["elements"].push_back(to_hex(element));
  out["z"] = to_hex(signature->z);
  out["e"] = to_hex(signature->e);
  std::cout << out.dump(2) << '\n';
}
