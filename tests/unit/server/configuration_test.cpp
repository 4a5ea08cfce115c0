#include "server/configuration.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "mqtt/topic.h"
#include "sealmq/scheme.h"
#include "server/settings.h"
#include "support/identities.h"
#include "support/temporary_folder.h"

namespace sealmq::server {
namespace {

std::string plain_name() {
  return std::string(all_schemes().back().info->name);
}

const Scheme& some_scheme(Profile profile) {
  for (const Scheme& scheme : all_schemes())
    if (scheme.info->profile == profile && scheme.info->claims.authorship != Authorship::none) return scheme;
  throw std::logic_error("no such scheme in this build");
}

std::string hardened_name() {
  return std::string(some_scheme(Profile::hardened).info->name);
}

std::size_t index_of(std::string_view name) {
  return static_cast<std::size_t>(find_scheme(name) - all_schemes().data());
}

Configuration parsed(const std::string& text) {
  auto configuration = parse_configuration(text, "sealmq.toml");
  EXPECT_TRUE(configuration) << configuration.error().what;
  return configuration.value_or(Configuration());
}

std::string error_of(const std::string& text) {
  const auto configuration = parse_configuration(text, "sealmq.toml");
  if (configuration) return "no error";
  EXPECT_EQ(configuration.error().blame, Blame::caller_misused);
  return configuration.error().what;
}

TEST(Configuration, WithoutAFileListensOnTheLoopbackInterfaceOnly) {
  const Configuration defaults;
  EXPECT_EQ(defaults.listeners, (std::vector<Listener>{{"127.0.0.1", 1883}}));
}

TEST(Configuration, WithoutAFileLetsInTheseSchemesAndNoOther) {
  const auto policy = make_policy(Configuration()).value();
  const broker::TopicRule* rule = policy->find("any/topic");
  ASSERT_NE(rule, nullptr);
  std::vector<std::string_view> publish, subscribe;
  for (std::size_t i = 0; i < all_schemes().size(); ++i) {
    if (rule->publish.contains(i)) publish.push_back(all_schemes()[i].info->name);
    if (rule->subscribe.contains(i)) subscribe.push_back(all_schemes()[i].info->name);
  }
  const std::vector<std::string_view> expected{"sl1", "sl3", "scacauth"};
  EXPECT_EQ(publish, expected);
  EXPECT_EQ(subscribe, expected);
}

TEST(Configuration, AnEmptyFileMeansTheDefaults) {
  const Configuration configuration = parsed("");
  EXPECT_EQ(configuration.topics, Configuration().topics);
  EXPECT_EQ(configuration.listeners, Configuration().listeners);
}

TEST(Configuration, ReadsAllThatCanBeSaid) {
  const Configuration configuration = parsed(
      "data = \"/var/lib/sealmq\"\nthreads = 3\n"
      "[[listener]]\nurl = \"mqtt://0.0.0.0:1884\"\n"
      "[[listener]]\nurl = \"mqtt://[::1]\"\n"
      "[[topic]]\nfilter = \"ward/+/vitals\"\npublish = [\"" +
      hardened_name() + "\", \"" + plain_name() +
      "\"]\n"
      "[limits]\nmaximum_packet_size = 4096\nmaximum_queued_bytes = 5000000000\n");
  EXPECT_EQ(configuration.data, "/var/lib/sealmq");
  EXPECT_EQ(shard_count(configuration), 3U);
  EXPECT_EQ(configuration.listeners, (std::vector<Listener>{{"0.0.0.0", 1884}, {"::1", 1883}}));
  EXPECT_EQ(configuration.topics, (std::vector<TopicRow>{{"ward/+/vitals", {hardened_name(), plain_name()}, {}}}));
  EXPECT_EQ(configuration.limits.limits.maximum_packet_size, 4096U);
  EXPECT_EQ(configuration.limits.maximum_queued_bytes, 5'000'000'000U);

  const auto policy = make_policy(configuration).value();
  EXPECT_EQ(policy->find("elsewhere"), nullptr);
  EXPECT_TRUE(policy->find("ward/7/vitals")->publish.contains(index_of(plain_name())));
  EXPECT_TRUE(policy->find("ward/7/vitals")->subscribe.empty());
}

TEST(Configuration, NamesFilesFromItsOwnFolder) {
  const char* const text =
      "data = \"data\"\npassword_file = \"/var/passwords\"\ntopic_keys = \"keys\"\nauthority = \"ca/authority.pub\"\n"
      "[admin]\ntoken_file = \"token\"\n"
      "[[listener]]\nurl = \"mqtts://127.0.0.1\"\ncert = \"tls/server.pem\"\nkey = \"../server.key\"\nclient_ca = \"/ca.pem\"\n"
      "[[bridge]]\nname = \"up\"\nurl = \"mqtts://there\"\ncafile = \"up.pem\"\npassword_file = \"up.password\"\n"
      "topics = [{filter = \"#\"}]\n";
  const auto configuration = parse_configuration(text, "etc/sealmq.toml");
  ASSERT_TRUE(configuration) << configuration.error().what;
  EXPECT_EQ(configuration->data, "etc/data");
  EXPECT_EQ(configuration->password_file, "/var/passwords");
  EXPECT_EQ(configuration->topic_keys, "etc/keys");
  EXPECT_EQ(configuration->authority, "etc/ca/authority.pub");
  EXPECT_EQ(configuration->admin.token_file, "etc/token");
  const Listener& listener = configuration->listeners.front();
  EXPECT_EQ(listener.tls.certificates.front().cert, "etc/tls/server.pem");
  EXPECT_EQ(listener.tls.certificates.front().key, "etc/../server.key");
  EXPECT_EQ(listener.tls.client_ca, "/ca.pem");
  EXPECT_EQ(listener.place.text, "etc/sealmq.toml:7:1");
  EXPECT_EQ(configuration->bridges.front().cafile, "etc/up.pem");
  EXPECT_EQ(configuration->bridges.front().password_file, "etc/up.password");

  // In the folder where it is read from, names stay as they are; and a row that has only moved is no change.
  const auto here = parse_configuration(text, "sealmq.toml");
  ASSERT_TRUE(here);
  EXPECT_EQ(here->listeners.front().tls.certificates.front().cert, "tls/server.pem");
  const auto moved = parse_configuration("\n\n" + std::string(text), "sealmq.toml");
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->listeners, here->listeners);
}

TEST(Configuration, TellsWhereTheTomlIsMalformed) {
  EXPECT_EQ(error_of("threads = 1\nthreads = ").substr(0, 14), "sealmq.toml:2:");
}

TEST(Configuration, RefusesUnknownKeysWithTheirPlace) {
  EXPECT_EQ(error_of("threads = 1\ncolour = \"red\"\n"), "sealmq.toml:2:1: unknown key \"colour\" in the file");
  EXPECT_EQ(error_of("[limits]\nmaximum_inflight = 3\n  inflight = 3\n"),
            "sealmq.toml:3:3: unknown key \"inflight\" in [limits]");
  EXPECT_EQ(error_of("[[listener]]\nurl = \"mqtt://a\"\ncertificate = \"x\"\n"),
            "sealmq.toml:3:1: unknown key \"certificate\" in [[listener]]");
  EXPECT_EQ(error_of("[[topic]]\nfilter = \"a\"\npubish = []\n"), "sealmq.toml:3:1: unknown key \"pubish\" in [[topic]]");
}

TEST(Configuration, RefusesWrongTypesWithTheirPlace) {
  EXPECT_EQ(error_of("\ndata = 7\n"), "sealmq.toml:2:8: data must be a text in quotes");
  EXPECT_EQ(error_of("threads = \"two\"\n"), "sealmq.toml:1:11: threads must be a whole number, 0 to 256");
  EXPECT_EQ(error_of("threads = 2.0\n"), "sealmq.toml:1:11: threads must be a whole number, 0 to 256");
  EXPECT_EQ(error_of("threads = true\n"), "sealmq.toml:1:11: threads must be a whole number, 0 to 256");
  EXPECT_EQ(error_of("limits = 3\n"), "sealmq.toml:1:10: limits must be a table: [limits]");
  EXPECT_EQ(error_of("[topic]\nfilter = \"a\"\n"), "sealmq.toml:1:1: topic must be a list of tables: [[topic]]");
  EXPECT_EQ(error_of("topic = [ 3 ]\n"), "sealmq.toml:1:11: each topic must be a table: [[topic]]");
  EXPECT_EQ(error_of("[[topic]]\nfilter = \"a\"\npublish = \"" + plain_name() + "\"\n"),
            "sealmq.toml:3:11: publish must be a list of schemes");
}

TEST(Configuration, RefusesNumbersOutOfRange) {
  EXPECT_EQ(error_of("threads = -1\n"), "sealmq.toml:1:11: threads must be 0 to 256");
  EXPECT_EQ(error_of("[limits]\nreceive_maximum = 65536\n"), "sealmq.toml:2:19: limits.receive_maximum must be 1 to 65535");
  EXPECT_EQ(error_of("[limits]\nreceive_maximum = 0\n"), "sealmq.toml:2:19: limits.receive_maximum must be 1 to 65535");
}

TEST(Configuration, RefusesUnknownSchemesAndNamesTheOnesThereAre) {
  const std::string error = error_of("[[topic]]\nfilter = \"a\"\nsubscribe = [\"rot13\"]\n");
  EXPECT_TRUE(error.starts_with("sealmq.toml:3:14: unknown scheme \"rot13\"; there are ")) << error;
  for (const Scheme& scheme : all_schemes()) EXPECT_NE(error.find(scheme.info->name), std::string::npos) << error;
}

TEST(Configuration, RefusesOptionsThatTheirSchemeCannotHave) {
  EXPECT_NE(error_of("[scheme.scacauth]\npaper_methods = \"SCACAuth-RSANOPAD-2048-AES-128\"\n").find("there is no method"),
            std::string::npos);
  EXPECT_NE(error_of("[scheme.scacauth]\npaper_methods = \"SCACAuth-RSAPKCS1-2048-DES-64\"\n").find("legacy_ciphers"),
            std::string::npos);
  EXPECT_EQ(parsed("[scheme.scacauth]\nmethods = \"SCACAuth2-ECC-256-AESGCM-256\"\ncard_v2 = true\n").scheme_options.size(), 2U);
  for (const char* wrong : {"min-enc = \"strict/# a512gcm\"", "min-enc = \"a256gcm\"", "min-stamp = \"#/x mac\""})
    EXPECT_TRUE(error_of(std::string("\n[scheme.payload]\n") + wrong + "\n").starts_with("sealmq.toml:2:"))
        << error_of(std::string("\n[scheme.payload]\n") + wrong + "\n");
  EXPECT_EQ(parsed("[scheme.payload]\nmin-enc = \"strict/# a256gcm\"\nmin-stamp = \"# mac\"\n").scheme_options.size(), 2U);
  EXPECT_NE(error_of("[scheme.pmqtt]\nprefix = \"$SYS\"\n").find("no topic can begin"), std::string::npos);
  EXPECT_NE(error_of("[scheme.smqtt]\nprefix = \"a/#\"\n").find("no topic can begin"), std::string::npos);
  EXPECT_EQ(parsed("[scheme.smqtt]\nprefix = \"clinic\"\n").scheme_options.size(), 1U);
}

TEST(Configuration, RolesAreRightsOfWhoHasThem) {
  const auto read = parse_configuration(R"(
[[role]]
name = "operator"
publish = ["plant/+/orders"]
publish_pattern = ["people/%u/#"]
publish_qos = [1]
subscribe = ["plant/#"]
[[role]]
name = "auditor"
subscribe = ["log/#"]
)",
                                        "sealmq.toml");
  ASSERT_TRUE(read) << read.error().what;
  ASSERT_EQ(read->roles.size(), 2U);
  const QosSet one = qos_set_from("1").value();
  EXPECT_EQ(read->roles[0], (RoleRow{"operator", {{"plant/+/orders", false, one}, {"people/%u/#", true, one}}, {"plant/#"}}));

  std::vector<Identity> identities(2);
  identities[0].publish = {"own"};
  identities[0].roles = {"operator", "auditor", "unknown"};
  identities[1].subscribe = {"own"};
  add_roles(identities, read->roles);
  EXPECT_EQ(identities[0].publish, (Rights{"own", {"plant/+/orders", false, one}, {"people/%u/#", true, one}}));
  EXPECT_EQ(identities[0].subscribe, (Rights{"plant/#", "log/#"}));
  EXPECT_EQ(identities[1].subscribe, (Rights{"own"}));
  EXPECT_TRUE(identities[1].publish.empty());

  for (const char* wrong :
       {"name = \"a b\"", "publish = [\"#\"]", "name = \"a\"\npublish = [\"a#\"]", "name = \"a\"\npublish_pattern = [\"x%u\"]",
        "name = \"a\"\nrole = 1", "name = \"a\"\n[[role]]\nname = \"a\"", "name = \"a\"\npublish_qos = [3]"})
    EXPECT_FALSE(parse_configuration(std::string("[[role]]\n") + wrong, "sealmq.toml")) << wrong;
}

TEST(Configuration, OfTheOptionsOfSchemesSomeChangeWhileTheBrokerRuns) {
  Configuration before, after;
  before.scheme_options = {{"pmqtt.partners", "patient1 dr.house"}, {"pmqtt.prefix", "a"}, {"smqtt.partners", "x y"}};
  after.scheme_options = {{"pmqtt.partners", "patient1 dr.who"}, {"pmqtt.prefix", "b"}, {"sl2.cover", "2s"}};
  std::map<std::string, bool> needs_restart;
  for (const Difference& difference : differences(before, after)) {
    needs_restart[difference.what] = difference.needs_restart;
    EXPECT_EQ(difference.what.find("dr."), std::string::npos) << "what it holds may be a secret";
  }
  EXPECT_EQ(needs_restart, (std::map<std::string, bool>{{"[scheme] pmqtt.partners", false},
                                                        {"[scheme] pmqtt.prefix", true},
                                                        {"[scheme] sl2.cover", true},
                                                        {"[scheme] smqtt.partners", false}}));
  EXPECT_EQ(changed_options(before.scheme_options, after.scheme_options),
            (SchemeOptions{{"pmqtt.partners", "patient1 dr.who"}, {"pmqtt.prefix", "a"}}));
}

TEST(Configuration, KeysAndTablesOfSchemesStandInFiles) {
  testing::TemporaryFolder folder;
  const std::string keys = "000102030405060708090a0b0c0d0e0f\n";
  testing::write_text(folder / "partners.txt", "patient1 dr.house\n");
  testing::write_text(folder / "topic.key", keys);
  for (const char* name : {"partners.txt", "topic.key"}) ASSERT_EQ(::chmod((folder / name).c_str(), 0600), 0);
  const auto of = [&](const std::string& text) { return parse_configuration(text, folder / "sealmq.toml"); };
  const auto read = of("[scheme.pmqtt]\npartners = \"@partners.txt\"\n[scheme.payload-hop]\ntopic-key = \"@" +
                       (folder / "topic.key") + "\"\nstamp = \"hash\"\n");
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->scheme_options.at("pmqtt.partners"), "patient1 dr.house");
  EXPECT_EQ(read->scheme_options.at("payload-hop.topic-key"), keys.substr(0, 32));
  EXPECT_EQ(read->scheme_options.at("payload-hop.stamp"), "hash");

  EXPECT_NE(of("[scheme.payload-hop]\ntopic-key = \"" + keys.substr(0, 32) + "\"\n").error().what.find("@FILE"),
            std::string::npos);
  EXPECT_FALSE(of("[scheme.pmqtt]\npartners = \"@nowhere.txt\"\n"));
  testing::write_text(folder / "partners.txt", "patient1\n");
  EXPECT_NE(of("[scheme.pmqtt]\npartners = \"@partners.txt\"\n").error().what.find("line 1"), std::string::npos);
  EXPECT_NE(of("[scheme.payload-hop]\nstamp = \"mac\"\n").error().what.find("stamp-mac-key"), std::string::npos);
  ASSERT_EQ(::chmod((folder / "topic.key").c_str(), 0644), 0);
  EXPECT_FALSE(of("[scheme.payload-hop]\ntopic-key = \"@topic.key\"\n")) << "others can read it";
}

TEST(Configuration, RefusesInvalidFilters) {
  EXPECT_EQ(error_of("[[topic]]\nfilter = \"a/#/b\"\n"), "sealmq.toml:2:10: not a topic filter: \"a/#/b\"");
  EXPECT_EQ(error_of("[[topic]]\nfilter = \"\"\n"), "sealmq.toml:2:10: not a topic filter: \"\"");
  EXPECT_EQ(error_of("[[topic]]\npublish = []\n"), "sealmq.toml:1:1: [[topic]] needs a filter, or else a pattern");
  EXPECT_EQ(error_of("[[topic]]\nfilter = \"a\"\n[[topic]]\nfilter = \"a\"\n"),
            "sealmq.toml:4:10: there is a [[topic]] for \"a\" already");
}

TEST(Configuration, RefusesListenersItDoesNotHave) {
  EXPECT_EQ(error_of("[[listener]]\nurl = \"mqtt://a\"\nhop = \"tls\"\n"),
            "sealmq.toml:3:7: hop must be \"offered\", \"none\", \"hpp1\", \"ratchet\" or \"hrl1\"");
  EXPECT_TRUE(error_of("[[listener]]\nurl = \"mqtt://a\"\ninsecure_channel = \"allowed\"\n").starts_with("sealmq.toml:3:20: "));
  EXPECT_EQ(error_of("[[listener]]\n"), "sealmq.toml:1:1: [[listener]] needs a url");
  EXPECT_EQ(error_of("[[listener]]\nurl = \"wss://127.0.0.1\"\n"), "sealmq.toml:2:7: TLS needs cert and key, or psk_file");
  EXPECT_EQ(error_of("[[listener]]\nurl = \"mqtt://127.0.0.1/topic\"\n"),
            "sealmq.toml:2:7: \"mqtt://127.0.0.1/topic\" names a topic, which a listener has not");
  EXPECT_TRUE(error_of("[[listener]]\nurl = \"unix:relative\"\n").starts_with("sealmq.toml:2:7: "));
  EXPECT_TRUE(error_of("[[listener]]\nurl = \"127.0.0.1:1883\"\n").starts_with("sealmq.toml:2:7: "));
  EXPECT_TRUE(error_of("[[listener]]\nurl = \"mqtt://host:port\"\n").starts_with("sealmq.toml:2:7: "));
}

TEST(Configuration, ReadsWhatEachTransportTakes) {
  const Configuration configuration = parsed(
      "[[listener]]\nurl = \"mqtts://0.0.0.0\"\ncert = \"c\"\nkey = \"k\"\nclient_ca = \"a\"\nclient_crl = \"l\"\n"
      "require_certificate = true\npsk_file = \"p\"\nproxy_protocol = true\nproxy_from = [\"10.0.0.0/8\", \"2001:db8::1\"]\n"
      "[[listener]]\nurl = \"ws://0.0.0.0:0/other\"\norigins = [\"https://a\", \"https://b\"]\n"
      "[[listener]]\npath = \"/there\"\nurl = \"wss://0.0.0.0\"\ncert = \"c\"\nkey = \"k\"\n"
      "[[listener]]\nurl = \"unix:/run/sealmq.sock\"\nmode = \"0660\"\n");
  ASSERT_EQ(configuration.listeners.size(), 4U);
  const Listener &tls = configuration.listeners[0], &web = configuration.listeners[1], &secure = configuration.listeners[2],
                 &local = configuration.listeners[3];
  EXPECT_EQ(
      tls.tls,
      (net::TlsServerSettings{
          .certificates = {{"c", "k", ""}}, .client_ca = "a", .client_crl = "l", .require_certificate = true, .psk_file = "p"}));
  EXPECT_TRUE(tls.proxy.header);
  EXPECT_EQ(tls.proxy.from, (std::vector{*net::Network::parse("10.0.0.0/8"), *net::Network::parse("2001:db8::1")}));
  EXPECT_EQ(tls.port, 8883);
  EXPECT_EQ(web.port, 0);
  EXPECT_EQ(web.upgrade, (net::UpgradeRules{.paths = {"/other"}, .origins = {"https://a", "https://b"}}));
  EXPECT_EQ(secure.upgrade.paths, std::vector<std::string>{"/there"});
  EXPECT_EQ(local.socket_path, "/run/sealmq.sock");
  EXPECT_EQ(local.mode, 0660U);
}

TEST(Configuration, ReadsWhatTlsTakes) {
  const Configuration configuration = parsed(
      "[[listener]]\nurl = \"mqtts://0.0.0.0\"\ncert = [\"a\", \"b\"]\nkey = [\"c\", \"d\"]\nocsp_response = [\"\", \"e\"]\n"
      "sni = \"strict\"\nalpn = \"require\"\nmin_version = \"1.3\"\ngroups = \"classic\"\npsk_file = \"p\"\n"
      "psk_suites = \"legacy\"\nidentity = \"san-uri\"\nbind_client_id = false\n"
      "[[listener]]\nurl = \"wss://0.0.0.0\"\ncert = \"a\"\nkey = \"c\"\nidentity = \"spki\"\nrequire_certificate = true\n");
  const Listener &one = configuration.listeners[0], &web = configuration.listeners[1];
  EXPECT_EQ(one.tls, (net::TlsServerSettings{.certificates = {{"a", "c", ""}, {"b", "d", "e"}},
                                             .strict_names = true,
                                             .psk_file = "p",
                                             .legacy_psk_suites = true,
                                             .protocol = "mqtt",
                                             .require_protocol = true,
                                             .least_is_13 = true,
                                             .groups = net::TlsGroups::classic}));
  EXPECT_EQ(one.identity, IdentityFrom::uri);
  EXPECT_FALSE(one.bind_client_id);
  EXPECT_EQ(web.tls,
            (net::TlsServerSettings{
                .certificates = {{"a", "c", ""}}, .require_certificate = true, .any_certificate = true, .protocol = "http/1.1"}));
  EXPECT_EQ(web.identity, IdentityFrom::certificate_key);
  EXPECT_TRUE(web.bind_client_id);
  const auto told = warnings(configuration);
  EXPECT_TRUE(std::ranges::any_of(told, [](const std::string& line) { return line.find("psk_suites") != line.npos; }));
}

TEST(Configuration, ABridgeHasNoKeyOfAListener) {
  testing::TemporaryFolder folder;
  const auto file = [&](const std::string& name, const std::string& text) {
    testing::write_text(folder / name, text);
    std::filesystem::permissions(folder / name, std::filesystem::perms(0600));
    return folder / name;
  };
  const std::string key = "000102030405060708090a0b0c0d0e0f", other = "ff0102030405060708090a0b0c0d0e0f";
  const auto listeners = file("listeners", "boiler:" + key + "\n");
  const auto check = [&](const std::string& line) {
    return check_bridge_keys(parsed("[[listener]]\nurl = \"mqtts://a\"\npsk_file = \"" + listeners +
                                    "\"\n[[bridge]]\nname = \"b\"\nurl = \"mqtts://c\"\npsk_file = \"" + file("bridge", line) +
                                    "\"\ntopics = [{filter = \"x\"}]\n"));
  };
  EXPECT_TRUE(check("plant-7:" + other));
  EXPECT_EQ(check("plant-7:" + key).error().blame, Blame::caller_misused);
  EXPECT_FALSE(check("boiler:" + key + " raw"));
  EXPECT_FALSE(check("a:" + other + "\nb:" + other + "\n"));
}

TEST(Configuration, RefusesWhatItsTransportWouldIgnore) {
  const auto refused = [](const std::string& url, const std::string& line) {
    return error_of("[[listener]]\nurl = \"" + url + "\"\n" + line + "\n");
  };
  EXPECT_EQ(refused("mqtt://a", "cert = \"x\""), "sealmq.toml:3:1: cert goes with mqtts:// and wss:// only");
  EXPECT_EQ(refused("ws://a", "require_certificate = true"),
            "sealmq.toml:3:1: require_certificate goes with mqtts:// and wss:// only");
  EXPECT_EQ(refused("mqtt://a", "path = \"/mqtt\""), "sealmq.toml:3:1: path goes with ws:// and wss:// only");
  EXPECT_EQ(refused("mqtt://a", "mode = \"0600\""), "sealmq.toml:3:1: mode goes with unix: only");
  EXPECT_EQ(refused("unix:/a", "proxy_protocol = true"), "sealmq.toml:3:1: proxy_protocol does not go with unix:");
  EXPECT_EQ(refused("mqtt://0.0.0.0", "proxy_protocol = true"),
            "sealmq.toml:2:7: proxy_protocol beyond loopback needs proxy_from: whose headers are believed");
  EXPECT_EQ(refused("mqtt://a", "proxy_from = [\"::1\"]"),
            "sealmq.toml:2:7: proxy_from goes with proxy_protocol = true or forwarded_for = true");
  EXPECT_EQ(refused("mqtt://a", "proxy_protocol = true\nproxy_from = [\"10.0.0.0/33\"]"),
            "sealmq.toml:4:14: not an address or network: \"10.0.0.0/33\"");
  EXPECT_TRUE(parsed("[[listener]]\nurl = \"mqtt://127.0.0.1\"\nproxy_protocol = true\n")
                  .listeners.front()
                  .proxy.from.front()
                  .contains("127.0.0.1:7"));
  EXPECT_EQ(refused("unix:/a", "mode = \"0888\""), "sealmq.toml:3:8: mode must be octal digits in quotes, \"0600\" to \"0777\"");
  EXPECT_EQ(refused("ws://a", "path = \"mqtt\""), "sealmq.toml:3:8: path must begin with '/' and hold no space and no '?'");
  EXPECT_EQ(refused("ws://a", "origins = \"x\""), "sealmq.toml:3:11: origins must be a list of texts");
  EXPECT_EQ(refused("mqtts://a", "cert = \"x\""), "sealmq.toml:2:7: cert and key go together");
  EXPECT_EQ(refused("mqtts://a", "cert = [\"x\", \"y\"]\nkey = \"z\""), "sealmq.toml:2:7: cert and key go together");
  EXPECT_EQ(refused("mqtts://a", "sni = \"never\""), "sealmq.toml:3:7: sni must be \"first\" or \"strict\"");
  EXPECT_EQ(refused("ws://a", "bind_client_id = true"), "sealmq.toml:3:1: bind_client_id goes with mqtts:// and wss:// only");
  EXPECT_EQ(refused("mqtts://a", "psk_file = \"p\"\nrequire_certificate = true"),
            "sealmq.toml:2:7: clients' certificates need client_ca to be checked against");
}

TEST(Configuration, HostileTextInAFileCannotSteerATerminal) {
  EXPECT_EQ(error_of("\"a\\u001b[2J\" = 1\n").find('\x1b'), std::string::npos);
}

TEST(Configuration, AFileThatCannotBeReadIsTheEnvironmentsFault) {
  testing::TemporaryFolder folder;
  EXPECT_EQ(read_configuration(folder / "none.toml").error().blame, Blame::environment);
  EXPECT_EQ(read_configuration(folder.path()).error().blame, Blame::environment);
  testing::write_text(folder / "some.toml", "threads = 2\n");
  EXPECT_EQ(read_configuration(folder / "some.toml").value().threads, 2U);
}

TEST(Configuration, AllowPlainAddsToTheRowOfEveryTopicAndLeavesTheOthers) {
  Configuration configuration;
  configuration.topics.push_back({"secret/#", {hardened_name()}, {hardened_name()}});
  allow_plain(configuration);
  allow_plain(configuration);
  const auto policy = make_policy(configuration).value();
  EXPECT_TRUE(policy->find("a")->publish.contains(index_of(plain_name())));
  EXPECT_TRUE(policy->find("a")->subscribe.contains(index_of(plain_name())));
  EXPECT_TRUE(policy->find("a")->publish.contains(index_of(hardened_name())));
  EXPECT_FALSE(policy->find("secret/a")->publish.contains(index_of(plain_name())));
}

TEST(Configuration, AllowPlainShowsTheFiguresOfTheBrokerOnThisMachineOnly) {
  Configuration configuration;
  configuration.listeners.push_back({"192.0.2.1", 1883});
  configuration.topics.clear();
  allow_plain(configuration);
  EXPECT_EQ(configuration.topics.size(), 1U);
}

TEST(Configuration, ReadsBridges) {
  const Configuration configuration = parsed(
      "[[bridge]]\nname = \"office\"\nurl = \"mqtt://broker.example\"\nversion = \"3.1.1\"\n"
      "topics = [{filter = \"a/#\", direction = \"in\", qos = 2, local_prefix = \"x/\"}, {filter = \"b\"}]\n");
  ASSERT_EQ(configuration.bridges.size(), 1U);
  const BridgeSettings& bridge = configuration.bridges[0];
  EXPECT_EQ(bridge.client_id, "sealmq-bridge-office");
  EXPECT_EQ(bridge.topics, (std::vector<BridgeTopic>{{"a/#", BridgeDirection::in, mqtt::QoS::exactly_once, "x/", ""}, {"b"}}));
}

TEST(Configuration, RefusesBridgesThatMakeNoSense) {
  const std::string begin = "[[bridge]]\nname = \"a\"\nurl = \"mqtt://b\"\n";
  EXPECT_EQ(error_of(begin), "sealmq.toml:1:1: [[bridge]] needs topics");
  EXPECT_EQ(error_of("[[bridge]]\nurl = \"mqtt://b\"\n"),
            "sealmq.toml:1:1: [[bridge]] needs a name of letters, digits and . _ -");
  EXPECT_EQ(error_of(begin + "colour = 1\n"), "sealmq.toml:4:1: unknown key \"colour\" in [[bridge]]");
  for (const char* row : {"{filter = \"$SYS/#\"}", "{filter = \"a\", qos = 3}", "{filter = \"a\", direction = \"up\"}", "{}",
                          "{filter = \"a\", local_prefix = \"+/\"}", "{filter = \"#/a\"}", "{filter = \"a\", colour = 1}"})
    EXPECT_NE(error_of(begin + "topics = [" + row + "]\n"), "no error") << row;
  const std::string whole = begin + "topics = [{filter = \"a\"}]\n";
  EXPECT_EQ(error_of(whole + whole), "sealmq.toml:5:1: there is a [[bridge]] \"a\" already");
}

TEST(Configuration, SeveralPathsAndProxiesThatForward) {
  const Configuration configuration = parsed(
      "[[listener]]\nurl = \"ws://0.0.0.0\"\npath = [\"/mqtt\", \"/\"]\nforwarded_for = true\nproxy_from = [\"192.0.2.7\"]\n"
      "[[listener]]\nurl = \"ws://127.0.0.1\"\nforwarded_for = true\n");
  EXPECT_EQ(configuration.listeners[0].upgrade.paths, (std::vector<std::string>{"/mqtt", "/"}));
  EXPECT_TRUE(configuration.listeners[0].proxy.forwarded && configuration.listeners[0].upgrade.keeps_forwarded);
  EXPECT_TRUE(configuration.listeners[1].proxy.believe("127.0.0.1:5"));
  EXPECT_FALSE(configuration.listeners[1].proxy.believe("192.0.2.7:5"));
  const auto refused = [](const std::string& url, const std::string& line) {
    return error_of("[[listener]]\nurl = \"" + url + "\"\n" + line + "\n");
  };
  EXPECT_EQ(refused("mqtt://a", "forwarded_for = true"), "sealmq.toml:3:1: forwarded_for goes with ws:// and wss:// only");
  EXPECT_EQ(refused("ws://a", "forwarded_for = true"),
            "sealmq.toml:2:7: forwarded_for beyond loopback needs proxy_from: whose headers are believed");
  EXPECT_EQ(refused("ws://a", "path = []"), "sealmq.toml:3:8: path must name at least one");
}

TEST(Configuration, ARowMayDenyByName) {
  const Configuration configuration =
      parsed("[[topic]]\nfilter = \"a/#\"\ndeny_publish = [\"anonymous\", \"boiler-7\"]\ndeny_subscribe = [\"boiler-7\"]\n");
  EXPECT_EQ(configuration.topics.front().deny_publish, (std::vector<std::string>{"anonymous", "boiler-7"}));
  const auto policy = make_policy(configuration).value();
  EXPECT_TRUE(policy->denies_publishing("", "a/b") && policy->denies_publishing("boiler-7", "a"));
  EXPECT_TRUE(policy->denies_receiving("boiler-7", "a/b"));
  EXPECT_FALSE(policy->denies_receiving("", "a/b") || policy->denies_publishing("other", "a/b"));
  EXPECT_NE(error_of("[[topic]]\nfilter = \"a\"\ndeny_publish = [\"a b\"]\n"), "no error");
  EXPECT_NE(error_of("[[topic]]\nfilter = \"a\"\ndeny_publish = \"a\"\n"), "no error");
}

TEST(Configuration, AListenerOfIpv6LeavesIpv4ToOneThatAsksForIt) {
  const Listener all{"::", 1883}, v4{"0.0.0.0", 1883}, other{"0.0.0.0", 1884};
  EXPECT_TRUE(shares_port_with(all, v4));
  EXPECT_FALSE(shares_port_with(all, other));
  EXPECT_FALSE(shares_port_with(v4, all));
  EXPECT_FALSE(shares_port_with(all, all));
}

TEST(Configuration, ABridgeToACloudHasWhatCloudsAskFor) {
  const Configuration configuration = parsed(R"([[bridge]]
name = "cloud"
url = "mqtts://a.example"
other_urls = ["mqtts://b.example:443"]
cafile = "/ca.pem"
cert = "cert.pem"
key = "/key.pem"
alpn = "x-amzn-mqtt-ca"
keep_alive = 300
clean_start = true
state_topic = "bridges/plant/state"
version = "3.1.1"
topics = [{filter = "shadow/#", direction = "both", local_prefix = "aws/", remote_prefix = "$aws/things/plant/"}]
)");
  ASSERT_EQ(configuration.bridges.size(), 1U);
  const BridgeSettings& bridge = configuration.bridges[0];
  EXPECT_EQ(bridge.other_urls, std::vector<std::string>{"mqtts://b.example:443"});
  EXPECT_EQ(bridge.key, "/key.pem");
  EXPECT_EQ(bridge.alpn, "x-amzn-mqtt-ca");
  EXPECT_TRUE(bridge.cert.ends_with("cert.pem"));
  EXPECT_EQ(bridge.keep_alive, 300);
  EXPECT_TRUE(bridge.clean_start);
  EXPECT_EQ(bridge.state_topic, "bridges/plant/state");
  EXPECT_EQ(bridge.topics[0].remote_prefix, "$aws/things/plant/");
}

TEST(Configuration, RefusesWhatDoesNotGoTogetherOnABridge) {
  const auto bridge = [](const std::string& url, const std::string& more) {
    return error_of("[[bridge]]\nname = \"a\"\nurl = \"" + url + "\"\n" + more + "\ntopics = [{filter = \"a\"}]\n");
  };
  EXPECT_EQ(bridge("mqtts://b", "alpn = \"mqtt\""), "no error");
  for (const char* more :
       {"alpn = \"mqtt\"", "cafile = \"ca.pem\"", "other_urls = [\"mqtts://c\"]", "psk_file = \"f\"", "keep_alive = 70000",
        "other_urls = [\"c\"]", "other_urls = [\"mqtt://me:secret@c\"]", "state_topic = \"a/#\"", "clean_start = 1"})
    EXPECT_NE(bridge("mqtt://b", more), "no error") << more;
  for (const char* more : {"other_urls = [\"mqtt://c\"]", "psk_identity = \"f\""})
    EXPECT_NE(bridge("mqtts://b", more), "no error") << more;
}

TEST(Configuration, TopicsUnderDollarOnABridgeAreNamedByARowAndNotTheBrokersOwn) {
  const auto row = [](const std::string& text) {
    return error_of("[[bridge]]\nname = \"a\"\nurl = \"mqtt://b\"\ntopics = [{" + text + "}]\n");
  };
  EXPECT_EQ(row("filter = \"#\", direction = \"in\", remote_prefix = \"$SYS/\", local_prefix = \"theirs/\""), "no error");
  EXPECT_EQ(row("filter = \"shadow/#\", remote_prefix = \"$aws/things/x/\""), "no error");
  for (const char* text :
       {"filter = \"$aws/#\"", "filter = \"#\", local_prefix = \"$x/\"", "filter = \"#\", remote_prefix = \"$SYS/\"",
        "filter = \"#\", remote_prefix = \"$CONTROL/\"", "filter = \"a\", direction = \"in\", remote_prefix = \"$share/g/\""})
    EXPECT_NE(row(text), "no error") << text;
}

TEST(Configuration, WarnsOfRowsThatAreInVain) {
  const auto warned = [](const std::string& text) { return warnings(parsed(text)); };
  EXPECT_TRUE(warned("[[topic]]\nfilter = \"$SYS/#\"\nsubscribe = [\"plain\"]\n").empty());
  EXPECT_TRUE(warned("[[topic]]\nfilter = \"$SYS/broker/connection/+/state\"\npublish = [\"plain\"]\n").empty());
  ASSERT_EQ(warned("[[topic]]\nfilter = \"$aws/#\"\npublish = [\"plain\"]\n").size(), 1U);
  EXPECT_NE(warned("[[topic]]\nfilter = \"$aws/#\"\npublish = [\"plain\"]\n")[0].find("topic \"$aws/#\": clients cannot publish"),
            std::string::npos);
  EXPECT_EQ(warned("[[topic]]\nfilter = \"$aws/#\"\nsubscribe = [\"plain\"]\n").size(), 1U);
}

TEST(Configuration, AllowPlainMakesTheRowOfEveryTopicIfThereIsNone) {
  Configuration configuration;
  configuration.topics.clear();
  allow_plain(configuration);
  EXPECT_EQ(configuration.topics, (std::vector<TopicRow>{{"#", {plain_name()}, {plain_name()}},
                                                         {"$SYS/#", {}, {plain_name()}},
                                                         {"$SYS/broker/connection/+/state", {plain_name()}, {plain_name()}}}));
}

TEST(Configuration, WarnsOfSchemesForStudyWithTheirHazards) {
  EXPECT_TRUE(warnings(Configuration()).empty());
  const SchemeInfo& paper = *some_scheme(Profile::paper).info;
  Configuration configuration;
  configuration.topics.push_back({"study/#", {}, {std::string(paper.name)}});
  const auto lines = warnings(configuration);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].starts_with(paper.name));
  ASSERT_FALSE(paper.hazards.empty());
  for (std::string_view hazard : paper.hazards) EXPECT_NE(lines[0].find(hazard), std::string::npos);
}

TEST(Configuration, ReadsRowsOfOnesOwnWithQosAndLogins) {
  const auto configuration = parsed(R"([[topic]]
pattern = "devices/%u/%%/#"
own = "publish"
publish = ["plain"]
subscribe = ["plain"]
publish_qos = [0, 2]
subscribe_qos = [1]
login = ["tls", "password", "pmqtt@paper"]
require = ["key+password", "card"]
login_age = "15m"
[[topic]]
filter = "plant/%u"
publish = ["plain"]
require = "key"
)");
  const auto policy = make_policy(configuration).value();
  const broker::TopicRule* own = policy->find("devices/boiler-7/%/x");
  ASSERT_NE(own, nullptr);
  EXPECT_EQ(own->own, broker::Own::publish);
  EXPECT_EQ(to_text(own->publish_qos), "0,2");
  EXPECT_EQ(to_text(own->subscribe_qos), "1");
  EXPECT_EQ(own->login_age, 900'000U);
  EXPECT_EQ(own->require, (std::vector<Factors>{{Factor::key, Factor::password}, {Factor::card}}));
  EXPECT_TRUE(own->login.contains(broker::login_by_transport));
  EXPECT_TRUE(own->login.contains(broker::login_by_password));
  EXPECT_TRUE(own->login.contains(index_of("pmqtt@paper")));
  EXPECT_FALSE(own->login.contains(index_of("pmqtt")));
  ASSERT_NE(policy->find("plant/%u"), nullptr) << "a filter has no placeholders";
  EXPECT_EQ(policy->find("plant/x"), nullptr);
  const auto lines = warnings(configuration);
  const auto warns = [&](std::string_view of) {
    return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(of) != line.npos; });
  };
  EXPECT_TRUE(warns("opens it to nobody")) << "no listener tells by TLS";
  EXPECT_TRUE(warns("pmqtt@paper is there for study"));
}

TEST(Configuration, WarnsOfWhatNoLoginCanProve) {
  const auto of = [](const std::string& row) {
    return warnings(parsed("[[topic]]\nfilter = \"a\"\npublish = [\"plain\"]\n" + row));
  };
  EXPECT_TRUE(of("require = \"key\"\n").empty());
  EXPECT_TRUE(of("require = [\"card\", \"password\"]\n").empty());
  EXPECT_TRUE(of("require = \"card\"\n").empty());
  ASSERT_EQ(of("require = \"token\"\n").size(), 1U);
  EXPECT_EQ(of("login = [\"pmqtt\"]\nrequire = \"card\"\n").size(), 1U) << "that of scacauth may be in one";
  EXPECT_EQ(of("login = [\"password\"]\nrequire = \"key+password\"\n").front(),
            "topic \"a\": no login here proves key+password, which it requires");
}

TEST(Configuration, WarnsOfTablesOfSchemesThatMeanNothingOrLackTheirKeys) {
  EXPECT_EQ(warnings(parsed("[scheme.payload-hop]\nstamp = \"hash\"\n")),
            (std::vector<std::string>{"[scheme.payload-hop] means nothing: no [[topic]] row names payload-hop"}));
  const std::string row = "[[topic]]\nfilter = \"a\"\npublish = [\"payload-hop\"]\n[scheme.payload-hop]\nstamp = \"none\"\n";
  ASSERT_EQ(warnings(parsed(row)).size(), 1U);
  EXPECT_NE(warnings(parsed(row)).front().find("has no keys to open messages with"), std::string::npos);
  EXPECT_TRUE(warnings(parsed("topic_keys = \"keys\"\n" + row)).empty());
}

TEST(Configuration, WarnsOfWhatNobodyOnTheListCanProve) {
  Identity keyed = testing::identity_named("keyed");
  keyed.status = Status::active;
  Identity person;
  person.name = "person";
  person.status = Status::active;
  const auto of = [](const std::string& row, const std::vector<Identity>& list, const std::set<std::string>& passwords = {}) {
    return warnings_about(list, passwords, parsed("[[topic]]\nfilter = \"a\"\npublish = [\"plain\"]\n" + row)).size();
  };
  EXPECT_EQ(of("require = \"key\"\n", {}), 0U) << "there is no list yet";
  EXPECT_EQ(of("", {person}), 0U) << "it asks for nothing";
  EXPECT_EQ(of("require = \"key\"\n", {keyed, person}), 0U);
  EXPECT_EQ(of("require = \"key\"\n", {person}), 1U) << "without a key";
  EXPECT_EQ(of("require = \"password\"\n", {person}), 1U);
  EXPECT_EQ(of("require = \"password\"\n", {person}, {"person"}), 0U);
  EXPECT_EQ(of("login = [\"password\"]\n", {keyed, person}, {"person"}), 0U);
  EXPECT_EQ(of("login = [\"tls\"]\n", {keyed}), 1U) << "no listener tells by TLS";
  EXPECT_EQ(of("require = \"card\"\n", {keyed}), 1U);
  keyed.in_card = true;
  EXPECT_EQ(of("require = \"card\"\n", {keyed}), 0U);
  EXPECT_EQ(of("login = [\"scacauth\"]\nrequire = \"card\"\n", {keyed}), 0U);
  keyed.schemes = {"pmqtt"};
  EXPECT_EQ(of("require = \"card\"\n", {keyed}), 1U) << "the list does not let it in by a card";
  EXPECT_EQ(of("login = [\"pmqtt\"]\n", {keyed}), 0U);
  keyed.require = {Factor::password};
  EXPECT_EQ(of("login = [\"pmqtt\"]\n", {keyed}), 1U) << "it lets itself in by nothing that it has";
  keyed.require = {};
  keyed.status = Status::revoked;
  EXPECT_EQ(of("login = [\"pmqtt\"]\n", {keyed}), 1U);

  person.roles = {"operator", "ghost"};
  const auto lines = warnings_about({person}, {}, parsed("[[role]]\nname = \"operator\"\n"));
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("\"ghost\""), std::string::npos);
}

TEST(Configuration, RefusesRowsThatMakeNoSenseWithTheirPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"pattern = \"devices/x%u\"",
       "sealmq.toml:2:11: not a topic pattern: \"devices/x%u\"; % stands as a whole level, %u or %c, or "
       "doubled"},
      {"filter = \"a\"\npattern = \"%u\"", "sealmq.toml:1:1: [[topic]] needs a filter, or else a pattern"},
      {"filter = \"a\"\nown = \"both\"", "sealmq.toml:1:1: own goes with a pattern only"},
      {"pattern = \"%u\"\nown = \"mine\"", "sealmq.toml:3:7: own must be publish, subscribe or both"},
      {"filter = \"a\"\npublish_qos = [3]", "sealmq.toml:3:16: publish_qos must be a list of 0, 1 and 2"},
      {"filter = \"a\"\nsubscribe_qos = []", "sealmq.toml:3:17: subscribe_qos must be a list of 0, 1 and 2"},
      {"filter = \"a\"\nlogin = [\"sl1\"]",
       "sealmq.toml:3:9: unknown login \"sl1\"; there are password tls pmqtt pmqtt@paper scacauth scacauth@paper"},
      {"filter = \"a\"\nlogin = []", "sealmq.toml:3:9: login must name a login"},
      {"filter = \"a\"\nrequire = \"luck\"",
       "sealmq.toml:3:11: \"luck\" is not of password, key, card and token, with + between them"},
      {"filter = \"a\"\nlogin_age = \"soon\"", "sealmq.toml:3:13: login_age must be a time such as 30s, 15m, 12h or 7d"}};
  for (const auto& [row, error] : cases) EXPECT_EQ(error_of("[[topic]]\n" + std::string(row) + "\n"), error);
}

TEST(Configuration, TellsWhatDiffersAndWhatThatNeeds) {
  Configuration before, after;
  EXPECT_TRUE(differences(before, after).empty());
  before.topics = {{"a", {}, {}}, {"b", {}, {}}};
  after.topics = {{"b", {plain_name()}, {}}, {"c", {}, {}}};
  after.limits.maximum_retained = 5;
  after.listeners.clear();
  std::vector<std::string> lines;
  for (const Difference& difference : differences(before, after))
    lines.push_back(difference.what + (difference.needs_restart ? " (restart)" : ""));
  EXPECT_EQ(lines, (std::vector<std::string>{"limits.maximum_retained: \"100000\" -> \"5\" (restart)", "the listeners (restart)",
                                             "topic \"a\": removed", "topic \"b\": other schemes", "topic \"c\": new"}));
}

// The reader refuses what is not in the list; here, what is in the list and not known to the reader.
TEST(Settings, EveryKeyOfARowInTheManualIsRead) {
  for (const RowKey& key : row_keys()) {
    const std::string table =
        key.table == "bridge.topics" ? "[[bridge]]\n[[bridge.topics]]\n" : "[[" + std::string(key.table) + "]]\n";
    for (const char* url : {"mqtts://h", "ws://h", "unix:/s"}) {
      const std::string first = key.table == "listener" && key.name != "url" ? "url = \"" + std::string(url) + "\"\n" : "";
      const auto read = parse_configuration(table + first + std::string(key.name) + " = 1979-05-27\n", "f");
      ASSERT_FALSE(read);
      EXPECT_EQ(read.error().what.find("unknown key"), std::string::npos) << read.error().what;
    }
  }
}

TEST(Settings, EachOneCanBeReadAndIsInTheManual) {
  const auto manual = configuration_keys();
  for (const Setting& setting : settings()) {
    EXPECT_TRUE(
        std::ranges::any_of(manual, [&](const Key& key) { return key.name == setting.name && key.help == setting.help; }));
    if (setting.is_text()) continue;
    const std::string table = setting.table.empty() ? "" : "[" + std::string(setting.table) + "]\n";
    if (setting.is_truth()) {
      EXPECT_EQ(setting.value_in(parsed(table + std::string(setting.name) + " = true\n")), "true");
      continue;
    }
    for (std::uint64_t value : {setting.least, setting.most}) {
      const std::string line = table + std::string(setting.name) + " = " + std::to_string(value) + "\n";
      EXPECT_EQ(setting.value_in(parsed(line)), std::to_string(value)) << line;
    }
  }
}

}  // namespace
}  // namespace sealmq::server
