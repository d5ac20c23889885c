#pragma once
/// A Verilated block behind the common port, as the rest of the room sees it: no V*.h here.
#include <functional>
#include <memory>
#include <string>

#include "timing/block.h"

namespace athena::cosim {

/// A `timing::Block` whose body is RTL: it can also write a waveform.
class RtlBlock : public timing::Block {
 public:
  using timing::Block::Block;
  /// Starts a VCD file at the next cycle.
  virtual void open_trace(const std::string& path) = 0;
  virtual void close_trace() = 0;
  /// Adds the coverage counters gathered so far to `path` (a build with coverage only; else
  /// nothing).
  virtual void write_coverage(const std::string& path) = 0;
};

}  // namespace athena::cosim
