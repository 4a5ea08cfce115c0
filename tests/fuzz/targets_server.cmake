sealmq_fuzz(password_file server)
sealmq_fuzz(message_record server)
sealmq_fuzz(recoverable_passwords server)
