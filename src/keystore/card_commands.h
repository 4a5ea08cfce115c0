// The commands of a SCACAuth card, as the published applet (version 2) has them, and those of ours besides.
//
// P1 = 0 is what the applet does. P1 = 1 is ours, for the flow that MQTT can carry: step 3 with RN1, PUBLISH without the key,
// PUBREL made by who publishes and checked by who receives; a UID that stays. Ours too: the PIN by the commands of ISO 7816-4,
// and signatures, which the hardened profile wants.
#pragma once

#include <array>

#include "sealmq/bytes.h"

namespace sealmq::card {

inline constexpr std::array<std::uint8_t, 9> applet_id{0x85, 0x78, 0x69, 0x68, 0x95, 0x69, 0x66, 0x83, 0x01};
inline constexpr std::uint8_t class_iso = 0x00;
inline constexpr std::uint8_t class_applet = 0x80;

inline constexpr std::uint8_t ins_select = 0xA4;
inline constexpr std::uint8_t ins_verify = 0x20;      ///< class_iso, P2 = 1; without data: asks for the tries left
inline constexpr std::uint8_t ins_change_pin = 0x24;  ///< class_iso, P1 = 1, P2 = 1: the new PIN

inline constexpr std::uint8_t ins_create_pair = 0x20;
inline constexpr std::uint8_t ins_public_key = 0x21;
inline constexpr std::uint8_t ins_put_broker_key = 0x22;
inline constexpr std::uint8_t ins_put_uid = 0x23;
inline constexpr std::uint8_t ins_get_uid = 0x24;
inline constexpr std::uint8_t ins_auth_step_1 = 0x25;
inline constexpr std::uint8_t ins_auth_step_2 = 0x26;
inline constexpr std::uint8_t ins_auth_step_3 = 0x27;
inline constexpr std::uint8_t ins_make_publish = 0x28;
inline constexpr std::uint8_t ins_check_pubrel = 0x29;
inline constexpr std::uint8_t ins_init_ciphers = 0x2A;
inline constexpr std::uint8_t ins_memory = 0x2B;
inline constexpr std::uint8_t ins_read_rn1 = 0x2C;
inline constexpr std::uint8_t ins_read_payload = 0x30;
inline constexpr std::uint8_t ins_make_pubrel = 0x31;
inline constexpr std::uint8_t ins_sign = 0x40;          ///< ours: P1 = 1 ECDSA-P256-SHA256, P1 = 2 RSA-PSS
inline constexpr std::uint8_t ins_ecdsa_public = 0x41;  ///< ours: 33 octets
inline constexpr std::uint8_t ins_create_ecdsa = 0x42;  ///< ours: a new pair; 33 octets
inline constexpr std::uint8_t p1_ecdsa = 1;
inline constexpr std::uint8_t p1_rsa_pss = 2;

inline constexpr std::uint16_t status_done = 0x9000;
inline constexpr std::uint16_t status_wrong_length = 0x6700;
inline constexpr std::uint16_t status_not_verified = 0x6982;
inline constexpr std::uint16_t status_pin_blocked = 0x6983;
inline constexpr std::uint16_t status_no_pin = 0x6984;  ///< there is none to verify
inline constexpr std::uint16_t status_out_of_turn = 0x6985;
inline constexpr std::uint16_t status_wrong_parameters = 0x6A86;
inline constexpr std::uint16_t status_not_found = 0x6A82;
inline constexpr std::uint16_t status_wrong_ins = 0x6D00;
inline constexpr std::uint16_t status_wrong_class = 0x6E00;
inline constexpr std::uint16_t status_tries_left = 0x63C0;  ///< and the number in the last digit
inline constexpr std::uint16_t status_auth_error = 0xFF80;
inline constexpr std::uint16_t status_crypt_error = 0xFF81;
inline constexpr std::uint16_t status_check_error = 0xFF82;
inline constexpr std::uint16_t status_unknown_error = 0xFF99;
inline constexpr std::uint16_t status_no_key = 0x0002;  ///< exceptions of the applet's crypto library
inline constexpr std::uint16_t status_not_begun = 0x0004;

inline constexpr std::size_t longest_pin = 16;

}  // namespace sealmq::card
