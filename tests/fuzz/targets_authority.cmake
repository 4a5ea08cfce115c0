sealmq_fuzz(audit_log authority)
