#include "memory/payload.h"

namespace athena::memory {

PayloadPool::~PayloadPool() = default;  // ~tlm_generic_payload frees the extensions

tlm::tlm_generic_payload* PayloadPool::take(std::uint64_t address, unsigned bytes, bool write) {
  if (idle_.empty()) {
    all_.push_back(std::make_unique<tlm::tlm_generic_payload>(this));
    all_.back()->set_extension(std::make_unique<MemoryExtension>().release());
    idle_.push_back(all_.back().get());
  }
  if (data_.empty() || data_.back()->size() < bytes) {
    data_.push_back(std::make_unique<std::vector<unsigned char>>(bytes));
  }
  tlm::tlm_generic_payload* payload = idle_.back();
  idle_.pop_back();
  payload->acquire();
  payload->set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
  payload->set_address(address);
  payload->set_data_ptr(data_.back()->data());
  payload->set_data_length(bytes);
  payload->set_streaming_width(bytes);
  payload->set_byte_enable_ptr(nullptr);
  payload->set_dmi_allowed(false);
  payload->set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  return payload;
}

void PayloadPool::free(tlm::tlm_generic_payload* payload) {
  idle_.push_back(payload);  // the extension stays with it
}

}  // namespace athena::memory
