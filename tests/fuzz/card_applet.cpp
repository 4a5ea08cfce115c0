// A simulated card that is told anything: frames of u16 length and a command, as a reader would bring them.
#include "keystore/card_applet.h"

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "base/reader.h"
#include "crypto/random.h"
#include "keystore/card_commands.h"
#include "keystore/secret_text.h"

namespace {

sealmq::crypto::OsRandom chance;

/// Made once, with keys: making them would take all the time. Its state goes with the power.
sealmq::card::CardApplet& applet() {
  static auto made = [] {
    std::string folder = (std::filesystem::temp_directory_path() / "sealmq-fuzz-card-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) std::abort();
    auto card = sealmq::card::CardApplet::open(folder, chance);
    const sealmq::Buffer select{0x00, 0xA4, 4, 0, 9, 0x85, 0x78, 0x69, 0x68, 0x95, 0x69, 0x66, 0x83, 0x01};
    const sealmq::Buffer create_pair{0x80, sealmq::card::ins_create_pair, 0, 0};
    for (const auto& command : {select, create_pair}) static_cast<void>(card->process(command));
    std::filesystem::remove_all(folder);  // nothing can be kept from here on, and nothing is left behind
    return std::make_unique<sealmq::card::CardApplet>(*std::move(card));
  }();
  return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const sealmq::Bytes input(data, size);
  sealmq::Reader frames(input);
  applet().power_off();
  for (int i = 0; i < 16 && frames.remaining() > 0; ++i) {
    const sealmq::Bytes command = frames.lp16();
    // A pair takes a tenth of a second to make.
    if (command.size() > 1 && command[0] == sealmq::card::class_applet && command[1] == sealmq::card::ins_create_pair) continue;
    if (applet().process(command).size() < 2) std::abort();
  }
  static_cast<void>(sealmq::card::parse_kept(sealmq::as_text(input)));
  return 0;
}
