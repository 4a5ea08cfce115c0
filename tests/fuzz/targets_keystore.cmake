sealmq_fuzz(public_identity registry)
sealmq_fuzz(broker_identity keystore)
sealmq_fuzz(key_file keystore)
sealmq_fuzz(rabin_key keystore)
