# athena_verilate(<name> TOP <module> SOURCES <files> [PARAMS Name=value ...])
# Library <name> with the Verilated class V<name> of a block. Two translation units each: the code that
# runs every cycle at -O2, and reset, tracing and symbol tables (most of the bytes) at -O0.
# The generated file names are not known beforehand, so a script gathers them behind two fixed ones.
find_program(ATHENA_VERILATOR verilator)
option(ATHENA_RTL_COVERAGE "Collect line and toggle coverage of the RTL (slow)" OFF)
if(ATHENA_VERILATOR)
  execute_process(COMMAND ${ATHENA_VERILATOR} --getenv VERILATOR_ROOT
                  OUTPUT_VARIABLE ATHENA_VERILATOR_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(ATHENA_VERILATOR_INCLUDE ${ATHENA_VERILATOR_ROOT}/include)
endif()

# The run-time library, compiled once.
function(athena_verilator_runtime)
  if(TARGET athena_verilated)
    return()
  endif()
  find_package(Threads REQUIRED)
  set(sources verilated.cpp verilated_threads.cpp verilated_vcd_c.cpp)
  if(ATHENA_RTL_COVERAGE)
    list(APPEND sources verilated_cov.cpp)
  endif()
  list(TRANSFORM sources PREPEND ${ATHENA_VERILATOR_INCLUDE}/)
  add_library(athena_verilated STATIC ${sources})
  target_include_directories(athena_verilated SYSTEM PUBLIC
    ${ATHENA_VERILATOR_INCLUDE} ${ATHENA_VERILATOR_INCLUDE}/vltstd)
  target_compile_options(athena_verilated PRIVATE -w)
  target_compile_definitions(athena_verilated PRIVATE VL_USER_STOP PUBLIC VM_TRACE=1 VM_TRACE_VCD=1
    VM_COVERAGE=$<BOOL:${ATHENA_RTL_COVERAGE}>)
  target_link_libraries(athena_verilated PUBLIC Threads::Threads)
endfunction()

function(athena_verilate name)
  cmake_parse_arguments(V "" "TOP" "SOURCES;PARAMS" ${ARGN})
  athena_verilator_runtime()
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/${name})
  list(TRANSFORM V_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/rtl/)
  list(TRANSFORM V_PARAMS PREPEND -G)
  set(flags --cc --trace --assert -O3 --x-initial unique --x-assign unique -Wall
      -I${CMAKE_SOURCE_DIR}/rtl/common)
  if(ATHENA_RTL_COVERAGE)
    # Elements of an array stay classes of their own: inlined, their counters take gigabytes to compile.
    list(APPEND flags --coverage-line --coverage-toggle --inline-mult 1)
  endif()
  add_custom_command(
    OUTPUT ${dir}/fast.cpp ${dir}/slow.cpp
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${dir}
    COMMAND ${ATHENA_VERILATOR} ${flags} ${V_PARAMS} ${CMAKE_SOURCE_DIR}/rtl/waivers.vlt ${V_SOURCES} --top-module ${V_TOP}
            --prefix V${name} --Mdir ${dir}
    COMMAND ${CMAKE_COMMAND} -DDIR=${dir} -P ${CMAKE_SOURCE_DIR}/scripts/cmake/gather_verilated.cmake
    DEPENDS ${V_SOURCES} ${CMAKE_SOURCE_DIR}/rtl/waivers.vlt ${CMAKE_SOURCE_DIR}/rtl/common/athena_assert.svh
            ${CMAKE_SOURCE_DIR}/scripts/cmake/gather_verilated.cmake
    COMMENT "Verilating ${name}" VERBATIM)
  set_source_files_properties(${dir}/slow.cpp PROPERTIES COMPILE_OPTIONS "-O0;-g0")
  set(level -O2)
  if(ATHENA_RTL_COVERAGE)
    set(level -O0)
  endif()
  set_source_files_properties(${dir}/fast.cpp PROPERTIES COMPILE_OPTIONS "${level};-g0")
  add_library(${name} STATIC ${dir}/fast.cpp ${dir}/slow.cpp)
  target_include_directories(${name} SYSTEM PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
  target_compile_options(${name} PRIVATE -w)
  target_link_libraries(${name} PUBLIC athena_verilated)
endfunction()
