# The library for others: every layer in one static archive, found by find_package(sealmq) or pkg-config sealmq.
include(CMakePackageConfigHelpers)

add_library(sealmq_library STATIC)
add_library(sealmq::sealmq ALIAS sealmq_library)
set_target_properties(sealmq_library PROPERTIES OUTPUT_NAME sealmq EXPORT_NAME sealmq)
foreach(layer base crypto mqtt registry net keystore authority broker schemes client server)
  target_sources(sealmq_library PRIVATE $<TARGET_OBJECTS:sealmq_${layer}>)
endforeach()
target_compile_features(sealmq_library PUBLIC cxx_std_20)
target_include_directories(sealmq_library INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# Boost is in the public face (async_client.h), the headers of the others are not.
target_link_libraries(sealmq_library
  PUBLIC tl::expected Boost::headers Threads::Threads
  PRIVATE OpenSSL::SSL OpenSSL::Crypto SQLite::SQLite3 PostgreSQL::PostgreSQL spdlog::spdlog tomlplusplus::tomlplusplus
          PkgConfig::PCSC ${CMAKE_DL_LIBS})
if(SEALMQ_SANITIZE)
  target_link_options(sealmq_library INTERFACE $<BUILD_INTERFACE:-fsanitize=${SEALMQ_SANITIZE}>)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sealmq)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/sealmqConfig.cmake.in ${CMAKE_BINARY_DIR}/sealmqConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/sealmqConfigVersion.cmake COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH pkgconfig_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_CURRENT_LIST_DIR}/sealmq.pc.in ${CMAKE_BINARY_DIR}/sealmq.pc @ONLY)

install(TARGETS sealmq_library EXPORT sealmqTargets ARCHIVE)
install(DIRECTORY include/sealmq DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
install(EXPORT sealmqTargets NAMESPACE sealmq:: DESTINATION ${package_dir})
install(FILES ${CMAKE_BINARY_DIR}/sealmqConfig.cmake ${CMAKE_BINARY_DIR}/sealmqConfigVersion.cmake DESTINATION ${package_dir})
install(FILES ${CMAKE_BINARY_DIR}/sealmq.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

configure_file(packaging/systemd/sealmq.service.in ${CMAKE_BINARY_DIR}/sealmq.service @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/sealmq.service DESTINATION lib/systemd/system)

add_subdirectory(examples)
