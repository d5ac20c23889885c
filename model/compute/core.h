#pragma once
/// One processing core: five engines, each a state machine that walks its instruction stream, and
/// the semaphores at which they meet.
///
///   stream:  running --wait on an empty semaphore--> blocked --set--> running
///            running --matmul, vector--> busy until the unit is done --> running
///            running --load, store--> goes on at once; completion sets the semaphore
///            end of body: the next item (static) or the end of the item (work queue)
///
/// On a statically bound chip a core holds two contexts, for the present kernel and the next: each
/// engine moves on as soon as it has finished its part, so weights of the next kernel are fetched
/// while the present one still computes. On a work-queue chip a context is a resident work item.
#include <array>
#include <cstdint>
#include <memory>
#include <systemc>
#include <vector>

#include "compute/kernel_run.h"
#include "compute/request.h"
#include "config/chip.h"
#include "exec/bodies.h"
#include "exec/meaning.h"
#include "exec/shadow.h"
#include "sim/dispatcher.h"
#include "timing/timeline.h"

namespace athena::compute {

/// Who hands out kernels and items: the chip's sequencer.
class Board {
 public:
  Board() = default;
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;
  virtual ~Board() = default;
  /// Static binding: the kernel with that number, null when the program has ended.
  virtual KernelRun* kernel(int index) = 0;
  /// The kernel `distance` before `run`, null when there is none.
  virtual KernelRun* before(const KernelRun& run, std::int64_t distance) = 0;
  /// A core has finished its share of a static kernel, or one item of a work-queue kernel.
  virtual void finished(KernelRun& run, std::int64_t items, const timing::Moment& when, Core& core,
                        std::uint32_t context) = 0;
};

class Core : public sc_core::sc_module, private sim::Client {
 public:
  Core(const sc_core::sc_module_name& name, const config::ChipConfig& chip, int index,
       sim::Dispatcher& dispatcher, MemoryPath& memory, Board& board);

  /// Static binding: begins with kernel 0 at time zero.
  void start_program();
  /// Work queue: runs item `item` of `run` in context `context`, from `when` on.
  void start_item(KernelRun& run, std::int64_t item, std::uint32_t context,
                  const timing::Moment& when);
  /// A transfer has arrived; called at the time when its first piece is usable, or before it where
  /// takes_early() allows.
  void complete(Request* request);
  /// Whether complete() may be called as soon as the arrival is known, before its time: what waits
  /// for a load is private to this core and carries its own time. Not where bytes really move.
  [[nodiscard]] bool takes_early(const Request& request) const {
    return !request.write && meaning_ == nullptr && shadow_ == nullptr;
  }
  /// A kernel that a stream waits for is done.
  void resume(std::uint32_t tag);

  void set_meaning(exec::Meaning* meaning) { meaning_ = meaning; }
  /// Who times products and softmax in place of the closed forms.
  void set_bodies(const exec::Bodies& bodies) { bodies_ = bodies; }
  /// Engines that carry this core's transfers, with a window of their own; null = the memories
  /// behind the closed form of the engines.
  void set_engines(MemoryPath* engines) { engines_ = engines; }
  /// Who watches for bytes used too early or overwritten too soon; null = nobody.
  void set_shadow(exec::Shadow* shadow) { shadow_ = shadow; }
  /// Where spans of the engines go; null = nowhere.
  void set_timeline(timing::Timeline* timeline) { timeline_ = timeline; }
  /// Core clock relative to full speed (power cap).
  void set_clock_ratio(double ratio) { ratio_ = ratio; }
  [[nodiscard]] int index() const { return index_; }
  [[nodiscard]] timing::Server& port(bool write) { return write ? port_out_ : port_in_; }
  [[nodiscard]] Time matrix_busy() const { return matrix_.busy(); }
  [[nodiscard]] Time vector_busy() const { return vector_.busy(); }
  /// Which streams are blocked, and on what: for the watchdog.
  [[nodiscard]] std::string blocked() const;
  void reset();

 private:
  struct Unit {
    timing::Moment first;
    timing::Moment last;
    std::int64_t pieces = 1;
  };
  struct Semaphore {
    std::vector<Unit> ring;
    std::size_t head = 0;
    std::size_t count = 0;
    int waiter = -1;
    std::int64_t need = 0;
    void push(const Unit& unit);
    Unit pop();
  };
  struct Frame {
    std::size_t begin = 0;
    std::int64_t count = 0;
    std::int64_t at = 0;
    std::int64_t fuse = 1;
    program::Var var = program::Var::kLoop0;
  };
  struct Stream {
    bool active = false;  ///< may run (engine is free, items are there)
    bool finished = true;
    bool placed = false;  ///< static: the first item is set up
    std::size_t pc = 0;
    program::Env env{};
    std::array<Frame, 2> frames{};
    int depth = 0;
    timing::Moment now;
    timing::Moment tail;  ///< last piece of the operands consumed since the last product
    std::int64_t pieces = 1;
    Time latency{0};  ///< of the last product, paid when its result is handed on
    std::vector<std::int64_t> cursor;
    std::unique_ptr<StaticItems> items;
    // The operation in flight, whose meaning applies at completion:
    const program::Instruction* pending = nullptr;
    std::uint32_t sent = 0, arrived = 0;  ///< transfers
    exec::Slots pending_slots{};
  };
  struct Context {
    KernelRun* run = nullptr;
    std::array<Stream, program::kEngines> streams;
    std::vector<Semaphore> semaphores;
    std::int64_t items = 0;
    int outstanding = 0;
    std::vector<Request*> early;  ///< arrived before one of their stream that was sent earlier
    bool reported = true;         ///< its end is known to the board: free for another kernel
    timing::Moment last;
  };

  void wake(std::uint32_t tag, void* item) override;
  void open(std::uint32_t context, KernelRun& run, const timing::Moment& when);
  void open_next();
  bool open_static(int kernel_index);
  void activate(std::uint32_t context, std::size_t engine, const timing::Moment& when);
  void drain();
  void run_stream(std::uint32_t context, std::size_t engine);
  /// Executes one instruction; false when the stream must stop here.
  bool step(std::uint32_t context, std::size_t engine, Stream& stream,
            const program::Instruction& instruction);
  bool wait(Context& ctx, std::uint32_t context, std::size_t engine, Stream& stream,
            const program::Instruction& instruction);
  bool wait_kernel(Context& ctx, std::uint32_t context, std::size_t engine, Stream& stream,
                   const program::Instruction& instruction);
  void begin_loop(Context& ctx, std::size_t engine, Stream& stream,
                  const program::Instruction& instruction);
  void end_loop(Stream& stream);
  bool transfer(Context& ctx, std::uint32_t context, std::size_t engine, Stream& stream,
                const program::Instruction& instruction);
  void broadcast(Context& ctx, Stream& stream, std::size_t engine,
                 const program::Instruction& instruction, Request* request);
  void multiply(Context& ctx, std::uint32_t context, std::size_t engine, Stream& stream,
                const program::Instruction& instruction);
  void compute_vector(Context& ctx, std::uint32_t context, std::size_t engine, Stream& stream,
                      const program::Instruction& instruction);
  [[nodiscard]] double vector_cycles(timing::VectorFn fn, std::int64_t rows, std::int64_t cols,
                                     std::int64_t extra) const;
  void finish_operation(Context& ctx, std::uint32_t context, Stream& stream);
  bool next_item(Context& ctx, std::size_t engine, Stream& stream);
  void place_item(Context& ctx, Stream& stream, const ItemPlace& place);
  void end_stream(std::uint32_t context, std::size_t engine);
  void check_finished(std::uint32_t context);
  void signal(Context& ctx, std::uint32_t context, int semaphore, const Unit& unit);
  exec::Slots take_slots(Context& ctx, Stream& stream, const program::Instruction& instruction,
                         bool& released);
  std::int64_t fused(const Stream& stream) const;
  [[nodiscard]] exec::Shadow::Actor actor(const Context& ctx, std::uint32_t context,
                                          const program::Instruction& instruction) const;
  void watch(const Context& ctx, Request* request);
  void hand_over(Request* request);
  void arrive(Context& ctx, Request* request);
  Request* acquire();
  void release(Request* request);
  [[nodiscard]] Time cycles(double count) const;

  const config::ChipConfig& chip_;
  int index_;
  bool queue_;
  sim::Dispatcher& dispatcher_;
  MemoryPath& memory_;
  Board& board_;
  exec::Meaning* meaning_ = nullptr;
  exec::Shadow* shadow_ = nullptr;
  exec::Bodies bodies_;
  MemoryPath* engines_ = nullptr;
  timing::Timeline* timeline_ = nullptr;
  double ratio_ = 1.0;
  timing::Server matrix_, vector_, port_in_, port_out_, window_;
  double window_seconds_per_byte_ = 0;
  std::vector<Context> contexts_;
  std::vector<std::uint32_t> ready_;
  int next_kernel_ = 0;  ///< static: number of the kernel that opens next
  std::vector<std::unique_ptr<Request>> pool_;
  std::vector<Request*> free_;
};

}  // namespace athena::compute
