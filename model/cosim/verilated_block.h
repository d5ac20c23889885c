#pragma once
/// Binds the pins of a Verilated class to the words of a port. Included by the rtl_*.cpp files
/// only.
#include <verilated.h>
#include <verilated_vcd_c.h>
#if VM_COVERAGE
#include <verilated_cov.h>
#endif

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cosim/rtl_block.h"

namespace athena::cosim {

/// Referenced by every block so that the linker keeps verilated_hooks.cpp.
void use_verilated_hooks();

/// `Top` is a Verilated class with pins clk_i and rst_ni. A derived class binds the other pins.
template <class Top>
class VerilatedBlock : public RtlBlock {
 public:
  VerilatedBlock(std::string name, timing::Ports ports, std::uint64_t seed = 1)
      : RtlBlock(std::move(name), std::move(ports)),
        context_(std::make_unique<VerilatedContext>()) {
    use_verilated_hooks();
    context_->threads(1);  // no worker threads: this process forks
    context_->traceEverOn(true);
    // Registers without reset start at random: nothing may depend on them.
    context_->randReset(2);
    context_->randSeed(static_cast<int>(seed));
    top_ = std::make_unique<Top>(context_.get(), "top");
  }
  ~VerilatedBlock() override {
    close_trace();
    // A model's parts find their context through the thread, which may still point to that of
    // another block, perhaps one that is gone.
    Verilated::threadContextp(context_.get());
    top_->final();
    top_.reset();
  }

  void reset() override {
    Verilated::threadContextp(context_.get());
    for (const auto& [pin, word, bytes] : inputs_) std::memset(pin, 0, bytes);
    top_->rst_ni = 1;
    top_->clk_i = 0;
    settle();
    pulse_reset();
#if VM_COVERAGE
    // What random power-up values toggled is no coverage; the reset itself is.
    context_->coveragep()->zero();
    pulse_reset();
#endif
  }

  void cycle(const std::uint32_t* in, std::uint32_t* out) override {
    Verilated::threadContextp(context_.get());
    for (const auto& [pin, word, bytes] : inputs_) std::memcpy(pin, in + word, bytes);
    top_->clk_i = 0;
    settle();
    for (const auto& [pin, word, bytes] : outputs_) {
      out[word] = 0;
      std::memcpy(out + word, pin, bytes);
    }
    top_->clk_i = 1;
    settle();
  }

  void open_trace(const std::string& path) override {
    trace_ = std::make_unique<VerilatedVcdC>();
    top_->trace(trace_.get(), 99);
    trace_->open(path.c_str());
    if (!trace_->isOpen()) throw MachineError("cannot write the waveform " + path);
  }
  void close_trace() override {
    if (!trace_) return;
    trace_->close();
    trace_.reset();
  }
  void write_coverage([[maybe_unused]] const std::string& path) override {
#if VM_COVERAGE
    context_->coveragep()->write(path.c_str());
#endif
  }

 protected:
  Top& top() {
    return *top_;
  }
  /// Pins may be narrower than their words (1, 2, 4 or 8 bytes, or an array of words).
  template <class Pin>
  void bind_input(std::string_view signal, Pin& pin) {
    bind(ports().input(signal), inputs_, pin);
  }
  template <class Pin>
  void bind_output(std::string_view signal, Pin& pin) {
    bind(ports().output(signal), outputs_, pin);
  }

 private:
  struct Binding {
    void* pin;
    int word;
    std::size_t bytes;
  };
  template <class Pin>
  void bind(const timing::Signal& signal, std::vector<Binding>& list, Pin& pin) {
    const std::size_t room = static_cast<std::size_t>(signal.words) * 4;
    const std::size_t need = (static_cast<std::size_t>(signal.bits) + 7) / 8;
    if (sizeof(Pin) > room || sizeof(Pin) < need) {
      throw InternalError("pin '" + signal.name + "' of " + name() +
                          " has another width in the RTL");
    }
    list.push_back({&pin, signal.word, sizeof(Pin)});
  }
  void pulse_reset() {
    top_->rst_ni = 0;  // asynchronous reset needs its falling edge
    for (int i = 0; i < 2; ++i) {
      top_->clk_i = 0;
      settle();
      top_->clk_i = 1;
      settle();
    }
    top_->clk_i = 0;
    settle();
    top_->rst_ni = 1;
    settle();
  }
  void settle() {
    top_->eval();
    if (trace_) trace_->dump(time_);
    ++time_;
  }

  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Top> top_;
  std::unique_ptr<VerilatedVcdC> trace_;
  std::uint64_t time_ = 0;
  std::vector<Binding> inputs_;
  std::vector<Binding> outputs_;
};

}  // namespace athena::cosim
