// The frames of PMQTT as published, stages 2 and 3: a bare point, and an IV with what AES-128-CBC made of the message.
#pragma once

#include "crypto/aes_cbc.h"
#include "crypto/agree.h"

namespace sealmq::pmqtt::paper {

/// 04 || x || y. Whether it is a point of the curve is for whoever uses it to find out.
Result<crypto::Sec1Uncompressed> decode_exchange(Bytes frame);

/// IV || one block or more
struct MessageFrame {
  crypto::CbcIv iv;
  Bytes ciphertext;
};
Result<MessageFrame> decode_message(Bytes frame);

/// K = the first 16 bytes of SHA-256(x(xyG)). peer_misbehaved if that is no point of the curve.
Result<Secret> session_key(const crypto::AgreementKey& own, Bytes other_point);
Buffer exchange_frame(const crypto::AgreementKey& own);

Buffer seal(const Secret& key, Bytes plaintext, Random& random);
Result<Buffer> open(const Secret& key, Bytes frame);

}  // namespace sealmq::pmqtt::paper
