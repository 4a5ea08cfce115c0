foreach(name sl1_frames broker_core)
  sealmq_fuzz(${name} schemes)
  target_link_libraries(fuzz_${name} PRIVATE sealmq_test_broker)
endforeach()
