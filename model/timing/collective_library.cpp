#include "timing/collective_library.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "config/resolve.h"
#include "config/schema.h"

namespace athena::timing {

const config::StructSchema& schema_of(const ProtocolTerms*);

const config::StructSchema& schema_of(const ProtocolTerms*) {
  using config::not_negative;
  static const config::StructSchema schema =
      config::SchemaBuilder<ProtocolTerms>("protocol", "One way to hand data from chip to chip.")
          .field("base_ring", &ProtocolTerms::base_ring, "once per call, ring and direct",
                 not_negative())
          .field("base_tree", &ProtocolTerms::base_tree, "once per call, tree", not_negative())
          .field("step_ring", &ProtocolTerms::step_ring, "per step inside a domain", not_negative())
          .field("step_tree", &ProtocolTerms::step_tree, "per step inside a domain", not_negative())
          .field("network_ring", &ProtocolTerms::network_ring, "per step between domains",
                 not_negative())
          .field("network_tree", &ProtocolTerms::network_tree, "per step between domains",
                 not_negative())
          .field("efficiency", &ProtocolTerms::efficiency, "data bytes per payload byte",
                 config::fraction())
          .field("slices", &ProtocolTerms::slices, "synchronisations per step and chunk",
                 config::range(1, 64))
          .field("chunk", &ProtocolTerms::chunk,
                 "largest chunk of one channel in one step; 0 B = unlimited", not_negative())
          .field("limit", &ProtocolTerms::limit, "bus bandwidth limit per link generation",
                 config::positive())
          .build();
  return schema;
}

const config::StructSchema& schema_of(const CollectiveLibrary*) {
  using config::not_negative;
  static const config::StructSchema schema =
      config::SchemaBuilder<CollectiveLibrary>("collectives",
                                               "The library that moves data between chips.")
          .field("name", &CollectiveLibrary::name, "as in a stack's `collectives`",
                 config::required())
          .field("description", &CollectiveLibrary::description, "one line for people")
          .field("protocols", &CollectiveLibrary::protocols, "by name: ll, ll128, simple, rdma ...")
          .field("algorithms", &CollectiveLibrary::algorithms,
                 "of ring, tree, halving_doubling, direct, hierarchical, in_switch",
                 config::items(1))
          .field("channels", &CollectiveLibrary::channels, "parallel rings or trees",
                 config::range(1, 128))
          .field("steps_include_link", &CollectiveLibrary::steps_include_link,
                 "step terms contain the hardware latency of the link")
          .field("in_switch_base", &CollectiveLibrary::in_switch_base,
                 "once per call of an in-switch reduction", not_negative())
          .field("in_switch_efficiency", &CollectiveLibrary::in_switch_efficiency,
                 "of the payload rate, in an in-switch reduction", config::fraction())
          .field("point_to_point", &CollectiveLibrary::point_to_point,
                 "base of a send and receive pair", not_negative())
          .field("cores", &CollectiveLibrary::cores,
                 "cores of the chip that a collective occupies while it moves data",
                 config::range(0, 1024))
          .field("memory_touches", &CollectiveLibrary::memory_touches,
                 "times that a byte on the wire crosses the memory of a chip", not_negative())
          .field("rank_skew", &CollectiveLibrary::rank_skew,
                 "how much later the last rank arrives when host processes launch the call",
                 not_negative())
          .check([](const CollectiveLibrary& l) -> std::string {
            static const std::vector<std::string> known = {
                "ring", "tree", "halving_doubling", "direct", "hierarchical", "in_switch"};
            for (const std::string& a : l.algorithms)
              if (std::find(known.begin(), known.end(), a) == known.end())
                return fmt::format("algorithms: '{}' is none of {}.{}", a, join(known, ", "),
                                   did_you_mean(a, known));
            return "";
          })
          .build();
  return schema;
}

CollectiveLibrary load_collective_library(const std::string& name,
                                          const std::vector<std::string>& sets) {
  return config::load<CollectiveLibrary>(name, "stacks/collectives", sets);
}

}  // namespace athena::timing
