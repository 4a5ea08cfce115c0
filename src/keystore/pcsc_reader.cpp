#include "keystore/pcsc_reader.h"

#include <winscard.h>

#include <utility>

#include "base/text.h"
#include "base/try.h"

namespace sealmq::card {
namespace {

constexpr DWORD both_protocols = SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1;
constexpr std::size_t longest_answer = 65536 + 2;

Failure trouble(LONG code) {
  switch (code) {
    case SCARD_E_NO_SERVICE:
    case SCARD_E_SERVICE_STOPPED:
      return fail(Blame::environment, "no service for smart cards answers\nhint: is pcscd running?");
    case SCARD_W_REMOVED_CARD:
    case SCARD_E_NO_SMARTCARD:
      return fail(Blame::environment, "there is no card in the reader");
    case SCARD_E_NOT_TRANSACTED:
    case SCARD_E_COMM_DATA_LOST:
    case SCARD_F_COMM_ERROR:
    case SCARD_W_UNPOWERED_CARD:
    case SCARD_W_UNRESPONSIVE_CARD:
      return fail(Blame::environment, "the card in the reader does not answer any more");
    case SCARD_W_RESET_CARD:
      return fail(Blame::environment, "another program has reset the card");
    case SCARD_E_SHARING_VIOLATION:
      return fail(Blame::environment, "another program uses the card");
    case SCARD_E_UNKNOWN_READER:
    case SCARD_E_READER_UNAVAILABLE:
    case SCARD_E_NO_READERS_AVAILABLE:
      return fail(Blame::environment, "there is no such card reader");
    default:
      return fail(Blame::environment, std::string("the card reader fails: ") + pcsc_stringify_error(code));
  }
}

class Context {
 public:
  Context() = default;
  Context(Context&& other) noexcept
      : context_(std::exchange(other.context_, 0)), is_open_(std::exchange(other.is_open_, false)) {}
  Context& operator=(Context&&) = delete;
  ~Context() {
    if (is_open_) SCardReleaseContext(context_);
  }
  Result<> open() {
    if (const LONG code = SCardEstablishContext(SCARD_SCOPE_SYSTEM, nullptr, nullptr, &context_); code != SCARD_S_SUCCESS)
      return trouble(code);
    is_open_ = true;
    return {};
  }
  SCARDCONTEXT handle() const { return context_; }

 private:
  SCARDCONTEXT context_ = 0;
  bool is_open_ = false;
};

Result<std::vector<ReaderState>> look(const Context& context) {
  DWORD size = 0;
  LONG code = SCardListReaders(context.handle(), nullptr, nullptr, &size);
  if (code == SCARD_E_NO_READERS_AVAILABLE) return std::vector<ReaderState>();
  if (code != SCARD_S_SUCCESS) return trouble(code);
  std::string names(size, '\0');
  code = SCardListReaders(context.handle(), nullptr, names.data(), &size);
  if (code == SCARD_E_NO_READERS_AVAILABLE) return std::vector<ReaderState>();
  if (code != SCARD_S_SUCCESS) return trouble(code);
  names.resize(size);

  std::vector<ReaderState> readers;
  for (std::string_view rest = names; !rest.empty() && rest.front() != '\0';) {
    const auto end = std::min(rest.find('\0'), rest.size());
    ReaderState reader{std::string(rest.substr(0, end))};
    rest.remove_prefix(std::min(end + 1, rest.size()));
    SCARD_READERSTATE state{};
    state.szReader = reader.name.c_str();
    state.dwCurrentState = SCARD_STATE_UNAWARE;
    if (SCardGetStatusChange(context.handle(), 0, &state, 1) == SCARD_S_SUCCESS) {
      reader.has_card = (state.dwEventState & SCARD_STATE_PRESENT) != 0;
      if (state.cbAtr <= sizeof state.rgbAtr) reader.atr.assign(state.rgbAtr, state.rgbAtr + state.cbAtr);
    }
    readers.push_back(std::move(reader));
  }
  return readers;
}

class ReaderChannel final : public CardChannel {
 public:
  ReaderChannel(Context context, SCARDHANDLE card, DWORD protocol, bool alone)
      : context_(std::move(context)), card_(card), protocol_(protocol), alone_(alone) {}
  ~ReaderChannel() override {
    if (!alone_) SCardEndTransaction(card_, SCARD_LEAVE_CARD);
    // A session ends with its program: who comes next must not find it open.
    SCardDisconnect(card_, alone_ ? SCARD_RESET_CARD : SCARD_LEAVE_CARD);
  }

  Result<Buffer> transmit(Bytes command) override {
    Buffer answer(longest_answer);
    DWORD size = answer.size();
    const SCARD_IO_REQUEST* kind = protocol_ == SCARD_PROTOCOL_T1 ? SCARD_PCI_T1 : SCARD_PCI_T0;
    const LONG code = SCardTransmit(card_, kind, command.data(), command.size(), nullptr, answer.data(), &size);
    if (code != SCARD_S_SUCCESS) return trouble(code);
    answer.resize(std::min<std::size_t>(size, answer.size()));
    return answer;
  }

 private:
  Context context_;
  SCARDHANDLE card_;
  DWORD protocol_;
  bool alone_;
};

}  // namespace

Result<std::vector<ReaderState>> list_readers() {
  Context context;
  TRY(context.open());
  return look(context);
}

Result<std::unique_ptr<CardChannel>> open_reader(const std::string& reader, bool alone) {
  Context context;
  TRY(context.open());
  const auto readers = TRY(look(context));
  const ReaderState* found = nullptr;
  for (const ReaderState& one : readers) {
    if (one.name.starts_with(reader) && (found == nullptr || (one.has_card && !found->has_card))) found = &one;
  }
  if (found == nullptr)
    return fail(Blame::environment, reader.empty() ? "there is no card reader" : "there is no card reader " + printable(reader));
  if (!found->has_card) return fail(Blame::environment, "there is no card in the reader " + printable(found->name));

  SCARDHANDLE card = 0;
  DWORD protocol = 0;
  LONG code = SCardConnect(context.handle(), found->name.c_str(), alone ? SCARD_SHARE_EXCLUSIVE : SCARD_SHARE_SHARED,
                           both_protocols, &card, &protocol);
  if (code != SCARD_S_SUCCESS) return trouble(code);
  if (!alone) {
    code = SCardBeginTransaction(card);
    // Another program has reset the card since the last look; this one has nothing on it to lose.
    if (code == SCARD_W_RESET_CARD &&
        SCardReconnect(card, SCARD_SHARE_SHARED, both_protocols, SCARD_LEAVE_CARD, &protocol) == SCARD_S_SUCCESS)
      code = SCardBeginTransaction(card);
    if (code != SCARD_S_SUCCESS) {
      SCardDisconnect(card, SCARD_LEAVE_CARD);
      return trouble(code);
    }
  }
  return std::make_unique<ReaderChannel>(std::move(context), card, protocol, alone);
}

}  // namespace sealmq::card
