#pragma once
/// The network flit by flit: one event per clock while anything moves, none while it is idle.
#include <memory>
#include <systemc>
#include <vector>

#include "noc/network.h"
#include "timing/noc_flit.h"

namespace athena::noc {

/// Messages are cut into packets of at most `packet_flits`, which the destination puts together.
/// The routers do not copy flits: a multicast is one message per destination here.
class DetailedNetwork : public sc_core::sc_module, public Network, private sim::Client {
 public:
  DetailedNetwork(const sc_core::sc_module_name& name, const timing::NocSpec& spec,
                  sim::Dispatcher& dispatcher, int packet_flits = 16);
  void send(int source, std::span<const int> destinations, Bytes bytes, int message_class,
            Receiver& receiver, void* item) override;
  void reset() override;
  void check_progress() const override;
  [[nodiscard]] std::int64_t open() const override { return open_; }
  [[nodiscard]] timing::NocLinkUse use(timing::LinkId link) const override {
    return use_[static_cast<std::size_t>(link)];
  }
  [[nodiscard]] const timing::Topology& topology() const override { return topology_; }

 private:
  struct Message {
    Receiver* receiver = nullptr;
    void* item = nullptr;
    int packets = 0;  ///< not yet arrived
  };
  void wake(std::uint32_t tag, void* item) override;
  void arm();

  timing::Topology topology_;
  timing::FlitNetwork state_;
  sim::Dispatcher& dispatcher_;
  int packet_flits_;
  Time period_;
  bool armed_ = false;
  std::int64_t open_ = 0;
  std::vector<Message> messages_;
  std::vector<std::uint32_t> free_;
  std::vector<timing::NocLinkUse> use_;
};

}  // namespace athena::noc
