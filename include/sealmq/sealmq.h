// All that an application calls. Each of these headers may be included alone:
//
//   client.h         Client: an MQTT client whose calls block
//   async_client.h   AsyncClient: the same for coroutines of Boost.Asio; not included here, as it includes Boost.Asio
//   client_types.h   what both take and answer: ConnectOptions, PublishOptions, ReceivedMessage, …
//   sealer.h         Sealer: a scheme for the MQTT client that a program has already
//   keystore.h       private keys: files, tokens, smart cards; new ones
//   identity.h       public keys: NAME.pub, broker.pub
//   topic_keys.h     keys of topics
//   complaint.h      what a receiver shows a revocation authority
//   version.h        which SealMQ this is
//
// These are installed, with what they include: bytes.h, mqtt.h, ports.h, result.h, secret.h, smart_card.h, tls_options.h.
// scheme.h, login.h, payload_guard.h and registry.h are for schemes, which are built with the library, and are not.
#pragma once

#include "sealmq/client.h"
#include "sealmq/client_types.h"
#include "sealmq/complaint.h"
#include "sealmq/identity.h"
#include "sealmq/keystore.h"
#include "sealmq/sealer.h"
#include "sealmq/topic_keys.h"
#include "sealmq/version.h"
