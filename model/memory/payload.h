#pragma once
/// TLM-2.0 payloads of the memory seam: pooled, with an extension for who asks and why.
#include <cstdint>
#include <memory>
#include <tlm>
#include <vector>

namespace athena::memory {

/// Travels with a payload; the memory hands it back untouched.
struct MemoryExtension : tlm::tlm_extension<MemoryExtension> {
  std::uint32_t flow = 0;          ///< stream of requests that keeps its order: a DMA queue
  std::uint8_t traffic_class = 0;  ///< 0 is the most urgent
  std::uint64_t tag = 0;           ///< the initiator's own

  [[nodiscard]] tlm_extension_base* clone() const override { return new MemoryExtension(*this); }
  void copy_from(const tlm_extension_base& other) override {
    *this = static_cast<const MemoryExtension&>(other);
  }
  MemoryExtension() = default;
  MemoryExtension(const MemoryExtension& other)
      : tlm_extension(), flow(other.flow), traffic_class(other.traffic_class), tag(other.tag) {}
  MemoryExtension& operator=(const MemoryExtension& other) {
    flow = other.flow;
    traffic_class = other.traffic_class;
    tag = other.tag;
    return *this;
  }
};

/// Keeps payloads for reuse, so that a run in steady state allocates nothing. Every payload has a
/// MemoryExtension and a valid data pointer into one shared scratch area: timing models move no
/// data, but a third-party memory behind the seam may read or write it.
class PayloadPool : public tlm::tlm_mm_interface {
 public:
  PayloadPool() = default;
  PayloadPool(const PayloadPool&) = delete;
  PayloadPool& operator=(const PayloadPool&) = delete;
  ~PayloadPool() override;

  /// A payload with one reference; release() gives it back to the pool.
  [[nodiscard]] tlm::tlm_generic_payload* take(std::uint64_t address, unsigned bytes, bool write);
  void free(tlm::tlm_generic_payload* payload) override;
  [[nodiscard]] std::size_t allocated() const { return all_.size(); }

 private:
  std::vector<std::unique_ptr<tlm::tlm_generic_payload>> all_;
  std::vector<tlm::tlm_generic_payload*> idle_;
  std::vector<std::unique_ptr<std::vector<unsigned char>>>
      data_;  // grown, never shrunk: pointers stay
};

}  // namespace athena::memory
