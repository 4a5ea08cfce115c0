sealmq_fuzz(scacauth_messages schemes)
sealmq_fuzz(scacauth_sides schemes)
sealmq_fuzz(hop_ratchet crypto)
