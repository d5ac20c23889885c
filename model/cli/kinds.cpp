#include "cli/kinds.h"

#include "config/chip.h"

namespace athena::cli {
namespace {

template <class T>
config::Kind kind(const char* name) {
  return {name, &schema_of(static_cast<const T*>(nullptr))};
}

}  // namespace

const std::vector<config::Kind>& document_kinds() {
  static const std::vector<config::Kind> kinds{
      kind<config::ChipConfig>("chips"),
  };
  return kinds;
}

}  // namespace athena::cli
