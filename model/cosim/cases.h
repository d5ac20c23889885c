#pragma once
/// The blocks that `athena cosim` knows; each has a file <block>_case.cpp.
#include <vector>

#include "cosim/cosim.h"

namespace athena::cosim {

void add_systolic_cases(std::vector<BlockCase>& all);
void add_softmax_cases(std::vector<BlockCase>& all);
void add_dma_cases(std::vector<BlockCase>& all);
void add_router_cases(std::vector<BlockCase>& all);
void add_hbm_cases(std::vector<BlockCase>& all);

}  // namespace athena::cosim
