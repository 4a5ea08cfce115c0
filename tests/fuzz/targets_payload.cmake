sealmq_fuzz(cbor base)
sealmq_fuzz(payload_containers schemes)
sealmq_fuzz(topic_key_file keystore)
sealmq_fuzz(payload_paper schemes)
