// The crypto library's objects with an owner, as this folder uses them; nothing outside it sees these types.
#pragma once

#include <openssl/bn.h>

#include <memory>

namespace sealmq::crypto {

template <auto free_function>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    free_function(object);
  }
};

using BigNumber = std::unique_ptr<BIGNUM, FreeWith<BN_clear_free>>;
/// Wipes what was computed in it when it goes.
using BigNumberContext = std::unique_ptr<BN_CTX, FreeWith<BN_CTX_free>>;
using Montgomery = std::unique_ptr<BN_MONT_CTX, FreeWith<BN_MONT_CTX_free>>;

}  // namespace sealmq::crypto
