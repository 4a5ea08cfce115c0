# Installs BUILD into FOLDER, then builds the examples against nothing but that: by find_package and by pkg-config.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE complained)
  if(failed)
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "failed: ${command}\n${said}\n${complained}")
  endif()
  set(said "${said}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${FOLDER})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${FOLDER}/prefix)
run(${FOLDER}/prefix/bin/sealmq version)
file(READ ${FOLDER}/prefix/lib/systemd/system/sealmq.service service)
if(NOT service MATCHES "ExecStart=/[^\n]*/bin/sealmq broker")
  message(FATAL_ERROR "the systemd unit does not start the program: ${service}")
endif()

run(${CMAKE_COMMAND} -S ${EXAMPLES} -B ${FOLDER}/examples -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_PREFIX_PATH=${FOLDER}/prefix)
run(${CMAKE_COMMAND} --build ${FOLDER}/examples)

set(ENV{PKG_CONFIG_PATH} ${FOLDER}/prefix/${LIBRARIES}/pkgconfig)
run(${PKG_CONFIG} --cflags --libs sealmq)
separate_arguments(flags UNIX_COMMAND "${said}")
run(${CXX} -std=c++20 ${EXAMPLES}/publish_blocking.cpp ${flags} -o ${FOLDER}/publish_blocking)

# They run, and say what is wrong when there is no broker.
set(ENV{BROKER} mqtt://127.0.0.1:1)
foreach(program examples/publish_blocking publish_blocking)
  execute_process(COMMAND ${FOLDER}/${program} topic text ERROR_VARIABLE complained OUTPUT_QUIET)
  if(NOT complained MATCHES "cannot connect to 127.0.0.1")
    message(FATAL_ERROR "${program} did not run: ${complained}")
  endif()
endforeach()
