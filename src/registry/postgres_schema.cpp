#include "registry/postgres_schema.h"

#include <iterator>

#include "base/try.h"

namespace sealmq::postgres {
namespace {

// The collation makes names sort by their bytes, as everywhere else. Triggers count changes and tell those who listen, so that a
// change by hand counts too, and a heartbeat does not.
constexpr const char* schema_1 = R"(
  CREATE SCHEMA IF NOT EXISTS sealmq;

  CREATE TABLE sealmq.identity (
    name              text COLLATE "C" PRIMARY KEY,
    kind              text NOT NULL,
    status            text NOT NULL,
    schnorr           bytea NOT NULL UNIQUE,
    ecdsa             bytea NOT NULL,
    agreement         bytea NOT NULL,
    revocation_reason text NOT NULL,
    changed           bigint NOT NULL      -- wall milliseconds
  );
  CREATE UNIQUE INDEX identity_ecdsa ON sealmq.identity (substr(ecdsa, 2));
  CREATE UNIQUE INDEX identity_agreement ON sealmq.identity (substr(agreement, 2));

  CREATE TABLE sealmq.entitlement (
    name     text COLLATE "C" NOT NULL REFERENCES sealmq.identity (name),
    what     text COLLATE "C" NOT NULL CHECK (what IN ('publish', 'subscribe', 'scheme')),
    position integer NOT NULL,
    value    text NOT NULL,
    PRIMARY KEY (name, what, position)
  );

  CREATE TABLE sealmq.revocation (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name   text COLLATE "C" NOT NULL REFERENCES sealmq.identity (name),
    reason text NOT NULL,
    wall   bigint NOT NULL
  );

  CREATE TABLE sealmq.broker (
    id    text COLLATE "C" PRIMARY KEY,
    seen  timestamptz,           -- its last heartbeat; NULL: it has said goodbye
    since bigint NOT NULL        -- the last order that was given before it was known
  );

  CREATE TABLE sealmq.report (
    number        bigint NOT NULL REFERENCES sealmq.revocation (number),
    broker        text COLLATE "C" NOT NULL REFERENCES sealmq.broker (id),
    sessions      bigint NOT NULL,
    subscriptions bigint NOT NULL,
    queued        bigint NOT NULL,
    retained      bigint NOT NULL,
    groups        bigint NOT NULL,
    microseconds  bigint NOT NULL,
    PRIMARY KEY (number, broker)
  );

  CREATE TABLE sealmq.ticket (
    hash    bytea PRIMARY KEY,
    name    text COLLATE "C" NOT NULL,
    kind    text NOT NULL,
    expires bigint NOT NULL      -- wall milliseconds
  );
  CREATE TABLE sealmq.ticket_right (
    hash     bytea NOT NULL REFERENCES sealmq.ticket (hash) ON DELETE CASCADE,
    what     text COLLATE "C" NOT NULL CHECK (what IN ('publish', 'subscribe', 'scheme')),
    position integer NOT NULL,
    value    text NOT NULL,
    PRIMARY KEY (hash, what, position)
  );

  CREATE TABLE sealmq.authority_order (
    authority bytea NOT NULL,
    serial    bigint NOT NULL,
    digest    bytea NOT NULL,
    PRIMARY KEY (authority, serial)
  );

  CREATE TABLE sealmq.state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    schema   bigint NOT NULL,
    version  bigint NOT NULL
  );
  INSERT INTO sealmq.state (schema, version) VALUES (1, 0);

  CREATE FUNCTION sealmq.count_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
  BEGIN
    UPDATE sealmq.state SET version = version + 1;
    PERFORM pg_notify('sealmq', '');
    RETURN NULL;
  END $$;
  CREATE TRIGGER count_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON sealmq.identity
    FOR EACH STATEMENT EXECUTE FUNCTION sealmq.count_change();
  CREATE TRIGGER count_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON sealmq.entitlement
    FOR EACH STATEMENT EXECUTE FUNCTION sealmq.count_change();
  CREATE TRIGGER count_change AFTER INSERT ON sealmq.revocation
    FOR EACH STATEMENT EXECUTE FUNCTION sealmq.count_change();
)";

// A key that there is not has no octets, and is unlike any other.
constexpr const char* schema_2 = R"(
  UPDATE sealmq.identity SET ecdsa = '' WHERE ecdsa = decode(repeat('00', 33), 'hex');
  UPDATE sealmq.identity SET agreement = '' WHERE agreement = decode(repeat('00', 33), 'hex');
  DROP INDEX sealmq.identity_ecdsa;
  DROP INDEX sealmq.identity_agreement;
  CREATE UNIQUE INDEX identity_ecdsa ON sealmq.identity (substr(ecdsa, 2)) WHERE length(ecdsa) > 0;
  CREATE UNIQUE INDEX identity_agreement ON sealmq.identity (substr(agreement, 2)) WHERE length(agreement) > 0;

  UPDATE sealmq.state SET schema = 2;
)";

// Not every key store has a Schnorr key, and some have an RSA key.
constexpr const char* schema_3 = R"(
  ALTER TABLE sealmq.identity DROP CONSTRAINT identity_schnorr_key;
  CREATE UNIQUE INDEX identity_schnorr ON sealmq.identity (schnorr) WHERE length(schnorr) > 0;
  ALTER TABLE sealmq.identity ADD COLUMN rsa bytea NOT NULL DEFAULT '';      -- the modulus
  CREATE UNIQUE INDEX identity_rsa ON sealmq.identity (rsa) WHERE length(rsa) > 0;

  UPDATE sealmq.state SET schema = 3;
)";

// Who changes the list can wait for those who go by it.
constexpr const char* schema_4 = R"(
  ALTER TABLE sealmq.broker ADD COLUMN followed bigint NOT NULL DEFAULT 0;      -- the version of the list that it goes by

  UPDATE sealmq.state SET schema = 4;
)";

// What was revoked does not come back under another name, nor after its owner was removed. The row of one that was removed stays
// for the orders about it, with this as its status, and without keys and rights.
constexpr const char* schema_5 = R"(
  CREATE TABLE sealmq.retired_key (
    coordinate bytea PRIMARY KEY,
    name       text COLLATE "C" NOT NULL      -- whose it was
  );

  UPDATE sealmq.state SET schema = 5;
)";

// A right may be a pattern, and is for some QoS (bit n: QoS n); a login may have to prove more than one thing.
constexpr const char* schema_6 = R"(
  ALTER TABLE sealmq.entitlement DROP CONSTRAINT entitlement_what_check;
  ALTER TABLE sealmq.entitlement ADD CONSTRAINT entitlement_what_check
    CHECK (what IN ('publish', 'subscribe', 'scheme', 'require'));
  ALTER TABLE sealmq.entitlement ADD COLUMN pattern bigint NOT NULL DEFAULT 0;
  ALTER TABLE sealmq.entitlement ADD COLUMN qos     bigint NOT NULL DEFAULT 7;
  ALTER TABLE sealmq.ticket_right ADD COLUMN pattern bigint NOT NULL DEFAULT 0;
  ALTER TABLE sealmq.ticket_right ADD COLUMN qos     bigint NOT NULL DEFAULT 7;

  UPDATE sealmq.state SET schema = 6;
)";

// Who revoked what is kept apart, and of an authority's orders the keys that they name. What an older program took is not known
// by its content, so it has to come again; until then it counts with an empty digest.
constexpr const char* schema_7 = R"(
  ALTER TABLE sealmq.identity ADD COLUMN revoked_here  bigint NOT NULL DEFAULT 0;    -- by the operator
  ALTER TABLE sealmq.identity ADD COLUMN ordered       bigint NOT NULL DEFAULT 0;    -- serial of the order that revoked it; 0: none
  ALTER TABLE sealmq.identity ADD COLUMN against_order bigint NOT NULL DEFAULT 0;    -- the operator has restored it all the same
  UPDATE sealmq.identity SET ordered = substring(revocation_reason from '^ordered by the authority, serial ([0-9]{1,18})')::bigint
    WHERE status = 'revoked' AND revocation_reason ~ '^ordered by the authority, serial [0-9]{1,18}';
  UPDATE sealmq.identity SET revoked_here = 1 WHERE status = 'revoked' AND ordered = 0;

  UPDATE sealmq.authority_order SET digest = '';
  CREATE TABLE sealmq.ordered_key (
    keyhash   bytea NOT NULL,
    authority bytea NOT NULL,
    serial    bigint NOT NULL,    -- of the last order about this key
    restores  bigint NOT NULL CHECK (restores IN (0, 1)),
    PRIMARY KEY (keyhash, authority)
  );
  CREATE INDEX ordered_key_serial ON sealmq.ordered_key (authority, serial);

  UPDATE sealmq.state SET schema = 7;
)";

// Whoever brings keys proves to hold them, or it is said that nobody has looked.
constexpr const char* schema_8 = R"(
  ALTER TABLE sealmq.identity ADD COLUMN proof    text NOT NULL DEFAULT '';      -- second line of NAME.pub, 'join', or nothing
  ALTER TABLE sealmq.ticket   ADD COLUMN unproved bigint NOT NULL DEFAULT 0;

  UPDATE sealmq.state SET schema = 8;
)";

// An identity may have roles, and its key lie in a card.
constexpr const char* schema_9 = R"(
  ALTER TABLE sealmq.entitlement DROP CONSTRAINT entitlement_what_check;
  ALTER TABLE sealmq.entitlement ADD CONSTRAINT entitlement_what_check
    CHECK (what IN ('publish', 'subscribe', 'scheme', 'require', 'role', 'card'));

  UPDATE sealmq.state SET schema = 9;
)";

// Each leads from the one before.
constexpr const char* schemas[] = {schema_1, schema_2, schema_3, schema_4, schema_5, schema_6, schema_7, schema_8, schema_9};

/// 0: there are no tables.
Result<std::uint64_t> find_schema(Connection& connection) {
  const auto is_there = TRY(connection.query("SELECT to_regclass('sealmq.state') IS NOT NULL"));
  if (TRY(is_there.text(0, 0)) != "t") return 0;
  const auto found = TRY(connection.query("SELECT schema FROM sealmq.state"));
  return found.number(0, 0);
}

Result<> take_steps(Connection& connection) {
  TRY(connection.execute("BEGIN"));
  for (auto step = TRY(find_schema(connection)); step < std::size(schemas); ++step) TRY(connection.execute(schemas[step]));
  return connection.execute("COMMIT");
}

}  // namespace

Result<> prepare_registry(Connection& connection) {
  auto found = TRY(find_schema(connection));
  if (found < std::size(schemas)) {
    // Those that come at the same time take turns; the number has no meaning. The second must look in a transaction that begins
    // after it has got the lock, or it would not see what the first has made. A failure ends the connection, and the lock with
    // it.
    TRY(connection.query("SELECT pg_advisory_lock(8338642351)"));
    TRY(take_steps(connection));
    TRY(connection.query("SELECT pg_advisory_unlock(8338642351)"));
    found = TRY(find_schema(connection));
  }
  if (found > std::size(schemas))
    return fail(Blame::environment, "the registry is of a newer program: it has schema " + std::to_string(found) +
                                        ", this one knows those up to " + std::to_string(std::size(schemas)));
  return {};
}

}  // namespace sealmq::postgres
