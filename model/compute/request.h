#pragma once
/// A DMA transfer on its way through the memories, and the seam behind the DMA engines.
#include <cstdint>
#include <vector>

#include "exec/meaning.h"
#include "program/program.h"
#include "timing/moment.h"

namespace athena::compute {

class Core;
struct KernelRun;
struct Request;

/// Who asked for a part of a core's transfer in its place (a DMA engine between core and network).
class RequestOwner {
 public:
  RequestOwner() = default;
  RequestOwner(const RequestOwner&) = delete;
  RequestOwner& operator=(const RequestOwner&) = delete;
  /// As Core::complete: the part is there at request->moment, which may lie ahead.
  virtual void arrived(Request* request) = 0;

 protected:
  ~RequestOwner() = default;
};

/// One window of a region on its way to or from a core. Pooled: no allocation in steady state.
struct Request {
  KernelRun* run = nullptr;
  const program::Region* region = nullptr;
  std::int64_t row = 0, column = 0;      ///< first row; first byte column
  std::int64_t rows = 0, row_bytes = 0;  ///< size of the window (the union of fused iterations)
  std::int64_t address = 0;              ///< of its first byte
  std::int64_t bytes = 0;
  std::int64_t pieces = 1;  ///< fused iterations: the first is usable after 1/pieces
  bool write = false;
  bool broadcast = false;
  Core* core = nullptr;                ///< who asked (broadcast: the core that pays for the window)
  RequestOwner* owner = nullptr;       ///< who is told of its arrival; null = the core
  const exec::Moved* moved = nullptr;  ///< the bytes that an engine carried; null = nobody did
  std::uint32_t context = 0;
  int semaphore = -1;
  std::uint32_t engine = 0;  ///< stream that asked
  std::uint32_t order = 0;   ///< among the transfers of that stream
  const program::Instruction* instruction = nullptr;
  program::Env env{};               ///< of the first iteration
  std::int64_t slot = 0;            ///< stage of the buffer
  std::uint32_t ticket = 0;         ///< of the shadow, where one watches
  std::vector<Request*> receivers;  ///< broadcast: one request per receiving core
  timing::Moment moment;            ///< where it is in time
  Time sent{0};                     ///< when the engine asked
  Time lead{0};                     ///< the first piece arrived this much before `moment`
  timing::Bound lead_bound = timing::Bound::kHbm;  ///< what that time was spent on
  // Private to the memory path:
  int stage = 0;
  int hop = 0;
  int open = 0;
  timing::Moment arrived;
};

/// What stands behind the DMA engines of all cores. Calls come in global time order.
class MemoryPath {
 public:
  MemoryPath() = default;
  MemoryPath(const MemoryPath&) = delete;
  MemoryPath& operator=(const MemoryPath&) = delete;
  virtual ~MemoryPath() = default;
  /// Takes the request at request->moment (now); completion is reported to Core::complete(), for a
  /// broadcast to every receiver's core.
  virtual void submit(Request* request) = 0;
  virtual void reset() = 0;
};

}  // namespace athena::compute
