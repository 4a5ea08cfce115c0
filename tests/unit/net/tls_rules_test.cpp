// What a listener refuses, and what of it a stranger learns: suites, names of keys, protocols, versions, hosts, tickets, OCSP.
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <ctime>
#include <fstream>
#include <thread>

#include "base/text.h"
#include "net/tls_channel.h"
#include "net/tls_psk.h"
#include "net/tls_tickets.h"
#include "support/tls_ends.h"

namespace sealmq::net {
namespace {

using testing::Pair;
using testing::RawClient;
using testing::TlsTest;

constexpr const char* key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr const char* other_key = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

class TlsRules : public TlsTest {
 protected:
  static TlsServerSettings psk_settings() {
    return {.psk_file = psk_file("boiler:" + std::string(key) + " raw\ntwo:" + key + "\n")};
  }
  static std::shared_ptr<TlsServer> load(const TlsServerSettings& settings) { return TlsServer::load(settings).value(); }
};

/// A client of OpenSSL's with a pre-shared key that is used as it is.
struct PskClient {
  const char* identity;
  const char* hex = key;
  int version = 0;
  const char* ciphers = nullptr;

  void set(SSL_CTX* context) const {
    if (version != 0) {
      SSL_CTX_set_min_proto_version(context, version);
      SSL_CTX_set_max_proto_version(context, version);
    }
    if (ciphers != nullptr) SSL_CTX_set_cipher_list(context, ciphers);
    static thread_local PskClient current{""};
    current = *this;
    SSL_CTX_set_psk_client_callback(context, [](SSL*, const char*, char* name, unsigned, unsigned char* bytes, unsigned) {
      std::string(current.identity).copy(name, 128);
      name[std::string(current.identity).size()] = '\0';
      const Buffer raw = *from_hex(current.hex);
      std::ranges::copy(raw, bytes);
      return static_cast<unsigned>(raw.size());
    });
  }
};

TEST(PskKeys, AreDerivedAsTheVectorsSay) {
  const Buffer stored = *from_hex("0524cad8523d7e2ff281fe15d365f96592f35d38b8600495baac41b440c000c3");
  const PskKeys keys = derive_psk(stored, "boiler-7", false);
  EXPECT_EQ(to_hex(keys.tls_13.reveal()), "c37376304ea404371fdd27e15ba7fcf727521f49045789f154d8d893ff641e5c");
  EXPECT_EQ(to_hex(keys.tls_12.reveal()), "3165e3cce44f7d62ef5fe4a1fd8f5fc1c7533df089ff4a40d92ba574447069f6");
  const Secret secret(*from_hex("0bbc177fc1b08e02dec7cb37691736b5bbf90a6a1f80503da03e3a89a4b15244"));
  EXPECT_EQ(to_hex(make_up_psk(secret, "nobody").reveal()), "8e965aefcefe501ca9ee5598afcd491df75bf4b21d63940a9c821a6583cce94f");
  const PskKeys raw = derive_psk(stored, "boiler-7", true);
  EXPECT_TRUE(same(raw.tls_12.reveal(), stored) && same(raw.tls_13.reveal(), stored));
}

TEST(PskKeys, OneThatServesBothRolesIsFound) {
  const auto lines =
      parse_psk_lines("a:000102030405060708090a0b0c0d0e0f\nb:101112131415161718191a1b1c1d1e1f raw\n", "psk").value();
  const PskTable table = derive_all(lines);
  const auto other = [](const char* hex, bool raw) { return Psk{"our-name-there", Secret(*from_hex(hex)), raw}; };
  EXPECT_TRUE(serves_in(table, other("000102030405060708090a0b0c0d0e0f", false)));
  EXPECT_TRUE(serves_in(table, other("101112131415161718191a1b1c1d1e1f", false)));
  EXPECT_TRUE(serves_in(table, other("101112131415161718191a1b1c1d1e1f", true)));
  EXPECT_FALSE(serves_in(table, other("202122232425262728292a2b2c2d2e2f", false)));
}

TEST_F(TlsRules, AKeyServesEachVersionAsWhatIsDerivedFromIt) {
  const auto server = load(psk_settings());
  TlsOptions options;
  options.psk_identity = "two";
  options.psk = key;
  for (const char* version : {"tlsv1.2", "tlsv1.3"}) {
    options.version = version;
    options.psk_is_raw = false;
    EXPECT_TRUE(Pair(psk_settings(), options).shake_hands()) << version;
    options.psk_is_raw = true;
    EXPECT_FALSE(Pair(psk_settings(), options).shake_hands()) << version;
  }
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    RawClient foreign([&](SSL_CTX* context) { PskClient{.identity = "boiler", .version = version}.set(context); });
    ASSERT_TRUE(foreign.shake_hands(*server));
    PeerInfo peer;
    foreign.broker->describe(peer);
    EXPECT_EQ(peer.psk_identity, "boiler");
    EXPECT_EQ(peer.offered_psk_identity, "boiler");
  }
}

TEST_F(TlsRules, AnUnknownNameIsAnsweredAsAWrongKeyIs) {
  for (bool with_certificate : {false, true}) {
    TlsServerSettings settings = psk_settings();
    if (with_certificate) settings.certificates = server_files().certificates;
    const auto server = load(settings);
    for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      const auto seen = [&](const char* identity) {
        const char* ciphers = "ECDHE-PSK-CHACHA20-POLY1305";
        RawClient client([&](SSL_CTX* context) {
          PskClient{.identity = identity, .hex = other_key, .version = version, .ciphers = ciphers}.set(context);
        });
        const auto result = client.shake_hands(*server);
        EXPECT_FALSE(result);
        EXPECT_NE(client.alert, -1);
        // Lengths and alert; the rest is chance.
        return std::tuple(client.alert, client.answer.size(), result ? "" : result.error().what);
      };
      EXPECT_EQ(seen("boiler"), seen("nobody"));
    }
  }
}

TEST_F(TlsRules, SuitesWithoutForwardSecrecyOrWithCbcHaveToBeAskedFor) {
  for (const char* suite : {"PSK-AES128-GCM-SHA256", "PSK-AES256-GCM-SHA384", "PSK-AES128-CCM", "ECDHE-PSK-AES128-CBC-SHA256"}) {
    const auto taken = [&](bool legacy) {
      TlsServerSettings settings = psk_settings();
      settings.legacy_psk_suites = legacy;
      RawClient client(
          [&](SSL_CTX* context) { PskClient{.identity = "boiler", .version = TLS1_2_VERSION, .ciphers = suite}.set(context); });
      return client.shake_hands(*load(settings)).has_value() && client.is_open();
    };
    EXPECT_FALSE(taken(false)) << suite;
    EXPECT_TRUE(taken(true)) << suite;
  }
}

TEST_F(TlsRules, OneListenerNeverTakesTheOthersProtocol) {
  struct Case {
    std::string listener, offered;
    bool required;
    int alert;
  };
  constexpr int none = -1, no_application_protocol = SSL_AD_NO_APPLICATION_PROTOCOL;
  for (const Case& tried : std::vector<Case>{{"mqtt", "\x04mqtt", false, none},
                                             {"mqtt", "\x08http/1.1", false, no_application_protocol},
                                             {"mqtt", "\x08http/1.1\x04mqtt", false, none},
                                             {"mqtt", "", false, none},
                                             {"mqtt", "", true, no_application_protocol},
                                             {"mqtt", "\x04mqtt", true, none},
                                             {"http/1.1", "\x04mqtt", false, no_application_protocol},
                                             {"http/1.1", "\x02h2\x08http/1.1", true, none}}) {
    TlsServerSettings settings = server_files();
    settings.protocol = tried.listener;
    settings.require_protocol = tried.required;
    for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      RawClient client([&](SSL_CTX* context) {
        SSL_CTX_set_max_proto_version(context, version);
        SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(tried.offered.data()),
                                static_cast<unsigned>(tried.offered.size()));
      });
      EXPECT_EQ(client.shake_hands(*load(settings)).has_value(), tried.alert == none);
      EXPECT_EQ(client.alert, tried.alert) << tried.listener << " " << tried.offered;
      const unsigned char* chosen = nullptr;
      unsigned size = 0;
      SSL_get0_alpn_selected(client.ssl(), &chosen, &size);
      EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), size),
                tried.alert == none && !tried.offered.empty() ? tried.listener : "");
    }
  }
}

TEST_F(TlsRules, OurClientNamesTheProtocolOfItsUrl) {
  TlsServerSettings strict = server_files();
  strict.require_protocol = true;
  EXPECT_TRUE(Pair(strict, client_options()).shake_hands());
  strict.protocol = web_protocol;
  EXPECT_FALSE(Pair(strict, client_options()).shake_hands());
}

TEST_F(TlsRules, Tls12WithoutExtendedMasterSecretIsClosed) {
  RawClient client([](SSL_CTX* context) {
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_EXTENDED_MASTER_SECRET);
  });
  const auto result = client.shake_hands(*load(server_files()));
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().what.find("extended master secret"), std::string::npos);
  EXPECT_FALSE(client.broker->is_open());
}

TEST_F(TlsRules, AListenerMayAskForTls13) {
  TlsServerSettings settings = server_files();
  settings.least_is_13 = true;
  RawClient old([](SSL_CTX* context) { SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION); });
  EXPECT_FALSE(old.shake_hands(*load(settings)));
  EXPECT_EQ(old.alert, SSL_AD_PROTOCOL_VERSION);
  EXPECT_TRUE(RawClient().shake_hands(*load(settings)));
}

TEST_F(TlsRules, GroupsFallBackToWhatTheLibraryHas) {
  const bool has_hybrid = OPENSSL_VERSION_NUMBER >= 0x30500000L;
  EXPECT_EQ(std::string(load(server_files())->groups()).starts_with("X25519MLKEM768"), has_hybrid);
  TlsServerSettings settings = server_files();
  settings.groups = TlsGroups::both;
  EXPECT_EQ(std::string(load(settings)->groups()).starts_with("*X25519MLKEM768"), has_hybrid);
  settings.groups = TlsGroups::classic;
  EXPECT_STREQ(load(settings)->groups(), "X25519:P-256:P-384");
  Pair pair(settings, client_options());
  ASSERT_TRUE(pair.shake_hands());
  EXPECT_EQ(pair.seen_by_broker().tls_group, "x25519");
  // What no list names is not agreed on.
  RawClient client([](SSL_CTX* context) { SSL_CTX_set1_groups_list(context, "P-521:X448"); });
  EXPECT_FALSE(client.shake_hands(*load(server_files())));
  EXPECT_FALSE(parse_groups("P-521"));
}

TEST_F(TlsRules, TheCertificateIsThatOfTheHostThatIsNamed) {
  TlsServerSettings settings = server_files();
  settings.certificates.push_back({file("second.pem"), file("second.key"), ""});
  for (bool strict : {false, true}) {
    settings.strict_names = strict;
    const auto server = load(settings);
    for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      const auto shown = [&](const std::string& host) {
        RawClient client([&](SSL_CTX* context) { SSL_CTX_set_max_proto_version(context, version); });
        return client.shake_hands(*server, host) ? client.subject() : "alert " + std::to_string(client.alert);
      };
      EXPECT_EQ(shown("localhost"), "localhost");
      EXPECT_EQ(shown("second.example"), "second.example");
      EXPECT_EQ(shown("a.second.example"), "second.example");
      EXPECT_EQ(shown(""), "localhost");
      EXPECT_EQ(shown("third.example"), strict ? "alert " + std::to_string(SSL_AD_UNRECOGNIZED_NAME) : "localhost");
    }
  }
  TlsServerSettings missing = server_files();
  missing.certificates.push_back({file("second.pem"), "", ""});
  EXPECT_EQ(TlsServer::load(missing).error().blame, Blame::caller_misused);
}

std::string pin_of(const std::string& path, bool as_curl_does) {
  BIO* in = BIO_new_file(path.c_str(), "r");
  X509* certificate = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
  const auto digest = key_digest(certificate).value();
  X509_free(certificate);
  BIO_free(in);
  return as_curl_does ? "sha256//" + to_base64(digest) : to_hex(digest);
}

TEST_F(TlsRules, PinsCountBesideTheChain) {
  TlsOptions options = client_options();
  for (const char* name : {"server.pem", "ca.pem"})
    for (bool as_curl_does : {false, true}) {
      options.pins = {pin_of(file("second.pem"), false), pin_of(file(name), as_curl_does)};
      EXPECT_TRUE(Pair(server_files(), options).shake_hands()) << name;
    }
  options.pins = {pin_of(file("second.pem"), false)};
  const auto refused = Pair(server_files(), options).shake_hands();
  ASSERT_FALSE(refused);
  EXPECT_TRUE(Pair(with_certificate("second"), options, "second.example").shake_hands());
  options.pins = {pin_of(file("server.pem"), false)};
  options.ca_file = file("other-ca.pem");
  EXPECT_FALSE(Pair(server_files(), options).shake_hands());  // a pin takes the place of nothing
  for (const std::string& wrong :
       std::vector<std::string>{"", "00", "sha256//AAAA", "sha256//" + std::string(44, 'A'), std::string(64, 'g')}) {
    options.pins = {wrong};
    EXPECT_EQ(TlsClient::load(options).error().blame, Blame::caller_misused) << wrong;
  }
}

TEST_F(TlsRules, AClientShowsNoCertificateToABrokerWithoutThePin) {
  TlsOptions options = shows("client");
  options.pins = {pin_of(file("second.pem"), false)};
  Pair pair(checks_clients(), options);
  EXPECT_FALSE(pair.shake_hands());
  EXPECT_EQ(pair.seen_by_broker().certificate_name, "");
  EXPECT_FALSE(pair.broker->is_open());
}

TEST_F(TlsRules, WhatTheAuthoritySaysComesWithTheCertificate) {
  const auto goes_on = [](const TlsServerSettings& settings, const char* wish) {
    TlsOptions options = client_options();
    options.ocsp = wish;
    return Pair(settings, options).shake_hands().has_value();
  };
  TlsServerSettings settings = server_files();
  EXPECT_TRUE(goes_on(settings, "off"));
  EXPECT_TRUE(goes_on(settings, "prefer"));
  EXPECT_FALSE(goes_on(settings, "require"));
  settings.certificates.front().ocsp_response = file("server-good.ocsp");
  for (const char* wish : {"off", "prefer", "require"}) EXPECT_TRUE(goes_on(settings, wish)) << wish;
  settings.certificates.front().ocsp_response = file("server-revoked.ocsp");
  EXPECT_TRUE(goes_on(settings, "off"));
  EXPECT_FALSE(goes_on(settings, "prefer"));
  EXPECT_FALSE(goes_on(settings, "require"));
  EXPECT_FALSE(goes_on(with_certificate("staple"), "prefer"));  // it promises one
  settings = with_certificate("staple");
  settings.certificates.front().ocsp_response = file("staple-good.ocsp");
  EXPECT_TRUE(goes_on(settings, "prefer"));
  for (const char* wrong : {"server-good.ocsp", "ca.pem", "none.ocsp"}) {
    settings.certificates.front().ocsp_response = file(wrong);
    EXPECT_FALSE(TlsServer::load(settings)) << wrong;
  }
  TlsOptions options = client_options();
  options.ocsp = "sometimes";
  EXPECT_EQ(TlsClient::load(options).error().blame, Blame::caller_misused);
}

TEST_F(TlsRules, AResponseIsReadAgainWhenItChanges) {
  const auto copy = [](const std::string& from, const std::string& to) {
    std::ofstream(to, std::ios::binary) << std::ifstream(from, std::ios::binary).rdbuf();
  };
  const std::string path = file("now.ocsp");
  copy(file("server-good.ocsp"), path);
  TlsServerSettings settings = server_files();
  settings.certificates.front().ocsp_response = path;
  const auto server = load(settings);
  TlsOptions options = client_options();
  options.ocsp = "require";
  const auto goes_on = [&] {
    Pair pair(server_files(), options);
    pair.broker = server->accept();
    return pair.shake_hands().has_value();
  };
  const auto written_at = [&](std::time_t seconds) {
    const timespec times[] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  };
  EXPECT_TRUE(goes_on());
  copy(file("server-revoked.ocsp"), path);
  written_at(1000);
  ASSERT_TRUE(server->look_at_responses());
  EXPECT_FALSE(goes_on());
  copy(file("ca.pem"), path);
  written_at(2000);
  EXPECT_FALSE(server->look_at_responses());  // told once, and what was there stays
  EXPECT_TRUE(server->look_at_responses());
  EXPECT_FALSE(goes_on());
}

TEST_F(TlsRules, ATicketServesAtItsListenerAlone) {
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    RawClient client([&](SSL_CTX* context) { SSL_CTX_set_max_proto_version(context, version); });
    const auto one = load(server_files()), other = load(server_files());
    ASSERT_TRUE(client.shake_hands(*one));
    EXPECT_EQ(SSL_session_reused(client.ssl()), 0);
    ASSERT_NE(client.session, nullptr);
    ASSERT_TRUE(client.shake_hands(*one));
    EXPECT_EQ(SSL_session_reused(client.ssl()), 1) << version;
    ASSERT_TRUE(client.shake_hands(*other));
    EXPECT_EQ(SSL_session_reused(client.ssl()), 0);
  }
}

/// A certificate like client.pem that runs out in so many seconds.
void make_short_lived(const std::string& folder, long seconds) {
  const auto read = [&](const char* name) {
    BIO* in = BIO_new_file((folder + name).c_str(), "r");
    X509* certificate = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
    BIO_free(in);
    return certificate;
  };
  BIO* in = BIO_new_file((folder + "ca.key").c_str(), "r");
  EVP_PKEY* signer = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
  BIO_free(in);
  X509* certificate = read("client.pem");
  X509_gmtime_adj(X509_getm_notAfter(certificate), seconds);
  X509_sign(certificate, signer, EVP_sha256());
  BIO* out = BIO_new_file((folder + "short.pem").c_str(), "w");
  PEM_write_bio_X509(out, certificate);
  BIO_free(out);
  X509_free(certificate);
  EVP_PKEY_free(signer);
}

TEST_F(TlsRules, ATicketDoesNotOutliveItsCertificate) {
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    make_short_lived(file(""), 3);
    const std::time_t end = std::time(nullptr) + 3;
    RawClient client([&](SSL_CTX* context) {
      SSL_CTX_set_max_proto_version(context, version);
      SSL_CTX_use_certificate_chain_file(context, file("short.pem").c_str());
      SSL_CTX_use_PrivateKey_file(context, file("client.key").c_str(), SSL_FILETYPE_PEM);
    });
    const auto server = load(checks_clients());
    ASSERT_TRUE(client.shake_hands(*server));
    ASSERT_TRUE(client.shake_hands(*server));
    ASSERT_EQ(SSL_session_reused(client.ssl()), 1);
    while (std::time(nullptr) <= end) std::this_thread::yield();
    const auto late = client.shake_hands(*server);
    ASSERT_FALSE(late);
    EXPECT_NE(late.error().what.find("expired"), std::string::npos) << late.error().what;
  }
}

TEST_F(TlsRules, AKeyThatWasReplacedUnderItsNameNoLongerCounts) {
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto server = load(psk_settings());
    RawClient client([&](SSL_CTX* context) { PskClient{"boiler", key, version}.set(context); });
    ASSERT_TRUE(client.shake_hands(*server));
    PeerInfo peer;
    client.broker->describe(peer);
    ASSERT_EQ(peer.proof.psk_identity, "boiler");
    const auto counts_with = [&](const std::string& lines) {
      return load({.psk_file = psk_file(lines)})->still_counts(peer.proof);
    };
    EXPECT_TRUE(counts_with("other:" + std::string(other_key) + "\nboiler:" + key + " raw\n"));
    EXPECT_FALSE(counts_with("boiler:" + std::string(other_key) + " raw\n"));
    EXPECT_FALSE(counts_with("boiler:" + std::string(key) + "\n")) << "the same bytes, used otherwise";
    EXPECT_FALSE(counts_with("other:" + std::string(key) + " raw\n"));
  }
}

TEST_F(TlsRules, ACertificateCountsAsLongAsItsAuthorityDoes) {
  const auto server = load(checks_clients(true, "empty-crl.pem"));
  RawClient client([&](SSL_CTX* context) {
    SSL_CTX_use_certificate_chain_file(context, file("client.pem").c_str());
    SSL_CTX_use_PrivateKey_file(context, file("client.key").c_str(), SSL_FILETYPE_PEM);
  });
  ASSERT_TRUE(client.shake_hands(*server));
  PeerInfo peer;
  client.broker->describe(peer);
  ASSERT_NE(peer.proof.certificate, nullptr);
  TlsServerSettings settings = server_files();
  settings.client_ca = file("ca.pem");
  EXPECT_TRUE(load(settings)->still_counts(peer.proof));
  settings.client_ca = file("other-ca.pem");
  EXPECT_FALSE(load(settings)->still_counts(peer.proof));
  testing::write_text(file("both-ca.pem"), testing::read_text(file("other-ca.pem")) + testing::read_text(file("ca.pem")));
  settings.client_ca = file("both-ca.pem");
  EXPECT_TRUE(load(settings)->still_counts(peer.proof)) << "one more is trusted";
}

TEST(TicketKeysTest, TheOneBeforeStillOpensAndTheOneBeforeThatDoesNot) {
  std::int64_t now = 1000;
  TicketKeys keys([&] { return now; });
  std::array<unsigned char, 16> name{};
  const auto prepare = [&](std::array<unsigned char, 16> of, bool seals, bool once = false) {
    std::array<unsigned char, EVP_MAX_IV_LENGTH> iv{};
    EVP_CIPHER_CTX* cipher = EVP_CIPHER_CTX_new();
    EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    EVP_MAC_CTX* mac = EVP_MAC_CTX_new(hmac);
    const int result = keys.prepare(once, of.data(), iv.data(), cipher, mac, seals);
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(hmac);
    EVP_CIPHER_CTX_free(cipher);
    if (seals) name = of;
    return result;
  };
  EXPECT_EQ(prepare({}, true), 1);
  const auto first = name;
  EXPECT_EQ(prepare(first, false), 1);
  EXPECT_EQ(prepare(first, false, true), 2);
  now += TicketKeys::life;
  EXPECT_EQ(prepare(first, false), 2);  // taken, and replaced
  EXPECT_EQ(prepare({}, true), 1);
  EXPECT_NE(name, first);
  now += TicketKeys::life;
  EXPECT_EQ(prepare(name, false), 2);
  EXPECT_EQ(prepare(first, false), 0);
  now += 5 * TicketKeys::life;  // nobody came for days
  EXPECT_EQ(prepare(name, false), 0);
}

TEST_F(TlsRules, LongConnectionsChangeTheirKeys) {
  RawClient client;
  ASSERT_TRUE(client.shake_hands(*load(server_files())));
  dynamic_cast<TlsChannel&>(*client.broker).set_key_life({.bytes = 1000});
  const std::string text(600, 'x');
  const iovec part{const_cast<char*>(text.data()), text.size()};
  std::string got;
  for (int messages = 0; messages < 4; ++messages) {
    Buffer out;
    ASSERT_TRUE(client.broker->send({&part, 1}, out));
    client.take(out);
    got += client.read();
    ASSERT_TRUE(client.send_on());  // its own change
  }
  EXPECT_EQ(got.size(), 4 * text.size());
  EXPECT_EQ(client.key_updates, 3);
}

TEST_F(TlsRules, ClearMqttIsCalledThat) {
  const auto broker = load(server_files())->accept();
  Buffer plain, answer;
  EXPECT_EQ(broker->receive(as_bytes("\x10\x0c"), plain, answer).error().what, "clear MQTT on a TLS listener");
}

TEST_F(TlsRules, ACertificateMayCountForItsKeyAlone) {
  TlsServerSettings settings = server_files();
  settings.any_certificate = true;
  Pair pair(settings, shows("other-client"));
  ASSERT_TRUE(pair.shake_hands());
  EXPECT_EQ(pair.seen_by_broker().key_digest, pin_of(file("other-client.pem"), false));
  EXPECT_EQ(pair.seen_by_broker().certificate_name, "");  // nobody vouches for what else it says
}

}  // namespace
}  // namespace sealmq::net
