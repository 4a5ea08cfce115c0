#include <atomic>

#include "keystore/software_keys.h"

namespace sealmq {
namespace {

/// New keys have used no number yet, so it can begin anywhere.
class MemorySequence : public SequenceCounter {
 public:
  Result<std::uint64_t> next() override { return ++last_; }

 private:
  std::atomic<std::uint64_t> last_ = 0;
};

}  // namespace

std::unique_ptr<KeyStore> make_memory_keys(std::string_view name, Kind kind, Random& random, unsigned rsa_bits) {
  return std::make_unique<SoftwareKeys>(name, kind, PrivateKeys::generate(random, rsa_bits), std::make_unique<MemorySequence>(),
                                        random);
}

}  // namespace sealmq
