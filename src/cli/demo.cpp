// sealmq demo
//
// The guided tour: a broker of its own, a device, an application that reads its messages, and an attacker on the wire between
// them.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iostream>

#include "authority/order_ledger.h"
#include "base/error_text.h"
#include "base/text.h"
#include "base/try.h"
#include "cli/broker_progress.h"
#include "cli/command.h"
#include "cli/demo_cards.h"
#include "cli/demo_paper.h"
#include "cli/demo_partners.h"
#include "cli/demo_payload.h"
#include "cli/eavesdropper.h"
#include "cli/own_program.h"
#include "cli/passing_folder.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "net/url.h"
#include "sealmq/client.h"
#include "sealmq/scheme.h"
#include "server/broker_server.h"
#include "server/clock.h"

namespace sealmq::cli {
namespace {

using namespace std::chrono_literals;

constexpr About about{
    .summary = "the guided tour",
    .text =
        R"(The guided tour: a broker of its own, a device, an application, and an attacker on the wire between them. It shows for
each scheme what was sent, what the wire showed, and what the application read. The attacker tries a forged, a changed,
a repeated and a moved copy, and a revoked device is turned away. At last a hidden author misbehaves: the revocation
authority, a process of its own, finds it out and orders it to be ended. Nothing is left behind.)",
    .examples = "$ sealmq demo\n",
};

constexpr std::string_view reading = "4.2 bar";
constexpr auto patience = 300ms;  // in which a message would arrive on the loopback interface

/// The broker tells its log nothing here: the tour says what happened.
class NoLog final : public server::Log {
 public:
  void write(server::Severity, std::string_view) override {}
};

std::string topic_word(std::string_view scheme) {
  std::string word(scheme);
  std::ranges::replace(word, '@', '-');
  return word;
}

/// They have scenes of their own, with a broker that knows nothing of them; those of one that opens messages need TLS.
bool is_end_to_end(const SchemeInfo& scheme) {
  return scheme.between_partners || scheme.has_topic_keys || scheme.leaves_hidden ||
         scheme.claims.confidentiality == Confidentiality::end_to_end;
}

bool subscribers_verify(const SchemeInfo& scheme) {
  return scheme.claims.authorship == Authorship::verified_by_subscriber;
}

class Tour {
 public:
  explicit Tour(bool json) : paper_(json) {}

  Result<> run() {
    TRY(start());
    // The unprotected baseline comes first: it shows that the attacks work.
    auto schemes = all_schemes();
    std::size_t number = 0;
    TRY(visit(*schemes.back().info, ++number));
    for (const auto& scheme : schemes.first(schemes.size() - 1))
      if (!is_end_to_end(*scheme.info) && !scheme.info->login_protects) TRY(visit(*scheme.info, ++number));
    TRY(visit_a_group());
    TRY(visit_the_authority());
    TRY(show_partners(paper_));
    TRY(show_cards(paper_));
    TRY(show_payload(paper_));
    paper_.remark("\nnext: sealmq identity new boiler-7, then the session in README.md");
    return {};
  }

 private:
  Result<> start() {
    server::Configuration configuration;
    configuration.listeners = {{"127.0.0.1", 0}};
    configuration.threads = 1;
    configuration.topics.clear();
    for (const auto& scheme : all_schemes()) {
      if (is_end_to_end(*scheme.info) || scheme.info->login_protects) continue;
      std::string name(scheme.info->name);
      configuration.topics.push_back({"plant/" + topic_word(name) + "/#", {name}, {name}});
    }
    configuration.topics.push_back({.filter = "hall/#", .publish = {"sl3"}, .subscribe = {"sl3"}, .multicast = true});
    auto parts = server::make_volatile_parts(1, random_);
    // The authority comes as another process, and has to see the same list.
    folder_.emplace(TRY(PassingFolder::make()));
    const DataFolder data = TRY(open_data_folder(*folder_ / "broker"));
    parts.registry = TRY(open_sqlite_registry(data.registry()));
    parts.lock = TRY(lock_data_folder(data));
    TRY(TRY(OwnProgram::start({"authority", "new", "--folder", *folder_ / "authority"})).finish());
    const auto authority = TRY(read_public_identity(authority::AuthorityFolder{*folder_ / "authority"}.pub())).keys;
    parts.authority = {authority.ecdsa, authority.agreement};
    paper_.remark("making a Rabin key of 4096 bits for the broker, which takes seconds…");
    parts.rabin = TRY(server::RabinRenewal::make_volatile(*parts.keys.front(), crypto::rabin::usual_bits, parts.authority,
                                                          server::system_now().wall));
    broker_identity_ = parts.rabin->identity();
    broker_ = TRY(server::BrokerServer::start(configuration, std::move(parts), random_, log_));
    wire_ = TRY(Eavesdropper::start(TRY(net::parse_url(broker_->urls().front())).port));
    paper_.remark("broker on " + broker_->urls().front() + ", and an eavesdropper on the wire to it");
    return {};
  }

  Result<> visit(const SchemeInfo& scheme, std::size_t number) {
    paper_.title(std::string(scheme.name) + ": " + std::string(scheme.title));
    bool is_signed = scheme.claims.authorship != Authorship::none;
    std::string device_name = "boiler-" + std::to_string(number);
    topic_ = "plant/" + topic_word(scheme.name) + "/pressure";

    auto device_keys = make_memory_keys(device_name, Kind::device, random_);
    auto application_keys = make_memory_keys("control-room-" + std::to_string(number), Kind::service, random_);
    auto stranger_keys = make_memory_keys("stranger", Kind::device, random_);
    PublicIdentity device_public = device_keys->identity();
    if (is_signed) {
      TRY(enrol(device_public, scheme, true));
      TRY(enrol(application_keys->identity(), scheme, false));
    }

    std::unique_ptr<ClientScheme> stranger;
    if (is_signed) {
      std::vector<PublicIdentity> pinned;
      if (subscribers_verify(scheme)) pinned.push_back(device_public);
      ClientPorts ports{stranger_keys.get(), broker_identity_, std::move(pinned), random_};
      stranger = TRY(find_scheme(scheme.name)->client_side(std::move(ports)));
    }
    // Some schemes hide the topic, and send everything to one of their own.
    const bool is_hidden = stranger != nullptr && !stranger->wire_topic().empty();
    const std::string on_the_wire = is_hidden ? std::string(stranger->wire_topic()) : topic_;

    Client application = TRY(connect(scheme, std::move(application_keys), device_public));
    const std::string filter = is_hidden ? topic_ : "plant/" + topic_word(scheme.name) + "/#";
    TRY(application.subscribe(filter, {.qos = mqtt::QoS::at_least_once}));
    Client device = TRY(connect(scheme, std::move(device_keys), device_public));
    wire_->clear();
    TRY(device.publish(topic_, reading, {.qos = mqtt::QoS::at_least_once}));
    paper_.row(device_name + " sent", topic_ + "  " + std::string(reading));
    TRY(tell_what_arrived(application, is_signed));
    tell_what_the_wire_showed(on_the_wire);

    std::optional<Buffer> captured = wire_->published(on_the_wire);
    if (!captured) return fail(Blame::environment, "the eavesdropper saw no message");
    Client attacker = TRY(connect_plain());
    Buffer forged = to_buffer(as_bytes("9.9 bar"));
    if (is_signed) forged = TRY(forge(*stranger));
    Buffer changed = *captured;
    std::string_view number_sent = reading.substr(0, 3);
    auto digit = std::search(changed.begin(), changed.end(), number_sent.begin(), number_sent.end());
    if (digit != changed.end())
      *digit = '9';
    else
      changed.back() ^= 1;
    TRY(attack("forged by a stranger", attacker, application, on_the_wire, forged));
    TRY(attack("changed on the way", attacker, application, on_the_wire, changed));
    TRY(attack("sent again", attacker, application, on_the_wire, *captured));
    if (!is_hidden)
      TRY(attack("moved to another topic", attacker, application, "plant/" + topic_word(scheme.name) + "/other", *captured));
    if (is_signed && scheme.claims.revocable) TRY(revoke(device_name, device, application));
    return {};
  }

  /// A message of somebody who is not on the list; or where a session comes first, the request for one.
  Result<Buffer> forge(ClientScheme& stranger) const {
    const Now now = server::system_now();
    if (stranger.may_publish(topic_, now)) return stranger.protect(topic_, as_bytes("9.9 bar"), now);
    auto request = TRY(stranger.next_request(now));
    return request ? std::move(request->payload) : Buffer{};
  }

  Result<> enrol(const PublicIdentity& identity, const SchemeInfo& scheme, bool publishes) {
    return enrol_for(identity, "plant/" + topic_word(scheme.name) + "/#", scheme, publishes);
  }

  /// May publish by sl2, whose authors are hidden, and read what the group reads. Its key lies in a file.
  Result<> enrol_a_valve(const std::string& name) {
    Identity entry;
    static_cast<PublicIdentity&>(entry) =
        TRY(create_key_files(name, Kind::device, *folder_ / (name + ".key"), *folder_ / (name + ".pub"), random_));
    entry.publish = {"plant/sl2/#"};
    entry.subscribe = {"hall/#"};
    entry.schemes = {"sl2", "sl3"};
    return add(entry);
  }

  Result<> enrol_for(const PublicIdentity& identity, const std::string& filter, const SchemeInfo& scheme, bool publishes) {
    Identity entry;
    static_cast<PublicIdentity&>(entry) = identity;
    (publishes ? entry.publish : entry.subscribe).push_back(filter);
    entry.schemes = {std::string(scheme.name)};
    return add(entry);
  }

  Result<> add(const Identity& entry) {
    TRY(broker_->registry().add(entry));
    return wait_until_in_force(broker_->registry());
  }

  ConnectOptions through_the_wire() const {
    ConnectOptions options;
    options.host = "127.0.0.1";
    options.port = wire_->port();
    return options;
  }

  Result<Client> connect_plain() { return Client::connect(through_the_wire()); }

  Result<Client> connect(const SchemeInfo& scheme, std::unique_ptr<KeyStore> keys, const PublicIdentity& peer) {
    ConnectOptions options = through_the_wire();
    if (scheme.claims.authorship != Authorship::none) {
      options.scheme = scheme.name;
      options.key = std::move(keys);
      if (scheme.uses.broker_key) options.broker = broker_identity_;
      if (subscribers_verify(scheme)) options.peers = {peer};
    }
    return Client::connect(std::move(options));
  }

  Result<> tell_what_arrived(Client& application, bool is_signed) {
    auto message = TRY(application.receive(5s));
    if (!message) return fail(Blame::environment, "the application received nothing");
    std::string text = message->topic + "  " + std::string(as_text(message->payload));
    text += !is_signed                ? "  from whom, nobody can say"
            : message->author.empty() ? "  (" + message->checked + ")"
                                      : "  from " + message->author + " (" + message->checked + ")";
    paper_.row("the application read", text);
    return {};
  }

  void tell_what_the_wire_showed(const std::string& wire_topic) const {
    Buffer all = wire_->everything();
    auto shows = [&](std::string_view text) {
      return std::search(all.begin(), all.end(), text.begin(), text.end()) != all.end();
    };
    auto line = [&](std::string_view what, bool visible) {
      visible ? paper_.bad("the wire showed", std::string(what) + ": readable") : paper_.good("the wire hid", what);
    };
    line("the topic", shows(topic_));
    line("the payload", shows(reading));
    auto payload = wire_->published(wire_topic).value_or(Buffer{});
    std::string bytes = to_hex(Bytes(payload).first(std::min<std::size_t>(payload.size(), 32)));
    paper_.row("", std::to_string(payload.size()) + " bytes: " + bytes + (payload.size() > 32 ? "…" : ""));
  }

  Result<> attack(std::string_view name, Client& attacker, Client& application, std::string_view topic, Bytes payload) {
    auto answer = attacker.publish(topic, payload, {.qos = mqtt::QoS::at_least_once});
    auto arrived = TRY(application.receive(patience));
    if (arrived)
      paper_.bad(name, "the application read: " + std::string(as_text(arrived->payload)));
    else if (answer)
      paper_.good(name, "acknowledged, and not forwarded");
    else
      paper_.good(name, answer.error().what);
    return {};
  }

  /// One encryption for many, and a key that changes when somebody leaves.
  Result<> visit_a_group() {
    const SchemeInfo& scheme = *find_scheme("sl3")->info;
    paper_.title("sl3 for a group: one encryption for all subscribers of a filter");
    auto device_keys = make_memory_keys("door", Kind::device, random_);
    const PublicIdentity door = device_keys->identity();
    TRY(enrol_for(door, "hall/#", scheme, true));
    auto& members = hall_;
    for (const char* name : {"guard", "office", "cleaner"}) {
      auto keys = make_memory_keys(name, Kind::service, random_);
      TRY(enrol_for(keys->identity(), "hall/#", scheme, false));
      members.push_back(TRY(connect(scheme, std::move(keys), door)));
      TRY(members.back().subscribe("hall/#", {.qos = mqtt::QoS::at_least_once}));
    }
    door_.emplace(TRY(connect(scheme, std::move(device_keys), door)));
    TRY(send_to_group(*door_, members, "open"));
    TRY(members.back().disconnect());
    members.pop_back();
    paper_.row("the cleaner left", "");
    return send_to_group(*door_, members, "locked");
  }

  /// Nobody but the authority can tell who wrote a message of sl2; it finds out, and its order ends the author everywhere.
  Result<> visit_the_authority() {
    paper_.title("trace and revoke: a hidden author answers to the authority");
    const std::vector<std::string> where{"--folder", *folder_ / "authority", "--data", *folder_ / "broker"};
    auto authority =
        TRY(OwnProgram::start(with({"authority", "serve", "--no-profile", "--broker", broker_->urls().front()}, where)));
    while (TRY(authority.line()).find("connected") == std::string::npos) {
    }
    paper_.row("the authority", "a process of its own, with a key of its own, connected to the broker");

    topic_ = "plant/sl2/valve";
    TRY(enrol_a_valve("valve-8"));
    TRY(enrol_a_valve("valve-9"));
    Client application = TRY(connect_to_sl2(""));
    TRY(application.subscribe(topic_, {.qos = mqtt::QoS::at_least_once}));
    Client honest = TRY(connect_to_sl2("valve-8"));
    Client offender = TRY(connect_to_sl2("valve-9"));
    hall_.push_back(TRY(connect_by_file("sl3", "valve-9")));
    TRY(hall_.back().subscribe("hall/#", {.qos = mqtt::QoS::at_least_once}));

    TRY(tell_of_a_valve("valve-8", honest, application, "closed"));
    const auto bad = TRY(tell_of_a_valve("valve-9", offender, application, "open, at full pressure"));
    TRY(write_new_file(*folder_ / "evidence", as_text(bad.evidence), Audience::owner));
    paper_.row("the application kept",
               std::to_string(bad.evidence.size()) + " bytes of evidence, and takes them to the authority");
    const auto traced = TRY(ask_the_authority({"authority", "trace", *folder_ / "evidence"}, where));
    for (const std::string& line : traced)
      if (line.starts_with("written by")) paper_.row("the authority found out", line);

    paper_.row("valve-9", "is in the group of the hall as well");
    TRY(send_to_group(*door_, hall_, "open"));
    const auto ordered = TRY(ask_the_authority({"authority", "revoke", "valve-9", "--reason", "1"}, where));
    paper_.row("the authority ordered", ordered.front());
    if (ordered.size() > 1) paper_.row("the broker reported", ordered[1]);
    return tell_what_became_of(offender, honest, application);
  }

  Result<> tell_what_became_of(Client& offender, Client& honest, Client& application) {
    const auto answer = offender.publish(topic_, "open", {.qos = mqtt::QoS::at_least_once});
    if (answer || TRY(application.receive(patience)))
      paper_.bad("valve-9's next message", "arrived");
    else
      paper_.good("valve-9's next message", answer.error().what);
    TRY(tell_of_a_valve("valve-8", honest, application, "closed"));
    const auto in_the_group = hall_.back().receive(patience);
    in_the_group ? paper_.bad("valve-9 in the group", "is still connected")
                 : paper_.good("valve-9 in the group", in_the_group.error().what);
    hall_.pop_back();
    return send_to_group(*door_, hall_, "locked");
  }

  Result<ReceivedMessage> tell_of_a_valve(const std::string& name, Client& valve, Client& application, std::string_view text) {
    TRY(valve.publish(topic_, text, {.qos = mqtt::QoS::at_least_once}));
    paper_.row(name + " sent", topic_ + "  " + std::string(text));
    auto message = TRY(application.receive(5s));
    if (!message) return fail(Blame::environment, "the application received nothing");
    paper_.row("the application read", std::string(as_text(message->payload)) + "  (from whom, it cannot tell)");
    return std::move(*message);
  }

  static std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  static Result<std::vector<std::string>> ask_the_authority(std::vector<std::string> words,
                                                            const std::vector<std::string>& where) {
    const std::string all = TRY(TRY(OwnProgram::start(with(std::move(words), where))).finish());
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t end = std::min(all.find('\n', at), all.size());
      lines.push_back(all.substr(at, end - at));
      at = end + 1;
    }
    if (lines.empty()) return fail(Blame::environment, "the authority says nothing");
    return lines;
  }

  /// An empty name: nobody in particular, who keeps evidence of what it reads.
  Result<Client> connect_to_sl2(const std::string& name) { return connect_by_file("sl2", name); }

  Result<Client> connect_by_file(std::string_view scheme, const std::string& name) {
    ConnectOptions options = through_the_wire();
    options.scheme = scheme;
    if (!name.empty()) options.key_file = *folder_ / (name + ".key");
    options.broker = broker_identity_;
    options.keep_evidence = name.empty();
    return Client::connect(std::move(options));
  }

  Result<> send_to_group(Client& device, std::vector<Client>& members, std::string_view text) {
    wire_->clear();
    TRY(device.publish("hall/door", text, {.qos = mqtt::QoS::at_least_once}));
    paper_.row("door sent", "hall/door  " + std::string(text));
    std::size_t readers = 0;
    for (Client& member : members) {
      const auto message = TRY(member.receive(5s));
      if (message && as_text(message->payload) == text) ++readers;
    }
    paper_.row("read by", std::to_string(readers) + " of " + std::to_string(members.size()) + " members");
    const auto frames = group_frames(wire_->everything());
    if (frames.empty()) return fail(Blame::environment, "the eavesdropper saw no frame for the group");
    const bool are_equal = std::ranges::all_of(frames, [&](const Buffer& frame) { return frame == frames.front(); });
    const std::string epoch = std::to_string(std::uint32_t{frames.front()[19]} << 24 | std::uint32_t{frames.front()[20]} << 16 |
                                             std::uint32_t{frames.front()[21]} << 8 | frames.front()[22]);
    are_equal ? paper_.good("the wire showed", std::to_string(frames.size()) + " times the same bytes, sealed in epoch " + epoch)
              : paper_.bad("the wire showed", "different bytes for the members");
    return {};
  }

  /// The beginnings of what the broker sent to members: 02 36 01, the group (16), the epoch (4), and so on.
  static std::vector<Buffer> group_frames(Bytes wire) {
    constexpr std::array<std::uint8_t, 3> start{0x02, 0x36, 0x01};
    constexpr std::ptrdiff_t shown = 64;
    std::vector<Buffer> frames;
    auto at = std::search(wire.begin(), wire.end(), start.begin(), start.end());
    for (; wire.end() - at >= shown; at = std::search(at + shown, wire.end(), start.begin(), start.end()))
      frames.emplace_back(at, at + shown);
    return frames;
  }

  Result<> revoke(const std::string& name, Client& device, Client& application) {
    auto order = TRY(broker_->registry().revoke(name, "stolen", server::system_now().wall));
    const auto done = TRY(wait_for_brokers(broker_->registry(), order)).done;
    if (done.empty()) return fail(Blame::environment, "the broker did not carry out the revocation");
    const RevocationReport& report = done.front().report;
    paper_.row(name + " revoked", "ended " + std::to_string(report.sessions) +
                                      (report.sessions == 1 ? " session in " : " sessions in ") +
                                      std::to_string(report.microseconds) + " µs");
    auto answer = device.publish(topic_, reading, {.qos = mqtt::QoS::at_least_once});
    auto arrived = TRY(application.receive(patience));
    if (answer || arrived)
      paper_.bad("its next message", "arrived");
    else
      paper_.good("its next message", answer.error().what);
    return {};
  }

  Paper paper_;
  crypto::OsRandom random_;
  NoLog log_;
  std::optional<PassingFolder> folder_;  // goes after whatever works in it
  std::unique_ptr<server::BrokerServer> broker_;
  std::unique_ptr<Eavesdropper> wire_;
  BrokerIdentity broker_identity_;
  std::vector<Client> hall_;
  std::optional<Client> door_;
  std::string topic_;
};

}  // namespace

void add_demo(Command& app, int& exit_code) {
  Command& command = app.add("demo", about);
  const auto json = std::make_shared<bool>(false);  // the callback owns it
  add_json_option(command, *json);
  command.callback([json, &exit_code] { exit_code = finish(Tour(*json).run()); });
}

}  // namespace sealmq::cli
