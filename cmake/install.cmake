# The library for others, found by find_package(sealmq) or pkg-config sealmq: what a client needs, without broker and databases.
include(CMakePackageConfigHelpers)

add_library(sealmq_library)
add_library(sealmq::sealmq ALIAS sealmq_library)
set_target_properties(sealmq_library PROPERTIES OUTPUT_NAME sealmq EXPORT_NAME sealmq VERSION ${PROJECT_VERSION}
                      SOVERSION 0)  # raised whenever programs have to be compiled anew
foreach(layer base crypto mqtt net keystore schemes client)
  target_sources(sealmq_library PRIVATE $<TARGET_OBJECTS:sealmq_${layer}>)
endforeach()
target_sources(sealmq_library PRIVATE "$<FILTER:$<TARGET_OBJECTS:sealmq_registry>,EXCLUDE,/(sqlite|postgres|open_registry)>")
target_compile_features(sealmq_library PUBLIC cxx_std_20)
target_include_directories(sealmq_library INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# Boost is in the public face (async_client.h), and the objects of its Asio have to look there as in the library. Not passed on is
# BOOST_ASIO_SEPARATE_COMPILATION: compilers name some of Asio's functions differently, so each program brings its own.
target_compile_definitions(sealmq_library PUBLIC BOOST_ASIO_NO_DEPRECATED)
target_link_libraries(sealmq_library
  PUBLIC tl::expected Boost::headers Threads::Threads
  PRIVATE $<BUILD_INTERFACE:sealmq_options> OpenSSL::SSL OpenSSL::Crypto PkgConfig::PCSC ${CMAKE_DL_LIBS})
if(SEALMQ_SANITIZE)
  target_link_options(sealmq_library INTERFACE $<BUILD_INTERFACE:-fsanitize=${SEALMQ_SANITIZE}>)
elseif(BUILD_SHARED_LIBS)
  target_link_options(sealmq_library PRIVATE -Wl,--no-undefined -Wl,--as-needed)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sealmq)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/sealmqConfig.cmake.in ${CMAKE_BINARY_DIR}/sealmqConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/sealmqConfigVersion.cmake COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH pkgconfig_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_CURRENT_LIST_DIR}/sealmq.pc.in ${CMAKE_BINARY_DIR}/sealmq.pc @ONLY)

install(TARGETS sealmq_library EXPORT sealmqTargets)
install(DIRECTORY include/sealmq DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h
        REGEX "/(login|payload_guard|registry|scheme)[.]h$" EXCLUDE)  # for schemes, which are built with the library
install(EXPORT sealmqTargets NAMESPACE sealmq:: DESTINATION ${package_dir})
install(FILES ${CMAKE_BINARY_DIR}/sealmqConfig.cmake ${CMAKE_BINARY_DIR}/sealmqConfigVersion.cmake DESTINATION ${package_dir})
install(FILES ${CMAKE_BINARY_DIR}/sealmq.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE README.md CHANGELOG.md SECURITY.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The unit names the program where it is being installed to, which --prefix can still change.
install(CODE "get_filename_component(CMAKE_INSTALL_FULL_BINDIR \"${CMAKE_INSTALL_BINDIR}\" ABSOLUTE BASE_DIR \"\${CMAKE_INSTALL_PREFIX}\")
  configure_file(\"${CMAKE_SOURCE_DIR}/packaging/systemd/sealmq.service.in\" \"${CMAKE_BINARY_DIR}/sealmq.service\" @ONLY)")
install(FILES ${CMAKE_BINARY_DIR}/sealmq.service DESTINATION lib/systemd/system)

add_subdirectory(examples)
