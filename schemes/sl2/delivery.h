// SL2_3 of the hardened form: what the broker sends under the key of one subscription.
#pragma once

#include "crypto/aead.h"
#include "crypto/counter.h"
#include "schemes/sl2/messages.h"

namespace sealmq::sl2 {

/// lp16(T) || lp32(M) || t || lp16(escrow), and zeroes where all frames are to be of one length
struct Delivery {
  std::string_view topic;  ///< the filter asked for in a confirmation; empty in cover
  Bytes message;
  std::uint64_t time;
  Bytes escrow;  ///< empty if the broker has no authority, and in confirmation and cover
  std::size_t padding = 0;
};
/// Of the plaintext.
std::size_t encoded_size(const Delivery& delivery);

/// 02 23 01 || sub(8) || u64 counter || GCM(key, iv XOR counter, header, plaintext); header is all before GCM. Views into the
/// frame.
struct DeliveryFrame {
  SubscriptionId subscription;
  std::uint64_t counter;
  Bytes header;
  Bytes box;

  bool is_confirmation() const { return counter == 0; }
};
Result<DeliveryFrame> decode_delivery_frame(Bytes frame);

/// Key and IV of one subscription: HKDF(SK, "", "MALINA-2 sl2 b2s" || sub, 28). Moves, has no copy. One thread at a time.
class DeliveryKey {
 public:
  DeliveryKey(Bytes subscription_key, const SubscriptionId& subscription);

  const SubscriptionId& subscription() const { return subscription_; }
  /// Appends a frame. The caller has used no counter twice: DeliverySender is that caller.
  void seal(std::uint64_t counter, const Delivery& delivery, Buffer& out);
  /// The plaintext. Whether the counter was seen before is the caller's to judge.
  Result<Buffer> open(const DeliveryFrame& frame);

 private:
  DeliveryKey(const Secret& key_and_iv, const SubscriptionId& subscription);
  crypto::Iv iv_for(std::uint64_t counter) const;

  SubscriptionId subscription_;
  crypto::AesGcm cipher_;
  crypto::Iv iv_;
};

/// Strict about what belongs to a confirmation (T a filter, nothing else), to cover (nothing at all) and to a message (T a name).
Result<Delivery> decode_delivery(Bytes plaintext, std::uint64_t counter);

/// The broker's end. Moves, has no copy. One thread at a time.
class DeliverySender {
 public:
  /// Appends the confirmation, which has counter 0, to `out`.
  DeliverySender(const SubscribeRequest& request, const SubscriptionId& subscription, std::uint64_t time, Buffer& out);

  /// Appends a frame with the next counter. On the other side of a fork(), where that is a bug, it ends in an exception.
  void seal(const Delivery& delivery, Buffer& out);
  void seal_cover(std::uint64_t time, std::size_t padding, Buffer& out) { seal({{}, {}, time, {}, padding}, out); }
  std::uint64_t sent() const { return counter_.next(); }

 private:
  DeliveryKey key_;
  crypto::Counter counter_;
};

}  // namespace sealmq::sl2
