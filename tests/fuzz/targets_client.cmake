sealmq_fuzz(stored_messages client)
