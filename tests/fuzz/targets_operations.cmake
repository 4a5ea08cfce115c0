sealmq_fuzz(operations_texts server)
