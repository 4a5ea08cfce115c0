// sealmq.toml, read: parse_configuration() and read_configuration().
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "base/error_text.h"
#include "base/file_kind.h"
#include "base/text.h"
#include "base/try.h"
#include "keystore/file_access.h"
#include "mqtt/topic.h"
#include "mqtt/topic_pattern.h"
#include "net/url.h"
#include "sealmq/identity.h"
#include "sealmq/scheme.h"
#include "server/configuration.h"
#include "server/settings.h"

namespace sealmq::server {
namespace {

/// Reads one file; every error says where.
class FileReader {
 public:
  explicit FileReader(const std::string& path) : path_(path) {}

  Result<Configuration> read(const toml::table& top) {
    Configuration configuration;
    TRY(read_settings(top, "", configuration));
    for (const auto& [key, node] : top) {
      if (find_setting("", key.str()) != nullptr) continue;
      if (key == "limits" || key == "admin")
        TRY(read_table(node, key.str(), configuration));
      else if (key == "listener")
        configuration.listeners = TRY(read_tables<Listener>(node, "listener", &FileReader::read_listener));
      else if (key == "topic")
        configuration.topics = TRY(read_tables<TopicRow>(node, "topic", &FileReader::read_topic));
      else if (key == "role")
        configuration.roles = TRY(read_tables<RoleRow>(node, "role", &FileReader::read_role));
      else if (key == "bridge")
        configuration.bridges = TRY(read_tables<BridgeSettings>(node, "bridge", &FileReader::read_bridge));
      else if (key == "scheme")
        configuration.scheme_options = TRY(read_scheme_options(node));
      else
        return unknown(key, "the file");
    }
    if (const toml::node* node = top.get("complaints"); node != nullptr) {
      const std::string& topic = configuration.complaints;
      if (!mqtt::is_topic_name(topic) || topic.starts_with('$'))
        return refuse(node->source(), "complaints is not the name of a topic for messages");
      if (configuration.authority.empty()) return refuse(node->source(), "complaints goes with authority: who is asked");
    }
    return configuration;
  }

  Failure refuse(const toml::source_region& where, const std::string& what) const {
    return fail(Blame::caller_misused, place(where) + ": " + what);
  }

 private:
  std::string place(const toml::source_region& where) const {
    return path_ + ":" + std::to_string(where.begin.line) + ":" + std::to_string(where.begin.column);
  }

  static const Setting* find_setting(std::string_view table, std::string_view name) {
    const auto all = settings();
    const auto found = std::ranges::find_if(all, [&](const Setting& s) { return s.table == table && s.name == name; });
    return found == all.end() ? nullptr : &*found;
  }

  Failure unknown(const toml::key& key, std::string_view where) const {
    return refuse(key.source(), "unknown key " + in_quotes(key.str()) + " in " + std::string(where));
  }

  Result<> read_settings(const toml::table& table, std::string_view name, Configuration& into) {
    for (const auto& [key, node] : table) {
      const Setting* setting = find_setting(name, key.str());
      if (setting == nullptr) continue;
      if (setting->is_text())
        *std::get<std::string*>(setting->place(into)) =
            setting->is_path ? TRY(file_name(node, setting->full_name())) : TRY(choice(node, *setting));
      else if (setting->is_truth())
        *std::get<bool*>(setting->place(into)) = TRY(truth(node, setting->full_name()));
      else
        setting->set_number(into, TRY(number(node, setting->full_name(), setting->least, setting->most)));
    }
    return {};
  }

  /// A table of single values.
  Result<> read_table(const toml::node& node, std::string_view name, Configuration& into) {
    const std::string heading = "[" + std::string(name) + "]";
    if (!node.is_table()) return refuse(node.source(), std::string(name) + " must be a table: " + heading);
    const toml::table& table = *node.as_table();
    for (const auto& [key, value] : table)
      if (find_setting(name, key.str()) == nullptr) return unknown(key, heading);
    return read_settings(table, name, into);
  }

  template <class Row>
  Result<std::vector<Row>> read_tables(const toml::node& node, const std::string& name,
                                       Result<Row> (FileReader::*read_row)(const toml::table&)) {
    const toml::array* array = node.as_array();
    if (array == nullptr) return refuse(node.source(), name + " must be a list of tables: [[" + name + "]]");
    std::vector<Row> rows;
    for (const toml::node& entry : *array) {
      if (!entry.is_table())
        return refuse(entry.source(), std::string("each ").append(name).append(" must be a table: [[").append(name).append("]]"));
      rows.push_back(TRY((this->*read_row)(*entry.as_table())));
    }
    return rows;
  }

  Result<Listener> read_listener(const toml::table& table) {
    const toml::node* url = table.get("url");
    if (url == nullptr) return refuse(table.source(), "[[listener]] needs a url");
    auto listener = parse_listener(TRY(text(*url, "url")));
    if (!listener) return refuse(url->source(), listener.error().what);
    listener->place.text = place(table.source());
    for (const auto& [key, node] : table)
      if (key != "url") TRY(read_listener_key(key, node, *listener));
    net::ProxyRules& proxy = listener->proxy;
    const bool has_proxies = proxy.header || proxy.forwarded;
    if (has_proxies && proxy.from.empty()) {
      const std::string which = proxy.header ? "proxy_protocol" : "forwarded_for";
      if (!net::is_loopback(listener->host))
        return refuse(url->source(), which + " beyond loopback needs proxy_from: whose headers are believed");
      for (const char* loopback : {"127.0.0.0/8", "::1"}) proxy.from.push_back(*net::Network::parse(loopback));
    }
    if (!has_proxies && !proxy.from.empty())
      return refuse(url->source(), "proxy_from goes with proxy_protocol = true or forwarded_for = true");
    listener->upgrade.keeps_forwarded = proxy.forwarded;
    if (needs_tls(*listener))
      if (const auto together = net::check_together(listener->tls); !together)
        return refuse(url->source(), together.error().what);
    return listener;
  }

  /// Each key belongs to some transports; with others it would be ignored, which an operator should know.
  Result<> read_listener_key(const toml::key& key, const toml::node& node, Listener& listener) {
    using net::Transport;
    const std::string name(key.str());
    if (!is_row_key("listener", name)) return unknown(key, "[[listener]]");
    const bool is_unix = listener.transport == Transport::unix_socket;
    const bool is_web = listener.transport == Transport::websocket || listener.transport == Transport::secure_websocket;
    const bool is_of_tls = std::ranges::find(tls_keys, name) != std::end(tls_keys);
    if (is_of_tls && !needs_tls(listener)) return refuse(key.source(), name + " goes with mqtts:// and wss:// only");
    const bool is_of_web = name == "path" || name == "origins" || name == "forwarded_for";
    if (is_of_web && !is_web) return refuse(key.source(), name + " goes with ws:// and wss:// only");
    if (name == "mode" && !is_unix) return refuse(key.source(), "mode goes with unix: only");
    if (name.starts_with("proxy_") && is_unix) return refuse(key.source(), name + " does not go with unix:");

    if (is_of_tls)
      TRY(read_tls_key(name, node, listener));
    else if (name == "hop")
      listener.hop = static_cast<broker::HopRule>(TRY(one_of(node, name, {"offered", "none", "hpp1", "ratchet", "hrl1"})));
    else if (name == "insecure_channel")
      listener.insecure_channel = TRY(truth(node, name));
    else if (name == "anonymous")
      listener.anonymous = TRY(truth(node, name));
    else if (name == "proxy_protocol")
      listener.proxy.header = TRY(truth(node, name));
    else if (name == "proxy_from")
      listener.proxy.from = TRY(networks(node));
    else if (name == "forwarded_for")
      listener.proxy.forwarded = TRY(truth(node, name));
    else if (name == "mode")
      listener.mode = TRY(mode(node));
    else if (name == "path")
      listener.upgrade.paths = TRY(web_paths(node));
    else if (name == "origins")
      listener.upgrade.origins = TRY(texts(node, name));
    else
      return unknown(key, "[[listener]]");
    return {};
  }

  static constexpr std::string_view tls_keys[] = {"cert",       "key",      "ocsp_response",  "client_ca",           "client_crl",
                                                  "psk_file",   "sni",      "alpn",           "min_version",         "groups",
                                                  "psk_suites", "identity", "bind_client_id", "require_certificate", "max_age"};

  Result<> read_tls_key(const std::string& name, const toml::node& node, Listener& listener) {
    net::TlsServerSettings& tls = listener.tls;
    if (name == "cert") return read_files(node, name, &net::TlsCertificateFiles::cert, tls);
    if (name == "key") return read_files(node, name, &net::TlsCertificateFiles::key, tls);
    if (name == "ocsp_response") return read_files(node, name, &net::TlsCertificateFiles::ocsp_response, tls);
    if (name == "client_ca")
      tls.client_ca = TRY(file_name(node, name));
    else if (name == "client_crl")
      tls.client_crl = TRY(file_name(node, name));
    else if (name == "psk_file")
      tls.psk_file = TRY(file_name(node, name));
    else if (name == "require_certificate")
      tls.require_certificate = TRY(truth(node, name));
    else if (name == "max_age")
      listener.max_age = TRY(duration(node, name));
    else if (name == "bind_client_id")
      listener.bind_client_id = TRY(truth(node, name));
    else if (name == "sni")
      tls.strict_names = TRY(one_of(node, name, {"first", "strict"})) == 1;
    else if (name == "alpn")
      tls.require_protocol = TRY(one_of(node, name, {"offered", "require"})) == 1;
    else if (name == "min_version")
      tls.least_is_13 = TRY(one_of(node, name, {"1.2", "1.3"})) == 1;
    else if (name == "psk_suites")
      tls.legacy_psk_suites = TRY(one_of(node, name, {"standard", "legacy"})) == 1;
    else if (name == "groups")
      tls.groups = static_cast<net::TlsGroups>(TRY(one_of(node, name, {"default", "both", "classic"})));
    else if (name == "identity")
      listener.identity =
          static_cast<IdentityFrom>(TRY(one_of(node, name, {"none", "cn", "san", "san-uri", "san-dns", "spki", "psk"})));
    tls.any_certificate = listener.identity == IdentityFrom::certificate_key;
    return {};
  }

  Result<std::vector<net::Network>> networks(const toml::node& node) {
    std::vector<net::Network> found;
    for (const std::string& name : TRY(texts(node, "proxy_from"))) {
      const auto network = net::Network::parse(name);
      if (!network) return refuse(node.source(), "not an address or network: " + in_quotes(name));
      found.push_back(*network);
    }
    return found;
  }

  /// One name of a file, or a list with one for each certificate; "" in it is none.
  Result<> read_files(const toml::node& node, const std::string& name, std::string net::TlsCertificateFiles::*member,
                      net::TlsServerSettings& tls) {
    std::vector<std::string> names;
    if (const toml::array* array = node.as_array(); array != nullptr)
      for (const toml::node& entry : *array) names.push_back(TRY(file_name(entry, name)));
    else
      names.push_back(TRY(file_name(node, name)));
    tls.certificates.resize(std::max(tls.certificates.size(), names.size()));
    for (std::size_t i = 0; i < names.size(); ++i) tls.certificates[i].*member = names[i];
    return {};
  }

  /// Which of the words.
  Result<std::size_t> one_of(const toml::node& node, const std::string& name, std::initializer_list<std::string_view> words) {
    const std::string word = TRY(text(node, name));
    std::string all;
    for (const std::string_view* at = words.begin(); at != words.end(); ++at) {
      if (word == *at) return static_cast<std::size_t>(at - words.begin());
      all.append(at == words.begin() ? "" : at + 1 == words.end() ? " or " : ", ").append(in_quotes(*at));
    }
    return refuse(node.source(), name + " must be " + all);
  }

  /// One, or a list.
  Result<std::vector<std::string>> web_paths(const toml::node& node) {
    std::vector<std::string> paths;
    if (const toml::array* array = node.as_array(); array != nullptr)
      for (const toml::node& entry : *array) paths.push_back(TRY(web_path(entry)));
    else
      paths.push_back(TRY(web_path(node)));
    if (paths.empty()) return refuse(node.source(), "path must name at least one");
    return paths;
  }

  Result<std::string> web_path(const toml::node& node) {
    const std::string path = TRY(text(node, "path"));
    if (!path.starts_with('/') || std::ranges::any_of(path, [](char c) { return c <= ' ' || c == '?' || c == 0x7F; }))
      return refuse(node.source(), "path must begin with '/' and hold no space and no '?'");
    return path;
  }

  /// As chmod takes it: "0660".
  Result<unsigned> mode(const toml::node& node) {
    const std::string digits = TRY(text(node, "mode"));
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
    if (error != std::errc{} || end != digits.data() + digits.size() || value > 0777)
      return refuse(node.source(), "mode must be octal digits in quotes, \"0600\" to \"0777\"");
    return value;
  }

  Result<TopicRow> read_topic(const toml::table& table) {
    TopicRow row;
    for (const auto& [key, node] : table) {
      if (!is_row_key("topic", key.str())) return unknown(key, "[[topic]]");
      if (key == "filter")
        row.filter = TRY(filter(node));
      else if (key == "publish")
        row.publish = TRY(schemes(node, "publish"));
      else if (key == "subscribe")
        row.subscribe = TRY(schemes(node, "subscribe"));
      else if (key == "multicast")
        row.multicast = TRY(truth(node, "multicast"));
      else if (key == "pattern")
        row.pattern = TRY(pattern(node));
      else if (key == "own")
        row.own = TRY(own(node));
      else if (key == "publish_qos" || key == "subscribe_qos")
        (key == "publish_qos" ? row.publish_qos : row.subscribe_qos) = TRY(qos_set(node, std::string(key.str())));
      else if (key == "deny_publish" || key == "deny_subscribe")
        (key == "deny_publish" ? row.deny_publish : row.deny_subscribe) = TRY(names(node, std::string(key.str())));
      else if (key == "login")
        row.login = TRY(logins(node));
      else if (key == "require")
        row.require = TRY(requirements(node));
      else if (key == "login_age")
        row.login_age = TRY(duration(node, "login_age"));
      else
        return unknown(key, "[[topic]]");
    }
    if (row.filter.empty() == row.pattern.empty()) return refuse(table.source(), "[[topic]] needs a filter, or else a pattern");
    if (row.pattern.empty() && table.contains("own")) return refuse(table.source(), "own goes with a pattern only");
    if (row.filter.empty()) row.filter = mqtt::widen_pattern(row.pattern);
    return row;
  }

  Result<RoleRow> read_role(const toml::table& table) {
    RoleRow role;
    QosSet publish_qos, subscribe_qos;
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (!is_row_key("role", name)) return unknown(key, "[[role]]");
      if (name == "name")
        role.name = TRY(text(node, name));
      else if (name == "publish_qos" || name == "subscribe_qos")
        (name == "publish_qos" ? publish_qos : subscribe_qos) = TRY(qos_set(node, name));
      else
        TRY(read_rights(node, name, name.starts_with("publish") ? role.publish : role.subscribe));
    }
    for (Right& right : role.publish) right.qos = publish_qos;
    for (Right& right : role.subscribe) right.qos = subscribe_qos;
    if (!is_identity_name(role.name)) return refuse(table.source(), "[[role]] needs a name of letters, digits and . _ -");
    if (std::ranges::find(roles_, role.name) != roles_.end())
      return refuse(table.source(), "there is a [[role]] " + in_quotes(role.name) + " already");
    roles_.push_back(role.name);
    return role;
  }

  /// Of `publish`, `publish_pattern` and the like.
  Result<> read_rights(const toml::node& node, const std::string& name, Rights& into) {
    const bool is_pattern = name.ends_with("_pattern");
    for (const std::string& value : TRY(texts(node, name))) {
      if (is_pattern ? !mqtt::is_topic_pattern(value) : !mqtt::is_topic_filter(value))
        return refuse(node.source(), name + " must be a list of topic " + (is_pattern ? "patterns" : "filters") + ", and " +
                                         in_quotes(value) + " is none");
      into.emplace_back(value, is_pattern);
    }
    return {};
  }

  Result<std::string> pattern(const toml::node& node) {
    std::string value = TRY(text(node, "pattern"));
    if (!mqtt::is_topic_pattern(value))
      return refuse(node.source(),
                    "not a topic pattern: " + in_quotes(value) + "; % stands as a whole level, %u or %c, or doubled");
    if (std::ranges::find(filters_, value) != filters_.end())
      return refuse(node.source(), "there is a [[topic]] for " + in_quotes(value) + " already");
    return filters_.emplace_back(std::move(value));
  }

  Result<broker::Own> own(const toml::node& node) {
    const std::string word = TRY(text(node, "own"));
    if (word == "publish") return broker::Own::publish;
    if (word == "subscribe") return broker::Own::subscribe;
    if (word == "both") return broker::Own::both;
    return refuse(node.source(), "own must be publish, subscribe or both");
  }

  Result<QosSet> qos_set(const toml::node& node, const std::string& name) {
    const toml::array* array = node.as_array();
    if (array == nullptr || array->empty()) return refuse(node.source(), name + " must be a list of 0, 1 and 2");
    QosSet set = QosSet::none();
    for (const toml::node& entry : *array) {
      if (!entry.is_integer() || entry.as_integer()->get() < 0 || entry.as_integer()->get() > 2)
        return refuse(entry.source(), name + " must be a list of 0, 1 and 2");
      set.add(static_cast<mqtt::QoS>(entry.as_integer()->get()));
    }
    return set;
  }

  /// Of identities.
  Result<std::vector<std::string>> names(const toml::node& node, const std::string& key) {
    std::vector<std::string> list = TRY(texts(node, key));
    for (const std::string& name : list)
      if (!is_identity_name(name)) return refuse(node.source(), key + ": no name of an identity: " + in_quotes(name));
    return list;
  }

  Result<std::vector<std::string>> logins(const toml::node& node) {
    std::vector<std::string> names = TRY(texts(node, "login"));
    if (names.empty()) return refuse(node.source(), "login must name a login");
    std::string all = std::string(broker::password_login) + " " + std::string(broker::transport_login);
    for (const Scheme& scheme : all_schemes())
      if (scheme.info->has_login) all.append(" ").append(scheme.info->name);
    for (const std::string& name : names)
      if (name.empty() || (" " + all + " ").find(" " + name + " ") == all.npos)
        return refuse(node.source(), "unknown login " + in_quotes(name) + "; there are " + all);
    return names;
  }

  /// "key+password", or several of them of which one is enough.
  Result<std::vector<Factors>> requirements(const toml::node& node) {
    const std::vector<std::string> words =
        node.is_string() ? std::vector<std::string>{node.as_string()->get()} : TRY(texts(node, "require"));
    std::vector<Factors> sets;
    for (const std::string& word : words) {
      const auto factors = factors_from(word);
      if (!factors)
        return refuse(node.source(), in_quotes(word) + " is not of password, key, card and token, with + between them");
      sets.push_back(*factors);
    }
    if (sets.empty()) return refuse(node.source(), "require must say what");
    return sets;
  }

  /// Milliseconds of "30s", "15m", "12h" or "7d".
  Result<std::uint64_t> duration(const toml::node& node, const std::string& name) {
    const std::string value = TRY(text(node, name));
    constexpr std::pair<char, std::uint64_t> units[] = {{'s', 1000}, {'m', 60'000}, {'h', 3'600'000}, {'d', 86'400'000}};
    const auto* unit =
        std::ranges::find(units, value.empty() ? ' ' : value.back(), [](const auto& entry) { return entry.first; });
    std::uint64_t count = 0;
    const char* end = value.data() + (value.empty() ? 0 : value.size() - 1);
    const auto [stopped, error] = std::from_chars(value.data(), end, count);
    if (unit == std::end(units) || error != std::errc{} || stopped != end || count == 0 || count > 100'000)
      return refuse(node.source(), name + " must be a time such as 30s, 15m, 12h or 7d");
    return count * unit->second;
  }

  /// [scheme.NAME], where NAME is a scheme without its profile.
  Result<SchemeOptions> read_scheme_options(const toml::node& node) {
    SchemeOptions options;
    if (!node.is_table()) return refuse(node.source(), "scheme must be a table: [scheme.NAME]");
    for (const auto& [scheme, its] : *node.as_table()) {
      const Scheme* known = find_scheme(scheme.str());
      if (known == nullptr) return refuse(scheme.source(), "unknown scheme " + in_quotes(scheme.str()));
      if (!its.is_table()) return refuse(its.source(), "each scheme must be a table: [scheme.NAME]");
      for (const auto& [key, value] : *its.as_table()) {
        const auto listed = std::ranges::find(known->info->options, key.str(), &SchemeOption::name);
        if (listed == known->info->options.end()) return unknown(key, "[scheme." + std::string(scheme.str()) + "]");
        const std::string name(key.str());
        options[std::string(scheme.str()) + "." + name] =
            listed->is_file ? TRY(file_value(value, name)) : TRY(any_value(value, name));
      }
    }
    for (const Scheme& scheme : all_schemes()) {
      if (scheme.info->check_options == nullptr) continue;
      if (const auto checked = scheme.info->check_options(options); !checked) return refuse(node.source(), checked.error().what);
    }
    return options;
  }

  Result<std::string> any_value(const toml::node& node, const std::string& name) const {
    if (node.is_string()) return node.as_string()->get();
    if (node.is_integer()) return std::to_string(node.as_integer()->get());
    if (node.is_boolean()) return std::string(node.as_boolean()->get() ? "true" : "false");
    return refuse(node.source(), name + " must be a text, a number, true or false");
  }

  /// What stands in the file that @FILE names.
  Result<std::string> file_value(const toml::node& node, const std::string& name) const {
    constexpr std::size_t longest = 64 * 1024;
    const std::string named = TRY(text(node, name));
    if (!named.starts_with('@')) return refuse(node.source(), name + " must be \"@FILE\": what it is, stands in a file");
    const Secret value = TRY(read_private_file(beside(named.substr(1)), wants_scheme_option, longest));
    return std::string(trimmed(as_text(value.reveal())));
  }

  Result<BridgeSettings> read_bridge(const toml::table& table) {
    BridgeSettings bridge;
    bridge.place.text = place(table.source());
    const std::pair<std::string_view, std::string*> words[] = {
        {"name", &bridge.name}, {"url", &bridge.url},   {"version", &bridge.version},        {"client_id", &bridge.client_id},
        {"user", &bridge.user}, {"alpn", &bridge.alpn}, {"state_topic", &bridge.state_topic}};
    const std::pair<std::string_view, std::string*> files[] = {{"password_file", &bridge.password_file},
                                                               {"cafile", &bridge.cafile},
                                                               {"cert", &bridge.cert},
                                                               {"key", &bridge.key},
                                                               {"psk_file", &bridge.psk_file}};
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (!is_row_key("bridge", name)) return unknown(key, "[[bridge]]");
      const auto named = [&](const auto& entry) { return entry.first == name; };
      const auto* at = std::ranges::find_if(words, named);
      const auto* file = std::ranges::find_if(files, named);
      if (at != std::end(words))
        *at->second = TRY(text(node, name));
      else if (file != std::end(files))
        *file->second = TRY(file_name(node, name));
      else if (name == "pins")
        bridge.pins = TRY(texts(node, name));
      else if (name == "other_urls")
        bridge.other_urls = TRY(texts(node, name));
      else if (name == "keep_alive")
        bridge.keep_alive = static_cast<std::uint16_t>(TRY(number(node, name, 0, UINT16_MAX)));
      else if (name == "clean_start")
        bridge.clean_start = TRY(truth(node, name));
      else if (name == "topics")
        bridge.topics = TRY(read_tables<BridgeTopic>(node, "topics", &FileReader::read_bridge_topic));
      else
        return unknown(key, "[[bridge]]");
    }
    if (const std::string wrong = check_bridge(bridge); !wrong.empty()) return refuse(table.source(), wrong);
    bridges_.push_back(bridge.name);
    if (bridge.client_id.empty()) bridge.client_id = "sealmq-bridge-" + bridge.name;
    return bridge;
  }

  /// What is wrong with it; empty: nothing.
  std::string check_bridge(const BridgeSettings& bridge) const {
    if (!is_identity_name(bridge.name)) return "[[bridge]] needs a name of letters, digits and . _ -";
    if (std::ranges::find(bridges_, bridge.name) != bridges_.end())
      return "there is a [[bridge]] " + in_quotes(bridge.name) + " already";
    constexpr std::string_view versions[] = {"5", "3.1.1", "3.1"};
    if (std::ranges::find(versions, bridge.version) == std::end(versions)) return "version must be \"5\", \"3.1.1\" or \"3.1\"";
    const auto url = net::parse_url(bridge.url);
    if (!url) return "url of [[bridge]]: " + url.error().what;
    for (const std::string& text : bridge.other_urls) {
      const auto other = net::parse_url(text);
      if (!other) return "other_urls of [[bridge]]: " + other.error().what;
      if (net::uses_tls(other->transport) != net::uses_tls(url->transport))
        return "other_urls of [[bridge]] have TLS, as url, or none, as url";
      if (!other->user.empty()) return "other_urls of [[bridge]] name no user: it is that of url";
    }
    const std::string* of_tls[] = {&bridge.cafile, &bridge.cert, &bridge.key, &bridge.alpn, &bridge.psk_file};
    const bool has_some = std::ranges::any_of(of_tls, [](const auto* text) { return !text->empty(); }) || !bridge.pins.empty();
    if (has_some && !net::uses_tls(url->transport))
      return "cafile, cert, key, alpn, pins and psk_file go with mqtts:// and wss:// only";
    if (!bridge.state_topic.empty() && !mqtt::is_topic_name(bridge.state_topic))
      return "state_topic is not the name of a topic: " + in_quotes(bridge.state_topic);
    if (bridge.topics.empty()) return "[[bridge]] needs topics";
    return {};
  }

  Result<BridgeTopic> read_bridge_topic(const toml::table& table) {
    BridgeTopic row;
    for (const auto& [key, node] : table) {
      if (!is_row_key("bridge.topics", key.str())) return unknown(key, "topics");
      if (key == "filter") {
        row.filter = TRY(text(node, "filter"));
      } else if (key == "direction") {
        const std::string word = TRY(text(node, "direction"));
        if (word != "in" && word != "out" && word != "both") return refuse(node.source(), "direction must be in, out or both");
        row.direction = word == "in" ? BridgeDirection::in : word == "out" ? BridgeDirection::out : BridgeDirection::both;
      } else if (key == "qos") {
        if (!node.is_integer() || node.as_integer()->get() < 0 || node.as_integer()->get() > 2)
          return refuse(node.source(), "qos must be 0, 1 or 2");
        row.qos = static_cast<mqtt::QoS>(node.as_integer()->get());
      } else if (key == "local_prefix") {
        row.local_prefix = TRY(text(node, "local_prefix"));
      } else if (key == "remote_prefix") {
        row.remote_prefix = TRY(text(node, "remote_prefix"));
      } else {
        return unknown(key, "topics");
      }
    }
    const std::string here = row.local_prefix + row.filter, there = row.remote_prefix + row.filter;
    for (const std::string& filter : {here, there})
      if (!mqtt::is_topic_filter(filter)) return refuse(table.source(), "not a topic filter: " + in_quotes(filter));
    if (mqtt::has_wildcard(row.local_prefix) || mqtt::has_wildcard(row.remote_prefix))
      return refuse(table.source(), "a prefix has no wildcards");
    if (here.starts_with('$')) return refuse(table.source(), "topics under $ are this broker's own");
    const bool is_its_own = there.starts_with("$SYS/") || there.starts_with("$CONTROL/");
    if (mqtt::SharedFilter::is_shared(there) || (is_its_own && row.direction != BridgeDirection::in))
      return refuse(table.source(), "what is under $SYS, $CONTROL and $share is the other broker's own");
    return row;
  }

  Result<std::string> filter(const toml::node& node) {
    std::string value = TRY(text(node, "filter"));
    if (!mqtt::is_topic_filter(value)) return refuse(node.source(), "not a topic filter: " + in_quotes(value));
    if (std::ranges::find(filters_, value) != filters_.end())
      return refuse(node.source(), "there is a [[topic]] for " + in_quotes(value) + " already");
    return filters_.emplace_back(std::move(value));
  }

  Result<std::vector<std::string>> schemes(const toml::node& node, const std::string& name) {
    const toml::array* array = node.as_array();
    if (array == nullptr) return refuse(node.source(), name + " must be a list of schemes");
    std::vector<std::string> names;
    for (const toml::node& entry : *array) {
      std::string scheme = TRY(text(entry, name));
      if (find_scheme(scheme) == nullptr)
        return refuse(entry.source(), "unknown scheme " + in_quotes(scheme) + "; " + known_schemes());
      names.push_back(std::move(scheme));
    }
    return names;
  }

  static std::string known_schemes() {
    std::string text = "there are";
    for (const Scheme& scheme : all_schemes()) text += " " + std::string(scheme.info->name);
    return text;
  }

  Result<std::string> text(const toml::node& node, const std::string& name) const {
    if (!node.is_string()) return refuse(node.source(), name + " must be a text in quotes");
    return node.as_string()->get();
  }

  /// A file or folder; a relative name begins where this configuration lies.
  Result<std::string> file_name(const toml::node& node, const std::string& name) const { return beside(TRY(text(node, name))); }
  std::string beside(const std::string& named) const {
    const bool is_relative = !named.empty() && named.front() != '/';
    return is_relative ? path_.substr(0, path_.rfind('/') + 1) + named : named;
  }

  Result<std::string> choice(const toml::node& node, const Setting& setting) const {
    std::string value = TRY(text(node, setting.full_name()));
    if (setting.choices.empty() || std::ranges::find(setting.choices, value) != setting.choices.end()) return value;
    std::string all;
    for (const auto choice : setting.choices) all += (all.empty() ? "" : " or ") + in_quotes(choice);
    return refuse(node.source(), setting.full_name() + " must be " + all);
  }

  Result<std::vector<std::string>> texts(const toml::node& node, const std::string& name) const {
    const toml::array* array = node.as_array();
    if (array == nullptr) return refuse(node.source(), name + " must be a list of texts");
    std::vector<std::string> list;
    for (const toml::node& entry : *array) list.push_back(TRY(text(entry, name)));
    return list;
  }

  Result<bool> truth(const toml::node& node, const std::string& name) const {
    if (!node.is_boolean()) return refuse(node.source(), name + " must be true or false");
    return node.as_boolean()->get();
  }

  Result<std::uint64_t> number(const toml::node& node, const std::string& name, std::uint64_t least, std::uint64_t most) const {
    const std::string range = std::to_string(least) + " to " + std::to_string(most);
    if (!node.is_integer()) return refuse(node.source(), name + " must be a whole number, " + range);
    const std::int64_t value = node.as_integer()->get();
    if (value < 0 || static_cast<std::uint64_t>(value) < least || static_cast<std::uint64_t>(value) > most)
      return refuse(node.source(), name + " must be " + range);
    return static_cast<std::uint64_t>(value);
  }

  const std::string& path_;
  std::vector<std::string> filters_;  // seen so far
  std::vector<std::string> bridges_;  // likewise
  std::vector<std::string> roles_;    // likewise
};

}  // namespace

Result<Configuration> parse_configuration(std::string_view text, const std::string& path) {
  FileReader reader(path);
  try {
    return reader.read(toml::parse(text, path));
  } catch (const toml::parse_error& error) {  // the only way this library has to tell
    return reader.refuse(error.source(), std::string(error.description()));
  }
}

Result<Configuration> read_configuration(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  for (char part[4096]; file.read(part, sizeof part) || file.gcount() > 0;)
    text.append(part, static_cast<std::size_t>(file.gcount()));
  if (!file.is_open() || file.bad()) return fail(Blame::environment, "cannot read " + path + ": " + error_text(errno));
  TRY(check_file(path, text, wants_configuration));
  return parse_configuration(text, path);
}

}  // namespace sealmq::server
