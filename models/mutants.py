#!/usr/bin/env python3
"""Is every part of the hardening needed? Takes one part out of a model at a time, and sees which proofs fall.

usage: mutants.py [MODEL]           MODEL is part of a file's name; default: all

A mutant that no proof misses means that the part is not needed, or that the model is too weak to see it. ProVerif and exit codes as
in run.py; a mutant that ProVerif does not finish counts as unproved and is said so.
"""
import sys
import tempfile

from run import HERE, find_prover, notes_of, prove

# model, what is taken out, [(text, what stands there instead)], a claim that must fall
MUTANTS = [
    ("malina/sl1", "broker id under the signature", [("SL1_2, b, ", "SL1_2, "), ("SL1_1, b, ", "SL1_1, ")], "publisher-at-broker-once"),
    ("malina/sl1", "broker id under the subscription's signature", [("SL1_1, b, ", "SL1_1, ")], "subscription-once"),
    ("malina/sl1", "broker's listing", [("  if checkecdsa(sb, pkb, (LISTED, b, id, F, not_after)) then\n", "")], "listed-at-subscriber"),
    ("malina/sl1", "not_after under the broker's signature", [("(LISTED, b, id, F, not_after)", "(LISTED, b, id, F)")], "listed-until"),
    ("malina/sl1", "filter under the broker's signature", [("(LISTED, b, id, F, not_after)", "(LISTED, b, id, not_after)")],
     "listed-at-subscriber"),
    ("malina/sl1", "publisher's signature at the subscriber",
     [("  if checksign(s, id, (MALINA2, SL1_2, b, T, id, m, t, n)) then\n  event ReadsUnder", "  event ReadsUnder")], "end-to-end"),
    ("malina/sl1", "sequence number under the signature", [(", m, t, n), a)", ", m, t), a)"), (", m, t, n)) then", ", m, t)) then")],
     "publisher-at-broker-once"),
    ("malina/sl1@passed", "message under the broker's signature", [("not_after, (T, m, t, n, s))", "not_after)")], "passed-broker"),
    ("malina/sl2", "capability", [("T, SK: key, =cap) =", "T, SK: key, any: bitstring) =")], "message-secret"),
    ("malina/sl2", "broker id under the publisher's signature", [("SL2_2, b, T", "SL2_2, T")], "publisher-at-broker-once"),
    ("malina/sl2", "erasing the primes", [("phase 1; out(c, kb))", "phase 1; out(c, (kb, primes)))")], "forward-secrecy"),
    ("malina/sl2", "opening the confirmation", [
        ("let (=T, =EMPTY, t2: stamp, =EMPTY) = open_aead(k, (SL2_3, sub, ZERO), z) in event", "event")], "confirmed"),
    ("malina/sl2_nonce", "memory of C", [("event Subscribes(C, o);\n", "")], "one-text-per-nonce"),
    ("malina/sl2_unlink", "escrow", [("penc(pk(kra), (pk(a), sign((SL2_2, T, pk(a), m, t), a)), r)", "sign((SL2_2, T, pk(a), m, t), a)")],
     "publisher-private"),
    ("malina/sl2_traffic@constant", "one packet to everybody", [("subscriptions(T0, SK) in", "subscriptions(=T, SK) in let T0 = T in")],
     "topic-private"),
    ("malina/sl3_exchange", "th1 under the client's signature", [("pk(a), th1, n)", "pk(a), n)"), ("id, th1, n)", "id, n)")],
     "client-at-broker"),
    ("malina/sl3_exchange", "a type of its own for messages", [("(MALINA2, SL3_3,", "(MALINA2, SL3_2,")], "client-at-broker"),
    ("malina/sl3_exchange", "role under the client's signature", [("(MALINA2, L,", "(MALINA2, SL3_1,"), ("hash((L, E,", "hash((E,")],
     "client-at-broker"),
    ("malina/sl3_exchange", "broker's ephemeral key", [("agree(e, F), th2", "agree(e, K), th2"),
     ("agree_broker(f, E), th2", "agree_broker(k, E), th2")], "client-key-secret"),
    ("malina/sl3_exchange", "broker's long-term key in the master", [("kdf2(agree(e, K),", "kdf2(agree(e, F),"),
     ("kdf2(agree_broker(k, E),", "kdf2(agree_broker(f, E),")], "broker-to-client"),
    ("malina/sl3_exchange", "opening the answer", [("  if open_aead(derive(master, RESP), th2, z) = OK then\n", "")], "broker-to-client"),
    ("malina/sl3_exchange", "memory of requests", [("th, k, n, o)) && event(BrokerStarts(b, id, L2, T2, th2, k2, n, o2)) ==> o = o2.",
     "th, k, n, o)) && event(BrokerStarts(b, id, L2, T2, th2, k2, n, o2)) ==> o = o.")], "client-at-broker-once"),
    ("malina/sl3", "author = session", [("(T: topic, m: bitstring, t: stamp, n: number, sig: bitstring) = open_aead(c2b(b, id, s)",
     "(T: topic, id2: pkey, m: bitstring, t: stamp, n: number, sig: bitstring) = open_aead(c2b(b, id, s)"),
     ("(T, m, t, n, sign(", "(T, pk(a), m, t, n, sign("), ("=b, =id, =T) in\n  new o", "=b, =id2, =T) in\n  new o"),
     ("BrokerTakes(b, id, s, ctr, T, m, t, n, o);", "BrokerTakes(b, id2, s, ctr, T, m, t, n, o);")], "publisher-at-broker"),
    ("malina/sl3", "broker id under the publisher's signature", [("SL3_3, b, T", "SL3_3, T")], "end-to-end"),
    ("malina/sl3", "publisher's signature at the subscriber",
     [("  if checksign(sig, id, (MALINA2, SL3_3, b, T, id, m, t, n)) then\n", "")], "end-to-end"),
    ("malina/sl3", "counter under the cipher", [("(SL3_4, s, ctr), z)", "(SL3_4, s), z)"), ("(SL3_4, s2, ctr2), (T", "(SL3_4, s2), (T")],
     "read-once"),
    ("malina/sl3", "memory of counters", [(" && event(BrokerTakes(b, id, s, ctr, T2, m2, t2, n2, o2)) ==> o = o2.",
     " && event(BrokerTakes(b, id, s, ctr, T2, m2, t2, n2, o2)) ==> o = o.")], "publisher-at-broker-once"),
    ("malina/sl3_multicast", "broker's signature", [
        ("    if checkecdsa(sgb, pkb, (GROUP, b, (SL3_6, g, p, n), (id, m, x, sgp))) then\n", "")], "insiders-cannot-forge"),
    ("malina/sl3_multicast", "header under the broker's signature", [("(GROUP, b, (SL3_6, g, p, n), (", "(GROUP, b, (")],
     "insiders-cannot-forge"),
    ("malina/sl3_multicast", "publisher's signature", [
        ("    if checksign(sgp, id, (MALINA2, SL3_3, b, g, id, m, x)) then\n", "")], "end-to-end"),
    ("malina/sl3_multicast", "epoch beside its key", [("let (=g, p: period, kg: key)", "let (=g, q: period, kg: key)"),
     ("(=SL3_5, ctr: bitstring, z: bitstring)", "(=SL3_5, p: period, ctr: bitstring, z: bitstring)")], "period-key"),
    ("malina/sl3_multicast", "memory of SL3_5", [("event SubscriberTakes(s, g, ctr, o); ", ""),
     ("k, o)) && event(SubscriberInstalls(s, g, p, k2, o2)) ==> o = o2.", "k, o)) && event(SubscriberInstalls(s, g, p, k2, o2)) ==> o = o.")],
     "key-once"),
    ("malina/sl3_malleable", "R in the key", [("enckey(pk(k), d, point(d, s))", "enckey(pk(k), d, point(d, up))")], "asked-once"),
    ("malina/join", "joiner's signature", [("  if checksign(s, id, (MALINA2, JOIN, b, id, (th, R, x), n)) then\n", "")], "possession"),
    ("malina/join", "ticket under the joiner's signature", [("(th, R, x), n)", "(th, R), n)"), ("hash((JOIN, of_client(r), b, K))", "JOIN"),
     ("hash((JOIN, E, b, of_broker(k)))", "JOIN")], "possession"),
    ("malina/join", "ticket", [("get tickets(=b, =x, =R) in", "")], "ticket-needed"),
    ("malina/join", "burning the ticket", [("id2, x, R2, o2)) ==> o = o2.", "id2, x, R2, o2)) ==> o = o.")], "ticket-once"),
    ("malina/join", "request under the answer's key", [("let th2 = hash((th, request)) in", "let th2 = JOINED in"),
     ("let th2 = hash((th, (JOIN, E, z))) in", "let th2 = JOINED in"), ("kdf(K, r, th2)", "kdf(K, r0, th2)"),
     ("kdf_broker(k, E, th2)", "kdf(of_broker(k), r0, th2)"), ("const MALINA2", "free r0: scalar.\nconst MALINA2")], "accepted-authentic"),
    ("malina/revocation", "authority's signature", [("  if checkecdsa(s, pkra, (ORDER, n, action, id)) then\n", "")], "order-authentic"),
    ("malina/revocation", "serial under the signature", [("ORDER, n, action, id))", "ORDER, action, id))"), ("ORDER, n, action, id), kra",
     "ORDER, action, id), kra"), ("ORDER, n2, action2, id2))", "ORDER, action2, id2))")], "order-authentic"),
    ("malina/revocation", "tag under the signature", [("(ORDER, n, action, id))", "(n, action, id))"), ("(ORDER, n, action, id), kra", "(n, action, id), kra"),
     ("(ORDER, n2, action2, id2))", "(n2, action2, id2))"), ("ecdsa((REQUEST, m), kra)", "ecdsa(m, kra)")], "order-authentic"),
    ("malina/revocation", "growing serials", [("  if n2 > n then\n", "")], "order-newest"),
]


def main():
    prover = find_prover()
    if not prover:
        print("ProVerif is not installed (opam install proverif): the mutants were not checked", file=sys.stderr)
        return 77
    passed = failed = 0
    for model, part, changes, claim in MUTANTS:
        if len(sys.argv) > 1 and sys.argv[1] not in model:
            continue
        text = (HERE / (model + ".pv")).read_text()
        notes = notes_of(text)
        for old, new in changes:
            if old not in text:
                sys.exit("%s does not say: %s" % (model, old))
            text = text.replace(old, new)
        with tempfile.NamedTemporaryFile("w", suffix=".pv") as file:
            file.write(text)
            file.flush()
            verdicts, trouble = prove(prover, file.name, 120)
        if len(verdicts) == len(notes):
            fallen = [note.name for note, verdict in zip(notes, verdicts) if note.says == "yes" and verdict != "true"]
            good, what = claim in fallen, ", ".join(fallen) or "nothing"
        else:
            good, what = trouble.startswith("no answer"), "not finished, hence not proved" if trouble.startswith("no answer") else trouble
        passed, failed = passed + good, failed + (not good)
        print("%s %s without %s: %s" % ("ok  " if good else "FAIL", model, part, what), flush=True)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
