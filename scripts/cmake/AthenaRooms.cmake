# Warnings are errors in our own code; they are not exported to users of a library.
add_library(athena_warnings INTERFACE)
target_compile_options(athena_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  # Clang counts changes of sign among conversions, g++ does not: both see the same rule.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>)

add_library(athena_options INTERFACE)
if(ATHENA_SANITIZE)
  target_compile_options(athena_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
                         -fno-omit-frame-pointer -Wno-maybe-uninitialized)
  target_link_options(athena_options INTERFACE -fsanitize=address,undefined)
endif()
if(ATHENA_COVERAGE)
  target_compile_options(athena_options INTERFACE --coverage)
  target_link_options(athena_options INTERFACE --coverage)
endif()

# athena_room(NAME [DEPS room...] [LIBS target...] [PRIVATE_LIBS target...])
# One folder of model/ = one library athena_NAME. Sources are the folder's .cpp files, sub-folders included.
function(athena_room name)
  cmake_parse_arguments(ROOM "" "" "DEPS;LIBS;PRIVATE_LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  set(scope PUBLIC)
  if(sources)
    add_library(athena_${name} STATIC ${sources})
    target_link_libraries(athena_${name} PRIVATE athena_warnings ${ROOM_PRIVATE_LIBS})
  else()
    add_library(athena_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(athena_${name} ${scope} ${CMAKE_SOURCE_DIR}/model)
  target_link_libraries(athena_${name} ${scope} athena_options ${ROOM_LIBS})
  foreach(dep IN LISTS ROOM_DEPS)
    target_link_libraries(athena_${name} ${scope} athena_${dep})
  endforeach()
endfunction()
