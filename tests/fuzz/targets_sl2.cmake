sealmq_fuzz(sl2_frames schemes)
