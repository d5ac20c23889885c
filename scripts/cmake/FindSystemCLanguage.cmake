# Debian ships SystemC without a CMake package. Its library is built as C++17, so users of any later
# standard must ask for that interface version (SC_CPLUSPLUS), else sc_api_version_* fails to link.
find_path(SystemC_INCLUDE_DIR NAMES systemc.h)
find_library(SystemC_LIBRARY NAMES systemc)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SystemCLanguage REQUIRED_VARS SystemC_LIBRARY SystemC_INCLUDE_DIR)
if(SystemCLanguage_FOUND AND NOT TARGET SystemC::systemc)
  add_library(SystemC::systemc UNKNOWN IMPORTED)
  set_target_properties(SystemC::systemc PROPERTIES
    IMPORTED_LOCATION ${SystemC_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${SystemC_INCLUDE_DIR}
    INTERFACE_COMPILE_DEFINITIONS SC_CPLUSPLUS=201703L)
endif()
mark_as_advanced(SystemC_INCLUDE_DIR SystemC_LIBRARY)
