sealmq_fuzz(profile_lines base)
target_sources(fuzz_profile_lines PRIVATE ${CMAKE_SOURCE_DIR}/src/cli/profile_lines.cpp)
