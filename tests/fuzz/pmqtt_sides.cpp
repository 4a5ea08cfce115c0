// Both ends of PMQTT and the broker between them, in both profiles: any bytes on any of their topics, with a session and without.
// Nothing is shown that nobody sealed, no bytes end a session, and the broker passes on what has the form alone.
#include <cstdlib>

#include "sealmq/scheme.h"
#include "support/fakes.h"

using namespace sealmq;

namespace {

struct End {
  End(std::string name, Random& random) : keys(make_memory_keys(name, Kind::device, random)) {}
  void start(std::string_view scheme_name, const PublicIdentity& peer, Random& random, Now now) {
    scheme = find_scheme(scheme_name)->client_side({keys.get(), std::nullopt, {peer}, random}).value();
    scheme->connected(now);
    if (!scheme->subscribe("vitals", now)) std::abort();
  }
  std::unique_ptr<KeyStore> keys;
  std::unique_ptr<ClientScheme> scheme;
};

class Pair {
 public:
  explicit Pair(std::string_view name) : name_(name) {
    patient_.start(name, doctor_.keys->identity(), random_, now_);
    doctor_.start(name, patient_.keys->identity(), random_, now_);
    broker_ = find_scheme(name)->broker_side({*broker_key_, random_});
    agree();
  }

  void try_all(Bytes input) {
    for (std::string_view topic :
         {"pmqtt/kx/patient1/doctor", "pmqtt/e2e/patient1/doctor", "pmqtt/e2e/patient1/doctor/vitals", "vitals"}) {
      const Incoming incoming{topic, input, now_};
      if (broker_->recognises(incoming)) (void)broker_->open(incoming, {now_, directory_});
      const auto got = doctor_.scheme->unprotect({.topic = topic, .payload = input, .at_least_once = true}, now_);
      const bool is_shown = got && (*got)->what == Received::What::message;
      if (is_shown && name_ == "pmqtt") std::abort();
    }
    for (std::string_view topic : {"pmqtt/kx/doctor/patient1", "pmqtt/e2e/doctor/patient1"}) {
      (void)patient_.scheme->unprotect({.topic = topic, .payload = input}, now_);
      (void)patient_.scheme->deliveries();
    }
    if (name_ != "pmqtt") return;  // as published a stranger's point is as good as any
    now_.steady += 11'000;
    now_.wall += 11'000;
    agree();
    const std::string address = patient_.scheme->addresses("vitals").front();
    if (!patient_.scheme->may_publish(address, now_)) std::abort();
    const Buffer frame = patient_.scheme->protect(address, as_bytes("72"), now_).value();
    if (!doctor_.scheme->unprotect({.topic = address, .payload = frame}, now_)) std::abort();
  }

 private:
  void agree() {
    (void)patient_.scheme->may_publish(patient_.scheme->addresses("vitals").front(), now_);
    for (bool again = true; again;) {
      again = false;
      for (auto [from, to] : {std::pair(&patient_, &doctor_), std::pair(&doctor_, &patient_)})
        while (auto request = from->scheme->next_request(now_).value()) {
          (void)to->scheme->unprotect({.topic = request->topic, .payload = request->payload}, now_);
          again = true;
        }
    }
  }

  std::string_view name_;
  testing::CountingRandom random_;
  Now now_{1'000'000, 1'800'000'000'000};
  End patient_{"patient1", random_};
  End doctor_{"doctor", random_};
  std::unique_ptr<KeyStore> broker_key_ = make_memory_keys("broker-1", Kind::broker, random_);
  std::unique_ptr<BrokerScheme> broker_;
  Directory directory_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Pair hardened("pmqtt");
  static Pair paper("pmqtt@paper");
  hardened.try_all({data, size});
  paper.try_all({data, size});
  return 0;
}
