sealmq_fuzz(sl2_frames schemes)
sealmq_fuzz(sl2_sides schemes)
target_link_libraries(fuzz_sl2_sides PRIVATE sealmq_test_broker)
