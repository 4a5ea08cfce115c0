#include <algorithm>

#include "schemes/payload/payload.h"
#include "schemes/plain/plain.h"
#include "schemes/pmqtt/pmqtt.h"
#include "schemes/scacauth/scacauth.h"
#include "schemes/sl1/sl1.h"
#include "schemes/sl2/sl2.h"
#include "schemes/sl3/sl3.h"
#include "sealmq/scheme.h"

namespace sealmq {
namespace {

const Scheme schemes[] = {
    sl1::hardened(),
    sl1::paper(),  //
    sl2::hardened(),
    sl2::paper(),  //
    sl3::hardened_scheme(),
    sl3::paper_scheme(),  //
    pmqtt::hardened_scheme(),
    pmqtt::paper_scheme(),
    pmqtt::smqtt_scheme(),
    scacauth::hardened_scheme(),
    scacauth::paper_scheme(),
    payload::hop_scheme(),  // before the one that passes all containers on
    payload::hardened_scheme(),
    payload::paper_scheme(),  // those as published recognise nearly everything
    payload::paper_hop_scheme(),
    plain::scheme(),  // recognises everything: last
};

}  // namespace

std::span<const Scheme> all_schemes() {
  return schemes;
}

const Scheme* find_scheme(std::string_view name) {
  const auto* found = std::ranges::find(schemes, name, [](const Scheme& scheme) { return scheme.info->name; });
  return found == std::end(schemes) ? nullptr : found;
}

}  // namespace sealmq
