#include "timing/dma_step.h"

#include "base/error.h"

namespace athena::timing {
namespace {

constexpr int kAddressBits = 32;
constexpr int kCountBits = 12;
constexpr int kSemaphoreBits = 4;
constexpr std::size_t kWaiting = 2;

int length_bits(int max_burst) {
  int bits = 0;
  while ((1 << bits) < max_burst + 1) ++bits;
  return bits;
}

/// Words of the input and output arrays, in the order in which dma_ports adds them. Data comes last
/// on each side because its width is a parameter.
enum In {
  kDescValid,
  kSource,
  kDestination,
  kSourceStride1,
  kSourceStride2,
  kDestinationStride1,
  kDestinationStride2,
  kCount0,
  kCount1,
  kCount2,
  kSemaphore,
  kArReady,
  kRValid,
  kRLast,
  kAwReady,
  kWReady,
  kBValid,
  kSemReady,
  kRData
};
enum Out {
  kDescReady,
  kArValid,
  kArAddress,
  kArLength,
  kRReady,
  kAwValid,
  kAwAddress,
  kAwLength,
  kWValid,
  kWLast,
  kBReady,
  kSemValid,
  kSemId,
  kBusy,
  kWData
};

}  // namespace

Ports dma_ports(const DmaRtlParams& p) {
  Ports ports;
  ports.add_input("desc_valid", 1);
  for (const char* name : {"desc_src", "desc_dst", "desc_src_stride1", "desc_src_stride2",
                           "desc_dst_stride1", "desc_dst_stride2"}) {
    ports.add_input(name, kAddressBits, "desc_valid");
  }
  for (const char* name : {"desc_count0", "desc_count1", "desc_count2"}) {
    ports.add_input(name, kCountBits, "desc_valid");
  }
  ports.add_input("desc_sem", kSemaphoreBits, "desc_valid");
  ports.add_input("ar_ready", 1);
  ports.add_input("r_valid", 1);
  ports.add_input("r_last", 1, "r_valid");
  ports.add_input("aw_ready", 1);
  ports.add_input("w_ready", 1);
  ports.add_input("b_valid", 1);
  ports.add_input("sem_ready", 1);
  ports.add_input("r_data", p.data_bits, "r_valid");
  ports.add_output("desc_ready", 1);
  ports.add_output("ar_valid", 1);
  ports.add_output("ar_addr", kAddressBits, "ar_valid");
  ports.add_output("ar_len", length_bits(p.max_burst), "ar_valid");
  ports.add_output("r_ready", 1);
  ports.add_output("aw_valid", 1);
  ports.add_output("aw_addr", kAddressBits, "aw_valid");
  ports.add_output("aw_len", length_bits(p.max_burst), "aw_valid");
  ports.add_output("w_valid", 1);
  ports.add_output("w_last", 1, "w_valid");
  ports.add_output("b_ready", 1);
  ports.add_output("sem_valid", 1);
  ports.add_output("sem_id", kSemaphoreBits, "sem_valid");
  ports.add_output("busy", 1);
  ports.add_output("w_data", p.data_bits, "w_valid");
  return ports;
}

void DmaWalker::start(std::uint32_t address, const std::array<std::uint32_t, 2>& strides,
                      const std::array<std::uint32_t, 3>& counts) {
  active_ = true;
  address_ = row_ = plane_ = address;
  strides_ = strides;
  counts_ = left_ = counts;
}

void DmaWalker::next() {
  if (last()) {
    active_ = false;
    return;
  }
  if (left_[0] > max_burst_) {
    address_ += max_burst_;
    left_[0] -= max_burst_;
    return;
  }
  left_[0] = counts_[0];
  if (left_[1] != 1) {
    --left_[1];
    row_ += strides_[0];
  } else {
    left_[1] = counts_[1];
    --left_[2];
    plane_ += strides_[1];
    row_ = plane_;
  }
  address_ = row_;
}

Cycles dma_cycles(const DmaRtlParams&, const DmaDescriptor& d, int read_latency,
                  int write_latency) {
  // Descriptor taken in cycle 0, first read asked in 1, its first beat at 1 + latency, in the
  // buffer a cycle later; then a beat per cycle; acknowledgement; semaphore one cycle after it.
  constexpr std::int64_t kStart = 1;
  constexpr std::int64_t kBuffer = 1;
  constexpr std::int64_t kSignal = 1;
  return Cycles(kStart + read_latency + kBuffer + static_cast<std::int64_t>(d.beats()) - 1 +
                write_latency + kSignal);
}

DmaStep::DmaStep(const DmaRtlParams& params)
    : Block("dma_engine", dma_ports(params)),
      params_(params),
      data_words_(ceil_div(params.data_bits, 32)),
      read_(params.max_burst),
      write_(params.max_burst) {
  if (params.data_bits < 8 || params.data_bits > 1024 || params.max_burst < 1 ||
      params.buffer_beats < params.max_burst || params.max_reads < 1 || params.max_writes < 1) {
    throw InputError(
        "dma_engine needs 8..1024 data bits, a buffer of at least one burst, and one burst in "
        "flight");
  }
  reset();
}

void DmaStep::reset() {
  read_ = DmaWalker(params_.max_burst);
  write_ = DmaWalker(params_.max_burst);
  waiting_.clear();
  buffer_.clear();
  lengths_.clear();
  unacknowledged_.clear();
  reserved_ = reads_ = 0;
  sent_ = 0;
  semaphore_valid_ = false;
}

void DmaStep::cycle(const std::uint32_t* in, std::uint32_t* out) {
  // Outputs of this cycle, from the state before the edge.
  const bool desc_ready = read_.idle() && waiting_.size() < kWaiting;
  const bool ar_valid = !read_.idle() && reads_ < params_.max_reads &&
                        params_.buffer_beats - reserved_ >= static_cast<int>(read_.length());
  const bool r_ready = static_cast<int>(buffer_.size()) < params_.buffer_beats;
  const auto max_writes = static_cast<std::size_t>(params_.max_writes);
  const bool aw_valid =
      !write_.idle() && lengths_.size() < max_writes && unacknowledged_.size() < max_writes;
  const bool w_valid = !buffer_.empty() && !lengths_.empty();
  const bool w_last = !lengths_.empty() && sent_ + 1 == lengths_.front();
  const bool b_ready = !unacknowledged_.empty() && !semaphore_valid_;
  out[kDescReady] = desc_ready;
  out[kArValid] = ar_valid;
  out[kArAddress] = read_.address();
  out[kArLength] = read_.length();
  out[kRReady] = r_ready;
  out[kAwValid] = aw_valid;
  out[kAwAddress] = write_.address();
  out[kAwLength] = write_.length();
  out[kWValid] = w_valid;
  out[kWLast] = w_last;
  out[kBReady] = b_ready;
  out[kSemValid] = semaphore_valid_;
  out[kSemId] = semaphore_id_;
  out[kBusy] = !read_.idle() || !write_.idle() || !waiting_.empty() || !unacknowledged_.empty() ||
               semaphore_valid_;
  for (int i = 0; i < data_words_; ++i) {
    out[kWData + i] = w_valid ? buffer_.front()[static_cast<std::size_t>(i)] : 0;
  }

  const bool desc_fire = in[kDescValid] != 0 && desc_ready;
  const bool ar_fire = ar_valid && in[kArReady] != 0;
  const bool r_fire = in[kRValid] != 0 && r_ready;
  const bool aw_fire = aw_valid && in[kAwReady] != 0;
  const bool w_fire = w_valid && in[kWReady] != 0;
  const bool b_fire = in[kBValid] != 0 && b_ready;
  const bool write_starts = write_.idle() && !waiting_.empty();
  const std::uint32_t read_length = read_.length();

  // The edge.
  if (ar_fire) {
    read_.next();
    reserved_ += static_cast<int>(read_length);
    ++reads_;
  }
  if (r_fire && in[kRLast] != 0) --reads_;
  const std::uint32_t write_length = write_.length();
  const bool write_last = write_.last();
  if (w_fire) {
    --reserved_;
    buffer_.pop_front();
    sent_ = w_last ? 0 : sent_ + 1;
    if (w_last) lengths_.pop_front();
  }
  if (r_fire) {
    Beat beat{};
    for (int i = 0; i < data_words_; ++i) beat[static_cast<std::size_t>(i)] = in[kRData + i];
    buffer_.push_back(beat);
  }
  const bool signals = b_fire && unacknowledged_.front().last;
  if (signals) {
    semaphore_id_ = unacknowledged_.front().semaphore;
    semaphore_valid_ = true;
  } else if (in[kSemReady] != 0) {
    semaphore_valid_ = false;
  }
  if (b_fire) unacknowledged_.pop_front();
  if (aw_fire) {
    lengths_.push_back(write_length);
    unacknowledged_.push_back({write_last, write_semaphore_});
    write_.next();
  }
  if (write_starts) {
    const DmaDescriptor& d = waiting_.front();
    write_.start(d.destination, d.destination_strides, d.counts);
    write_semaphore_ = d.semaphore;
    waiting_.pop_front();
  }
  if (desc_fire) {
    DmaDescriptor d;
    d.source = in[kSource];
    d.destination = in[kDestination];
    d.source_strides = {in[kSourceStride1], in[kSourceStride2]};
    d.destination_strides = {in[kDestinationStride1], in[kDestinationStride2]};
    d.counts = {in[kCount0], in[kCount1], in[kCount2]};
    d.semaphore = in[kSemaphore];
    read_.start(d.source, d.source_strides, d.counts);
    waiting_.push_back(d);
  }
}

}  // namespace athena::timing
