// SmartCard: a card that takes part in SCACAuth as published. It keeps the RSA key, the broker's public key and the keys of the
// running session; the host carries its answers. The names are those of the published applet's commands.
//
// One session at a time, one thread at a time; calls may block. After any error of a step the session is over: begin again with
// auth_step_1(). A card that was pulled out is an error of the environment, and usable again when it is back.
#pragma once

#include <memory>
#include <string>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

#pragma GCC visibility push(default)
namespace sealmq {

/// Which bytes the card makes.
enum class CardForm : std::uint8_t {
  paper,   ///< what the publication says
  applet,  ///< what the published applet, version 2, does; see each call
};

class SmartCard {
 public:
  virtual ~SmartCard() = default;

  virtual CardForm form() const = 0;
  /// Octets of RN1, RNp and RNs: those of the block cipher's key.
  virtual std::size_t key_size() const = 0;

  // what stays on the card

  /// A new RSA pair takes the place of the old one. The modulus; the exponent is 65537.
  virtual Result<Buffer> create_pair() = 0;
  /// The modulus; empty if there is no pair, or if the card does not tell.
  virtual Result<Buffer> public_key() = 0;
  virtual Result<> put_broker_key(Bytes modulus) = 0;
  /// 8 characters of [0-9A-Za-z].
  virtual Result<> put_uid(std::string_view uid) = 0;
  virtual Result<std::string> uid() = 0;

  // logging in

  /// UID || u16 || Cpr(UID || RN1)
  virtual Result<Buffer> auth_step_1() = 0;
  /// u16 || part 1 || u16 || part 2; sets RNp and RNs. peer_misbehaved: `Auth Error`.
  virtual Result<> auth_step_2(Bytes data) = 0;
  /// u16 || Cpu_b(UID || RN1 || RNp || RNs); applet: without RN1.
  virtual Result<Buffer> auth_step_3() = 0;

  // messages; ciphertexts without the u16 that the card puts before them. peer_misbehaved: `Crypt Error`.

  /// Under RNp: UID || u16 || data || padding; applet: RNp after the data.
  virtual Result<Buffer> make_publish(Bytes data) = 0;
  /// paper: of the publisher, UID || RNp' under RNp. applet: of the receiver, UID || RNs' and 24 octets to be ignored under RNs.
  /// The new key counts at once.
  virtual Result<Buffer> make_pubrel() = 0;
  /// Under RNs: the data.
  virtual Result<Buffer> read_payload(Bytes ciphertext) = 0;
  /// paper: of the broker as publisher, UID || RNs' under RNs. applet: UID || RNp || RNp' under RNp, from the broker as receiver.
  virtual Result<> check_pubrel(Bytes ciphertext) = 0;
};

}  // namespace sealmq
#pragma GCC visibility pop
