#include "crypto/agree.h"

#include "base/try.h"

namespace sealmq::crypto {

Result<AgreementKey> AgreementKey::from_secret(const Secret& secret) {
  return AgreementKey(TRY(decode_secret_scalar(secret)));
}

AgreementKey AgreementKey::generate(Random& random) {
  return AgreementKey(*decode_secret_scalar(generate_scalar(random)));
}

Secret AgreementKey::export_secret() const {
  return scalar_.to_secret();
}

Result<Secret> agree(const AgreementKey& own, const Sec1Compressed& peer) {
  return multiply_to_x(own.scalar(), TRY(Point::decode(peer)));
}

}  // namespace sealmq::crypto
