#pragma once
/// What stands in the place of a chip's own models in a run: the seam through which RTL comes into
/// a chip. Null = the model.
#include "exec/matrix_engine.h"
#include "exec/softmax_engine.h"
#include "timing/clocked_bodies.h"

namespace athena::exec {

struct Bodies {
  MatrixEngine* matrix = nullptr;            ///< of the cores: numbers and cycles
  SoftmaxEngine* softmax = nullptr;          ///< of the vector units: numbers and cycles
  timing::ClockedBodies* clocked = nullptr;  ///< DMA engines, routers, memory schedulers
};

}  // namespace athena::exec
